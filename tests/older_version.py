"""A service that shows no capability, as one of a version before capabilities does.

It is the real one, except for what it writes when it joins those that deliver.
"""

import sys

from adapters.peewee_store.instances import SqlInstances
from domain.capability import Capability
from entrypoints.__main__ import main

assert SqlInstances.join.__kwdefaults__ is not None
SqlInstances.join.__kwdefaults__["capabilities"] = Capability(0)

if __name__ == "__main__":
    sys.exit(main())
