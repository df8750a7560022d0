"""Sending the calls of a mailing: what was accepted once is sent no second time."""

import io
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.message.template import Variable
from entrypoints.cli.mailing.calls import MailingCalls, TemplateFound
from entrypoints.cli.mailing.progress import Progress
from entrypoints.cli.mailing.sending import InDoubt, Sending
from entrypoints.client.bodies import Body
from entrypoints.client.failures import Refused, Unanswered, WrongUsage
from entrypoints.mailing_plan import Wishes, read_plan

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
NAME = Variable(name="name")
FILE = b"email,name\n" + b"".join(f"u{n}@example.org,x\n".encode() for n in range(4))
KEY = "es_01234567"


class PlayedService:
    """The service as `MailingCalls` uses it: it accepts calls of at most *most* emails."""

    answered_at = AT

    def __init__(self, most: int) -> None:
        self.most = most
        self.accepted: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def post(self, path: str, body: Body, *, idempotency_key: str = "") -> Mapping[str, Any]:
        people = [one["recipient"] for one in json.loads(b"".join(body.pieces()))["to"]]
        self.before()
        if len(people) > self.most:
            raise Refused(413, {})
        self.accepted += people
        return {"email_ids": list(range(len(people)))}


def send(path: Path, service: PlayedService, *, in_doubt: InDoubt | None = None) -> None:
    template = TemplateFound(name="news", locale="", version=1, variables=(NAME,), has_link=False)
    wishes = Wishes(template="news", declared=(NAME,))
    calls = MailingCalls(service, common={})  # type: ignore[arg-type]  # the part that it uses
    with closing(Progress(path)) as progress, read_plan(io.BytesIO(FILE), wishes) as plan:
        if progress.is_fresh:
            progress.start({})
        sending = Sending(calls, progress, plan, template, key=KEY, in_doubt=in_doubt)
        sending.run(4, done=lambda _: None)


def everybody_once(service: PlayedService) -> bool:
    return sorted(service.accepted) == [f"u{n}@example.org" for n in range(4)]


def stopped() -> None:
    raise Unanswered("it does not answer")


def test_what_went_in_parts_goes_on_in_parts_though_larger_calls_are_taken_now(
    tmp_path: Path,
) -> None:
    path, service = tmp_path / "progress", PlayedService(most=2)

    def stop_after_the_first_half() -> None:
        if service.accepted:
            stopped()

    service.before = stop_after_the_first_half
    with pytest.raises(Unanswered):
        send(path, service)
    service.before, service.most = lambda: None, 500
    send(path, service)

    assert everybody_once(service)


def test_a_call_that_may_have_been_accepted_is_not_sent_in_parts_when_it_is_too_large_now(
    tmp_path: Path,
) -> None:
    path, service = tmp_path / "progress", PlayedService(most=2)
    service.before = stopped
    with pytest.raises(Unanswered):
        send(path, service)
    service.before = lambda: None

    with pytest.raises(WrongUsage, match="--in-doubt"):
        send(path, service)
    assert service.accepted == []

    send(path, service, in_doubt=InDoubt.SEND)
    assert everybody_once(service)
