"""What dkimpy says of messages: run by the Python that Debian's python3-dkim belongs to.

dkimpy has no wheel, so it cannot be in a lock whose build tools are pinned.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tests.missing import missing

PYTHON = "/usr/bin/python3"
SCRIPT = """
import base64, json, sys
import dkim
from dkim.canonicalization import Relaxed
answers = []
for asked in json.load(sys.stdin):
    octets = base64.b64decode(asked["octets"])
    if "records" in asked:
        records = {name + ".": value.encode() for name, value in asked["records"].items()}
        def found(name, timeout=5):
            return records.get(name.decode())
        message = dkim.DKIM(octets)
        names = [name.lower() for name, _ in message.headers]
        count = names.count(b"dkim-signature")
        answers.append([bool(message.verify(idx=n, dnsfunc=found)) for n in range(count)])
    elif "record" in asked:
        record = asked["record"].encode()
        answers.append(bool(dkim.verify(octets, dnsfunc=lambda name, timeout=5: record)))
    else:
        answers.append(base64.b64encode(Relaxed.canonicalize_body(octets)).decode())
json.dump(answers, sys.stdout)
"""


@cache
def _is_there() -> bool:
    found = subprocess.run([PYTHON, "-c", "import dkim, nacl"], capture_output=True, check=False)
    return found.returncode == 0


def _ask(questions: Sequence[dict[str, Any]]) -> Any:
    if sys.platform != "linux" or not _is_there():
        missing("dkimpy is not installed: apt-get install python3-dkim python3-nacl")
    answer = subprocess.run(
        [PYTHON, "-c", SCRIPT],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(answer.stdout)


def verified(*signed: tuple[bytes, str]) -> list[bool]:
    """Whether each message verifies with the TXT record beside it."""
    found: list[bool] = _ask(
        [{"octets": _text(message), "record": record} for message, record in signed]
    )
    return found


def verified_signatures(messages: Sequence[bytes], records: Mapping[str, str]) -> list[list[bool]]:
    """Whether each signature of each message verifies; the DNS has these TXT *records* by name."""
    found: list[list[bool]] = _ask(
        [{"octets": _text(message), "records": dict(records)} for message in messages]
    )
    return found


def relaxed_bodies(bodies: Sequence[bytes]) -> list[bytes]:
    """The relaxed form of each body."""
    return [base64.b64decode(one) for one in _ask([{"octets": _text(body)} for body in bodies])]


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
