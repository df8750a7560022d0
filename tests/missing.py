"""What a test needs of the machine and does not find: an error in CI, elsewhere one line."""

import os
from collections.abc import Mapping
from typing import NoReturn

import pytest


def missing(reason: object, environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Fail in CI, skip elsewhere; *reason* names what is missing and how to get it."""
    if environ.get("CI"):
        pytest.fail(str(reason))
    pytest.skip(str(reason))
