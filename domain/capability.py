"""What the processes that deliver must know before what needs it may be accepted.

While one version replaces another, processes of both deliver from one database. One that does not
know of a kind of mail would send it wrong. The store keeps such mail and such a process apart.
"""

from enum import IntFlag
from typing import Final


class Capability(IntFlag):
    """A bit for each kind of mail or account; never used for anything else once it was released."""

    BLOBS = 1  # messages whose large parts are stored apart
    OWN_FROM = 2  # messages that have their From line in themselves
    PLAIN_BLOBS = 4  # messages with large parts that are not in base64
    OAUTH = 8  # accounts that log in with a token


ALL: Final = Capability.BLOBS | Capability.OWN_FROM | Capability.PLAIN_BLOBS | Capability.OAUTH
