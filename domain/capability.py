"""What the processes that deliver must know before mail that needs it may be accepted.

While one version replaces another, processes of both deliver from one database. One that does not
know of a kind of mail would send it wrong.
"""

from enum import IntFlag
from typing import Final


class Capability(IntFlag):
    """A bit for each kind of mail; never used for anything else once it was released."""

    BLOBS = 1  # messages whose large parts are stored apart
    OWN_FROM = 2  # messages that have their From line in themselves


ALL: Final = Capability.BLOBS | Capability.OWN_FROM
