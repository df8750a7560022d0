"""Which messages of many connections are stored together."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from domain.address import Address
from entrypoints.smtp.groups import MOST, SMALL, MessageGroups
from entrypoints.smtp.intake import Came, Login
from entrypoints.smtp.reply import FAILED, LOGGED_IN, Reply
from entrypoints.smtp.session import MessageCame

RECIPIENTS = (Address.parse("ada@example.org"),)


class Intake:
    """Answers each message with its own text, and keeps the groups."""

    def __init__(self) -> None:
        self.groups: list[Sequence[str]] = []

    def take(self, messages: Sequence[Came]) -> Sequence[Reply]:
        names = [came.message.octets[:9].decode() for came in messages]
        self.groups.append(names)
        return [Reply(250, "2.0.0", name) for name in names]


class Workers:
    """Works are done when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[asyncio.Future[Any], Callable[[], Any]]] = []

    def do(self, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked.append((future, work))
        return future

    def finish(self, answer: Any = None) -> None:
        future, work = self.asked.pop(0)
        future.set_result(answer or work())


class Scene:
    def __init__(self) -> None:
        self.intake = Intake()
        self.workers = Workers()
        intake: Any = self.intake
        workers: Any = self.workers
        self.groups = MessageGroups(intake, workers)
        self.replies: dict[str, str] = {}

    def take(self, *names: str, octets: bytes = b"") -> None:
        for name in names:
            message = MessageCame(RECIPIENTS, name.encode() + octets)

            def answered(reply: Reply, name: str = name) -> None:
                self.replies[name] = reply.text

            self.groups.take(Came(message, Login(answer=LOGGED_IN), "192.0.2.1"), answered)

    async def turns(self) -> None:
        """Let the loop do what is ready."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def begun(self, number: int) -> None:
        """Wait until so many works were asked for."""
        while len(self.workers.asked) < number:
            await asyncio.sleep(0)


def play(test: Callable[[Scene], Coroutine[Any, Any, None]]) -> Scene:
    async def run() -> Scene:
        scene = Scene()
        await asyncio.wait_for(test(scene), 20)
        return scene

    return asyncio.run(run())


def test_messages_of_one_turn_are_a_group_and_each_gets_its_own_reply() -> None:
    async def test(scene: Scene) -> None:
        scene.take("a", "b", "c")
        await scene.begun(1)
        scene.workers.finish()
        await scene.turns()

    scene = play(test)
    assert scene.intake.groups == [["a", "b", "c"]]
    assert scene.replies == {"a": "a", "b": "b", "c": "c"}


def test_what_comes_while_a_group_is_stored_is_the_next_one() -> None:
    async def test(scene: Scene) -> None:
        scene.take("a")
        await scene.begun(1)
        scene.take("b")
        await scene.turns()
        scene.take("c")
        await scene.turns()
        assert len(scene.workers.asked) == 1
        scene.workers.finish()
        await scene.begun(1)
        scene.workers.finish()

    assert play(test).intake.groups == [["a"], ["b", "c"]]


def test_a_group_waits_a_moment_for_those_who_have_just_got_their_answers() -> None:
    async def test(scene: Scene) -> None:
        scene.take("a", "b")
        await scene.begun(1)
        scene.workers.finish()
        await scene.turns()
        scene.take("c")
        await scene.turns()
        assert not scene.workers.asked, "it waits for one more"
        scene.take("d")
        await scene.turns()
        scene.workers.finish()
        scene.take("e")
        await scene.begun(1)  # though nobody else comes
        scene.workers.finish()

    assert play(test).intake.groups == [["a", "b"], ["c", "d"], ["e"]]


def test_a_large_message_waits_for_nobody() -> None:
    async def test(scene: Scene) -> None:
        scene.take("a")
        await scene.begun(1)
        scene.take("large....", octets=b"x" * SMALL)
        await scene.begun(2)
        scene.workers.finish()
        scene.workers.finish()

    assert play(test).intake.groups == [["a"], ["large...."]]


def test_a_group_that_takes_long_does_not_keep_the_next_one_waiting() -> None:
    async def test(scene: Scene) -> None:
        scene.take("a")
        await scene.begun(1)
        scene.take("b")
        await scene.begun(2)
        scene.workers.finish()
        scene.workers.finish()
        await scene.turns()
        scene.take("c")
        await scene.begun(1)
        scene.workers.finish()

    assert play(test).intake.groups == [["a"], ["b"], ["c"]]


def test_a_group_has_so_many_messages() -> None:
    async def test(scene: Scene) -> None:
        scene.take(*map(str, range(MOST + 1)))
        await scene.begun(1)
        scene.workers.finish()
        await scene.begun(1)
        scene.workers.finish()

    assert [len(group) for group in play(test).intake.groups] == [MOST, 1]


def test_a_bug_is_told_to_all_of_a_group() -> None:
    async def test(scene: Scene) -> None:
        scene.take("a", "b")
        await scene.begun(1)
        scene.workers.finish(FAILED)
        await scene.turns()

    assert play(test).replies == {"a": FAILED.text, "b": FAILED.text}
