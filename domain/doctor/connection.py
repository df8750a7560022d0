"""The stages of a verification as findings, and how long the server's certificate is good."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from domain.account.account import Security
from domain.account.verification import Step, TlsFacts, Verification
from domain.address import is_loopback
from domain.doctor.finding import Finding, Status, shown
from domain.outcome.handoff import Problem, Stage

SOON: Final = timedelta(days=14)
_EXPECTED: Final = {
    Stage.RESOLVE: "the name of the server has an address",
    Stage.CONNECT: "the server takes the connection",
    Stage.TLS: "TLS from version 1.2 on, with a certificate that is trusted",
    Stage.BANNER: "the server greets with 220",
    Stage.EHLO: "the server takes EHLO",
    Stage.STARTTLS: "the server begins TLS",
    Stage.AUTH: "the server takes the login",
    Stage.MAIL: "the server takes the sender",
    Stage.RCPT: "the server takes the recipient",
}
# what says nothing about the server: it may be well in a moment
_UNKNOWN: Final = frozenset({Problem.DNS, Problem.TIMEOUT, Problem.TOKEN_SERVER, Problem.STOPPED})


def judge_connection(
    verification: Verification, *, advise: Callable[[Step], str], now: datetime
) -> Iterator[Finding]:
    """A finding for each stage that was reached, and one for the certificate's end.

    *advise* says what a person should do about a step that failed.
    """
    steps = {step.stage: step for step in verification.steps}  # EHLO is said twice
    if Stage.CONNECT in steps:
        yield _finding(Step(stage=Stage.RESOLVE, detail=verification.account.host), "")
    for stage in Stage:
        if stage in steps:
            yield _finding(steps[stage], advise(steps[stage]))
    if verification.account.security is Security.PLAIN and Stage.EHLO in steps:
        yield _without_tls(verification.account.host)
    elif (step := steps.get(Stage.TLS)) and step.tls is not None and step.tls.not_after:
        yield _expiry(step.tls.not_after, now=now)


def _finding(step: Step, fix: str) -> Finding:
    status = Status.OK if step.ok else Status.FAIL
    temporary = step.problem in _UNKNOWN or (step.reply is not None and step.reply.transient)
    if not step.ok and temporary:
        status = Status.UNKNOWN
    found = _with_version(step.text, step.tls) or (step.problem.value if step.problem else "")
    return Finding(
        code=step.stage.value,
        status=status,
        found=shown(found),
        expected=_EXPECTED[step.stage],
        fix=fix,
        source="RFC 8314, 3" if step.stage in (Stage.TLS, Stage.STARTTLS) else "RFC 5321",
    )


def _with_version(text: str, tls: TlsFacts | None) -> str:
    return text if tls is None else f"{tls.version}: {text}"


def _without_tls(host: str) -> Finding:
    is_here = is_loopback(host)
    return Finding(
        code="tls",
        status=Status.OK if is_here else Status.WARN,
        found="no TLS: the server is this machine" if is_here else "the account uses no TLS",
        expected=_EXPECTED[Stage.TLS],
        fix="" if is_here else "Set use_tls or use_ssl.",
        source="RFC 8314, 3",
    )


def _expiry(not_after: datetime, *, now: datetime) -> Finding:
    left = not_after - now
    status, fix = Status.OK, ""
    if left <= timedelta():
        status, fix = Status.FAIL, "Have the server's operator renew the certificate."
    elif left < SOON:
        status, fix = Status.WARN, "Have the server's operator renew the certificate in time."
    return Finding(
        code="tls_expiry",
        status=status,
        found=f"the certificate is good until {not_after:%Y-%m-%dT%H:%M:%SZ} ({left.days} days)",
        expected=f"{SOON.days} days left at least",
        fix=fix,
        source="RFC 5280, 4.1.2.5",
    )
