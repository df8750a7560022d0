"""What every real mail server is put through by the running service, and the table of it."""

import smtplib
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Final

import attrs

from tests.faults.harness import Database, Load, Numbers, database_of
from tests.mail_servers.servers import (
    ALL,
    PASSWORD,
    USER,
    Certificates,
    Dovecot,
    Exim,
    Haraka,
    MailServer,
    OpenSmtpd,
    Postfix,
    SmtpServerOfNode,
    running,
)
from tests.running import Running, wait_until

GHOST: Final = "ghost@example.test"
# who was refused once is on the suppression list, and would not be asked again
EACH_TIME: Final = {"bypass_suppression": ["hard_bounce"]}
PATIENCE_S: Final = 120.0
SETTINGS: Final = {
    "RATE_LIMIT": 100_000,
    "RATE_BURST": 1_000_000,
    "RETRY_SCHEDULE": "1,2,4",
    "MAX_RETRIES": 20,
    "BREAKER_SCHEDULE": "1,2",
    "LOG_FORMAT": "json",
}


@attrs.frozen
class Line:
    """A service, and a server that it has accounts on."""

    service: Running
    server: MailServer
    database: Database
    authority: Path  # the certificate that signed the server's

    def account(self, behind: str, **fields: object) -> int:
        """A new account on one of the server's ports, in the right TLS mode unless told."""
        return self.service.account(
            self.server.ports[behind],
            **{
                "name": f"{behind}-{time.monotonic_ns()}",
                "email_address": USER,
                "username": USER,
                "password": PASSWORD,
                "use_tls": behind == "STARTTLS",
                "use_ssl": behind != "STARTTLS",
                **fields,
            },
        )

    def put(self, account: int, **fields: object) -> None:
        status, answer = self.service.call("PUT", f"/api/smtp-configs/{account}", fields)
        assert status == 200, answer

    def shown(self, account: int) -> dict[str, Any]:
        status, answer = self.service.get(f"/api/smtp-configs/{account}")
        assert status == 200, answer
        return dict(answer)

    def verify(self, account: int, **body: object) -> dict[str, Any]:
        status, answer = self.service.post(f"/api/smtp-configs/{account}/verify", body or None)
        assert status == 200, answer
        return dict(answer)

    def load(self, bodies: Sequence[dict[str, Any]]) -> Load:
        return Load([self.service.port], bodies).start()

    def wait_for_the_end(self, *, patience: float = PATIENCE_S) -> None:
        """Until every email has ended."""
        try:
            wait_until(self.database.has_ended, patience=patience, every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{self.database.statuses()}: {self._why()}") from error

    def judged(self, wanted: Sequence[dict[str, Any]], *, seconds: float) -> Numbers:
        """Lost, copied, and how long it took; every email must have been sent."""
        assert set(self.database.statuses()) == {"sent"}, f"{self.database.reasons()} {self._why()}"
        expected = Counter(
            (str(body["subject"]), name)
            for body in wanted
            for name in body["recipients"]
            if name != GHOST
        )
        # a server that relays may still be at it
        wait_until(lambda: not expected - Counter(self.server.taken()), patience=60, every=0.2)
        taken = Counter(self.server.taken())
        assert not taken.keys() - expected.keys(), "somebody got what was not for him"
        copies = sum((taken - expected).values())
        unknown = sum(self.database.unknown_outcomes().values())
        return {"sent": len(wanted), "lost": 0, "copies": copies, "unknown": unknown} | {
            "seconds": round(seconds, 1)
        }

    def told(self, taken: Sequence[tuple[str, str]]) -> list[tuple[Any, ...]]:
        """The attempts at these emails."""
        names = "','".join({subject for subject, _ in taken})
        return self.database.rows(
            "SELECT subject, attempt.attempt_no, stage, result, attempt.reason, text FROM attempt"
            f" JOIN email ON email.id = email_id WHERE subject IN ('{names}')"
        )

    def _why(self) -> list[tuple[Any, ...]]:
        return self.database.rows(
            "SELECT stage, reason, text, COUNT(*) FROM attempt GROUP BY 1, 2, 3 ORDER BY 4 LIMIT 20"
        )


@contextmanager
def a_line(kind: type[MailServer], folder: Path, **settings: str) -> Iterator[Line]:
    """One server, and a service that trusts its certificate."""
    certificates = Certificates()
    with running(kind, certificates) as server:
        server.refuse(GHOST)
        home = folder / kind.name
        home.mkdir()
        authority = home / "ca.pem"
        authority.write_bytes(certificates.authority)
        service = Running(home, SMTP_CA_FILE=authority, **SETTINGS, **settings)
        service.run("migrate")
        service.start()
        try:
            yield Line(service, server, database_of(service), authority)
        finally:
            service.kill()


def varied(number: int) -> list[dict[str, Any]]:
    """Emails that differ in what matters on the wire; one in ten names somebody unknown too."""
    bodies = [
        "<p>Plain.</p>",
        "<p>Grüße, привет, 你好 — 🎉</p>",
        "<pre>\n.\n..\n.a line of dots\n.\n</pre>",
        "<p>" + "long " * 20_000 + "</p>",
        "<p>" + "x" * 5_000 + "</p>",
    ]
    groups = [[USER], [USER, "u2@example.test", "u3@example.test"], ["u4@example.test"]]
    return [
        {
            "subject": f"trial-{n:04d}",
            "html_content": bodies[n % len(bodies)],
            "recipients": [*groups[n % len(groups)], *([GHOST] if n % 10 == 9 else [])],
            **EACH_TIME,
        }
        for n in range(number)
    ]


def all_at_once(line: Line, *, emails: int = 60, **fields: object) -> Numbers:
    """A queue of so many varied emails over the default two connections."""
    account = line.account("STARTTLS", active=False, **fields)
    bodies = varied(emails)
    line.load([body | {"smtp_config_id": account} for body in bodies]).join()
    started = time.monotonic()
    line.put(account, active=True)
    line.wait_for_the_end()
    numbers = line.judged(bodies, seconds=time.monotonic() - started)
    return numbers | {"seconds with smtplib": round(sent_plainly(line, bodies), 1)}


def unknown_in_a_row(line: Line, *, emails: int = 60) -> Numbers:
    """Every other ten are each to one unknown recipient, over one connection at a time."""
    account = line.account("STARTTLS", active=False, max_connections=1)
    names = {f"row-{n:04d}": GHOST if n // 10 % 2 else USER for n in range(emails)}
    line.load(
        [
            {
                "subject": subject,
                "recipients": [name],
                "html_content": "x",
                "smtp_config_id": account,
                **EACH_TIME,
            }
            for subject, name in names.items()
        ]
    ).join()
    started = time.monotonic()
    line.put(account, active=True)
    line.wait_for_the_end()
    seconds = time.monotonic() - started
    unknown = [subject for subject, name in names.items() if name == GHOST]
    assert line.database.reasons() == dict.fromkeys(unknown, "recipient_refused"), line._why()
    assert line.shown(account)["pause_reason"] is None
    expected = Counter((subject, name) for subject, name in names.items() if name != GHOST)

    def taken() -> Counter[tuple[str, str]]:
        return Counter(each for each in line.server.taken() if each[0] in names)

    wait_until(lambda: not expected - taken(), patience=60, every=0.2)
    return {
        "in a row": emails,
        "copies in a row": sum((taken() - expected).values()),
        "seconds in a row": round(seconds, 1),
    }


def sent_plainly(line: Line, bodies: Sequence[dict[str, Any]], *, connections: int = 2) -> float:
    """How many seconds smtplib takes for the same emails over as many connections."""
    shares = [bodies[first::connections] for first in range(connections)]
    started = time.monotonic()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(lambda share: _send_plainly(line, share), shares))
    return time.monotonic() - started


def _send_plainly(line: Line, bodies: Sequence[dict[str, Any]]) -> None:
    session = _plain_session(line)
    for body in bodies:
        message = EmailMessage(policy=SMTP)
        message["From"], message["Subject"] = USER, body["subject"]
        message["To"] = ", ".join(body["recipients"])
        message.set_content(body["html_content"], subtype="html")
        try:
            session.sendmail(USER, body["recipients"], message.as_bytes())
        except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected):
            session.close()  # so many messages a connection
            session = _plain_session(line)
            session.sendmail(USER, body["recipients"], message.as_bytes())
    session.quit()


def _plain_session(line: Line) -> smtplib.SMTP:
    session = smtplib.SMTP("127.0.0.1", line.server.ports["STARTTLS"], timeout=PATIENCE_S)
    session.starttls(context=ssl.create_default_context(cafile=str(line.authority)))
    session.login(USER, PASSWORD)
    return session


def interrupted(line: Line, *, emails: int = 300) -> Numbers:
    """Over four connections, with the server reloaded, stopped and killed in the middle of it."""
    server = line.server
    account = line.account("STARTTLS", active=False, max_connections=4)
    bodies = varied(emails)
    line.load(bodies).join()
    started = time.monotonic()
    faults = [server.reload, lambda: server.restart_after(server.stop)]
    faults.append(lambda: server.restart_after(server.kill))

    def play() -> None:
        for place, fault in enumerate(faults, 1):
            mark = emails * place // (len(faults) + 1)
            wait_until(lambda mark=mark: line.database.statuses()["sent"] >= mark, every=0.01)
            fault()

    with ThreadPoolExecutor(1) as player:
        played = player.submit(play)
        line.put(account, active=True)
        played.result()  # or a server that does not start again would go unnoticed
    line.wait_for_the_end()
    numbers = line.judged(bodies, seconds=time.monotonic() - started)
    if server.keeps_its_mail:  # one that relays makes copies of its own when it is killed
        unknown = sum(line.database.unknown_outcomes().values())
        copies = len(server.taken()) - len(set(server.taken()))
        twice = [each for each, times in Counter(server.taken()).items() if times > 1]
        assert copies <= 3 * unknown, f"{twice}, {unknown} unknown outcomes: {line.told(twice)}"
    return numbers


def announced(line: Line, *, emails: int = 60) -> Numbers:
    """With announcing turned on by hand: where the server breaks on it, it is off for good."""
    account = line.account("STARTTLS", active=False, announce_next=True)
    bodies = varied(emails)
    line.load(bodies).join()
    started = time.monotonic()
    line.put(account, active=True)
    line.wait_for_the_end()
    numbers = line.judged(bodies, seconds=time.monotonic() - started)
    shown = line.shown(account)
    assert shown["pause_reason"] is None, shown
    return numbers | {"announces": "still" if shown["announce_next"] else "turned off"}


def told_by_verify(line: Line, *, silent: bool = True) -> Numbers:
    """Wrong credentials and TLS modes, in words and in seconds; *silent* takes five of them."""
    good = line.account("STARTTLS")
    answer = line.verify(good)
    assert answer["ok"], answer
    assert [each["stage"] for each in answer["stages"]][-2:] == ["mail", "rcpt"]
    assert line.verify(good, recipient=GHOST)["stage"] == "rcpt"
    wrong = line.verify(line.account("STARTTLS", password="wrong"))
    assert (wrong["stage"], wrong["code"]) == ("auth", 535), wrong
    assert "password" in wrong["stages"][-1]["advice"]
    implicit = line.verify(line.account("STARTTLS", use_tls=False, use_ssl=True))
    assert (implicit["stage"], implicit["problem"]) == ("tls", "tls_mode"), implicit
    assert "use_tls" in implicit["stages"][-1]["advice"]
    nobody = line.verify(line.account("STARTTLS", username="", password=""))
    if not isinstance(line.server, Haraka):  # which asks nobody of this domain for a login
        assert nobody["stage"] in ("mail", "rcpt"), nobody
        assert "username" in nobody["stages"][-1]["advice"], nobody
    told = 5
    if silent:
        began = time.monotonic()
        starttls = line.verify(line.account("TLS", use_tls=True, use_ssl=False))
        assert (starttls["stage"], starttls["problem"]) == ("banner", "tls_mode"), starttls
        assert "use_ssl" in starttls["text"]
        assert time.monotonic() - began < 8
        told += 1
    return {"told": told}


def restrictions(line: Line) -> Numbers:
    """The server's own limits: for each kind what it has."""
    trial = _RESTRICTIONS.get(type(line.server))
    return trial(line) if trial else {}


def _of_postfix(line: Line) -> Numbers:
    name = line.verify(line.account("WRONGNAME"))
    assert (name["stage"], name["problem"]) == ("tls", "certificate"), name
    helo = line.verify(line.account("HELO"))
    assert helo["ok"], helo  # the name that we give is complete, or an address
    owner = line.verify(line.account("OWNER"))
    assert (owner["stage"], owner["code"]) == ("rcpt", 553), owner
    assert "email_address" in owner["stages"][-1]["advice"], owner
    narrow = line.account("NARROW")
    many = [f"u{n}@example.test" for n in range(1, 10)]
    bodies = [{"subject": "narrow", "recipients": many, "html_content": "x"}]
    line.load([body | {"smtp_config_id": narrow} for body in bodies]).join()
    line.wait_for_the_end()
    line.judged(bodies, seconds=0)
    rate = line.account("RATE")
    more = [{"subject": f"rate-{n}", "recipients": [USER], "html_content": "x"} for n in range(12)]
    line.load([body | {"smtp_config_id": rate} for body in more]).join()
    line.wait_for_the_end()
    line.judged([*bodies, *more], seconds=0)
    return {"restrictions": "recipients, rate, sender, certificate"}


def _of_node(line: Line) -> Numbers:
    sent = []
    for behind in ("LOGIN", "CRAM", "BARE", "IMPATIENT", "SINGLE", "SMALL", "HIDDEN"):
        account = line.account(behind, max_connections=3)
        bodies = [
            {"subject": f"{behind}-{n}", "recipients": [USER], "html_content": "x"}
            for n in range(6)
        ]
        line.load([body | {"smtp_config_id": account} for body in bodies]).join()
        sent += bodies
    line.wait_for_the_end()
    time.sleep(2)  # longer than IMPATIENT lets a connection idle
    late = {"subject": "late", "recipients": [USER], "html_content": "x"}
    accounts = {"SMALL": line.account("SMALL"), "HIDDEN": line.account("HIDDEN")}
    line.load([late | {"smtp_config_id": line.account("IMPATIENT")}]).join()
    line.wait_for_the_end()
    line.judged([*sent, late], seconds=0)
    for behind, account in accounts.items():
        large = {"subject": f"large-{behind}", "recipients": [USER], "html_content": "x " * 100_000}
        line.load([large | {"smtp_config_id": account}]).join()
    line.wait_for_the_end()
    reasons = line.database.reasons()
    assert set(reasons) == {"large-SMALL", "large-HIDDEN"}, reasons
    assert set(reasons.values()) <= {"message_too_big", "message_refused"}, reasons
    for behind, stage in {"XOAUTH": "auth", "UNWELCOME": "banner", "SENDER": "mail"}.items():
        told = line.verify(line.account(behind))
        assert (told["ok"], told["stage"]) == (False, stage), told
        assert told["stages"][-1]["advice"], told
    return {"restrictions": "mechanisms, size, idle time, connections, sender"}


_RESTRICTIONS: Final = {Postfix: _of_postfix, SmtpServerOfNode: _of_node}


def whole(
    folder: Path,
    *,
    kind: type[MailServer],
    emails: int = 60,
    interrupted_emails: int = 300,
) -> Numbers:
    """Everything, with one server."""
    numbers: Numbers = {}
    trials = (all_at_once, unknown_in_a_row, announced, interrupted, told_by_verify, restrictions)
    for trial in trials:
        place = folder / trial.__name__
        place.mkdir()
        with a_line(kind, place) as line:
            sizes: Mapping[str, int] = {
                "all_at_once": {"emails": emails},
                "unknown_in_a_row": {"emails": emails},
                "announced": {"emails": emails},
                "interrupted": {"emails": interrupted_emails},
            }.get(trial.__name__, {})
            found = trial(line, **sizes)
            numbers |= {f"{trial.__name__} {name}": each for name, each in found.items()}
    return numbers


def short(line: Line) -> Numbers:
    """What CI has time for, with one server."""
    told = told_by_verify(line, silent=line.server.name in (Postfix.name, Haraka.name))
    return told | all_at_once(line, emails=30) | unknown_in_a_row(line, emails=30)


KINDS: Final = ALL
__all__ = ["KINDS", "Dovecot", "Exim", "OpenSmtpd", "a_line", "short", "whole"]
