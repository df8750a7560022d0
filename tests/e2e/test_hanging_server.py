"""One dialogue that hangs holds up no other email, wherever it hangs."""

from pathlib import Path

import pytest

from adapters.fakes.sender import Fault, Rule, Script
from domain.outcome.handoff import Stage
from tests.running import running, wait_until
from tests.smtp_server import SmtpServer

# Far below every time limit of a dialogue, the shortest of which is five minutes.
SOON_S = 120.0


@pytest.mark.parametrize(
    ("stage", "fault", "pipelining"),
    [
        (Stage.MAIL, Fault.HANG, True),
        (Stage.RCPT, Fault.HANG, True),
        (Stage.DATA, Fault.HANG, True),
        (Stage.DOT, Fault.HANG, True),
        (Stage.DOT, Fault.ACCEPT_HANG, True),
        (Stage.DOT, Fault.ACCEPT_HANG, False),
    ],
)
def test_what_was_claimed_with_a_dialogue_that_hangs_goes_over_another_connection(
    tmp_path: Path, stage: Stage, fault: Fault, pipelining: bool
) -> None:
    extensions = ("PIPELINING", "8BITMIME") if pipelining else ("8BITMIME",)
    script = Script((Rule(stage, fault, message=6, times=1),), extensions=extensions)
    with SmtpServer(script) as server, running(tmp_path, DRAIN_SECONDS=1) as service:
        account = service.account(server.port, max_connections=2)
        service.post(f"/api/smtp-configs/{account}/pause", {})
        ids = [service.submit(f"email {number}") for number in range(30)]
        service.post(f"/api/smtp-configs/{account}/resume", {})

        def sent() -> list[int]:
            return [n for n in ids if service.get(f"/api/emails/{n}")[1]["status"] == "sent"]

        wait_until(lambda: len(sent()) == len(ids) - 1, patience=SOON_S)
        (late,) = set(ids) - set(sent())
        assert service.get(f"/api/emails/{late}")[1]["status"] == "sending"
