"""Which rules of SpamAssassin a message hits: run by Debian's spamassassin, without the network."""

import re
import shutil
import subprocess
from collections.abc import Sequence

from tests.missing import missing

# They say where a message came from, or what it has and may have; none is about a fault in it.
HARMLESS = frozenset(
    {
        "HTML_MESSAGE",
        "NO_RELAYS",
        "NO_RECEIVED",
        "ALL_TRUSTED",
        "UNPARSEABLE_RELAY",
        "T_REMOTE_IMAGE",
        "none",
    }
)
_TESTS = re.compile(rb"^X-Spam-Status: .*? tests=([A-Z0-9_,a-z]+)", re.MULTILINE)
_NUMBER = re.compile(rb"^X-Number: ([0-9]+)", re.MULTILINE)
_SEPARATOR = b"From nobody Mon Jan  5 09:00:00 2026\nX-Number: %d\n"


def rules_of(messages: Sequence[bytes]) -> list[frozenset[str]]:
    """For each message the rules that it hits, without those that are `HARMLESS`."""
    command = shutil.which("spamassassin")
    if command is None:
        missing("spamassassin is not installed: apt-get install spamassassin")
    mailbox = b"".join(
        _SEPARATOR % number
        + re.sub(rb"^(>*From )", rb">\1", each.replace(b"\r\n", b"\n"), flags=re.MULTILINE)
        + b"\n"
        for number, each in enumerate(messages)
    )
    done = subprocess.run(
        [command, "--local", "--mbox", "--cf=use_bayes 0", "--cf=fold_headers 0"],
        input=mailbox,
        capture_output=True,
        check=True,
        timeout=120,
    )
    # it answers in an order of its own
    numbers = map(int, _NUMBER.findall(done.stdout))
    found = dict(zip(numbers, _TESTS.findall(done.stdout), strict=True))
    assert len(found) == len(messages), done.stderr.decode("utf-8", "replace")
    return [
        frozenset(found[number].decode().split(",")) - HARMLESS for number in range(len(messages))
    ]
