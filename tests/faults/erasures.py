"""ERASE: a person is erased while everybody else's mail goes out and processes are killed.

What is proved: after the erasure has ended the address is in no file of the database, and all other
emails have arrived, whole, as if nobody had been erased.
"""

import random
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from adapters.clock import SystemClock
from tests.faults.harness import Load, Numbers, Sink, an_email, database_of, ended, judged
from tests.running import Running, wait_until

PERSON: Final = "ada.lovelace@gone.example"
OTHER: Final = "bob@example.org"
_PATIENCE_S: Final = 600.0
_LATER: Final = timedelta(days=7)


def erased_under_load(
    folder: Path,
    *,
    of_person: int = 600,
    emails: int = 3000,
    kills: int = 20,
    connections: int = 4,
    seed: int = 1,
) -> Numbers:
    """ERASE: kill -9 at random from the request until the erasure is done, and start again.

    Of the emails that name the person a third each goes to them alone, to them and somebody else,
    and to somebody else with the address in its text. As many as that wait for a later time.
    """
    chance = random.Random(seed)
    service = Running(folder, RETRY_SCHEDULE="1", QUEUE_WORKERS=connections, SWEEP_SECONDS=1)
    database = database_of(service)
    steps: set[str] = set()
    with Sink(folder, latency_ms=20) as sink, ended(service):
        service.start()
        service.account(sink.port, max_connections=connections)
        Load([service.port], _of_the_person(of_person)).start().join()
        wait_until(database.has_ended, patience=_PATIENCE_S, every=0.2)
        waiting = Load([service.port], _waiting(of_person // 3)).start()
        waiting.join()
        assert _found(folder), "the address was in no file before"
        others = Load([service.port], (an_email(f"other {n}", recipients=[OTHER])
                                       for n in range(emails))).start()  # fmt: skip
        status, erasure = service.post("/api/erasures", {"address": PERSON})
        assert status == 202, erasure
        path = f"/api/erasures/{erasure['id']}"
        for _ in range(kills):
            time.sleep(chance.random())
            steps |= {step for (step,) in database.rows("SELECT step FROM erasure")}
            service.kill()
            service.start()
        others.join()
        wait_until(
            lambda: service.get(path)[1]["status"] == "done", patience=_PATIENCE_S, every=0.2
        )
        wait_until(database.has_ended, patience=_PATIENCE_S, every=0.2)
        found = _found(folder)
        numbers = judged(
            accepted=others.accepted,
            taken=[one for one in sink.taken() if one.subject.startswith("other ")],
            database=database,
            statuses=others.statuses,
            excused={"outcome_unknown"},
        )
        erased = service.get(path)[1]["emails_erased"]
        assert service.stop() == 0
    assert found == [], f"the address is left in {found}"
    assert _found(folder) == [], "the address is left after the service has stopped"
    assert erased == of_person + len(waiting.accepted), erased
    sent = {one.subject for one in sink.taken()}
    assert not sent & set(waiting.accepted), "email was sent to somebody who was erased"
    bodies = database.rows(
        "SELECT COUNT(*) FROM email e WHERE subject LIKE 'other %' AND NOT EXISTS"
        " (SELECT 1 FROM email_body b WHERE b.email_id = e.id)"
    )
    assert bodies == [(0,)], "emails of others have lost their messages"
    return numbers | {
        "kills": kills,
        "erased": erased,
        "steps seen at the kills": len(steps),
        "files with the address": 0,
        "seed": seed,
    }


def _of_the_person(number: int) -> Iterator[dict[str, object]]:
    for n in range(number):
        subject = f"person {n}"
        if n % 3 == 0:
            yield an_email(subject, recipients=[PERSON], tags=[f"t{n}"])
        elif n % 3 == 1:
            yield an_email(subject, recipients=[PERSON, OTHER])
        else:
            text = f"<p>Ask {PERSON}, {'ä' * 80}</p>"
            yield an_email(subject, recipients=[OTHER], html_content=text)


def _waiting(number: int) -> Iterator[dict[str, object]]:
    later = (SystemClock().now() + _LATER).isoformat()
    for n in range(number):
        yield an_email(f"waits {n}", recipients=[PERSON], send_at=later)


def _found(folder: Path) -> list[str]:
    """The files of the database in which the address stands, plainly or encoded."""
    octets = PERSON.encode()
    forms = [octets, octets.replace(b"@", b"=40"), b"ada.lovelace"]
    forms += [b64encode(b"x" * before + octets)[4:-4] for before in range(3)]
    return [
        f"{file.name}: {form.decode()}"
        for file in sorted(folder.glob("service.db*"))
        for form in forms
        if form in file.read_bytes()
    ]
