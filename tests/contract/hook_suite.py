"""What every store must do with event hooks: a part of `StoreContract`."""

import attrs
import pytest

from application.ports.store import Store
from domain.account.account import Account
from domain.errors import NotFound
from domain.hook.hook import EventHook, HookKind
from tests.builders import a_hook, at


class HookContract:
    """The suite of the HookRepository port."""

    def test_event_hooks_come_back_as_they_were_stored(
        self, store: Store, account: Account
    ) -> None:
        hooks = [
            a_hook(account, digest="a", sealed_key=bytes(range(256)), kind=HookKind.MAILGUN),
            a_hook(account, digest="b", topic="arn:aws:sns:x:1:y", created_at=at(7)),
            a_hook(account.id + 1, digest="c"),
        ]

        stored = [_add(store, hook) for hook in hooks]

        assert [attrs.evolve(hook, id=0) for hook in stored] == hooks
        assert len({hook.id for hook in stored}) == 3
        assert store.read(lambda tx: tx.hooks.all()) == stored
        assert store.read(lambda tx: tx.hooks.of(account.id)) == stored[:2]
        assert store.read(lambda tx: tx.hooks.find("b")) == stored[1]
        assert store.read(lambda tx: tx.hooks.find("d")) is None

    def test_of_an_event_hook_its_topic_and_its_key_change(
        self, store: Store, account: Account
    ) -> None:
        hook = _add(store, a_hook(account))

        changed = attrs.evolve(hook, topic="arn", sealed_key=b"anew")
        store.write(lambda tx: tx.hooks.save(attrs.evolve(changed, digest="x", account_id=99)))

        assert store.read(lambda tx: tx.hooks.all()) == [changed]
        with pytest.raises(NotFound):
            store.write(lambda tx: tx.hooks.save(attrs.evolve(hook, id=hook.id + 1)))

    def test_event_hooks_are_removed_by_id_or_all(self, store: Store, account: Account) -> None:
        first, second, third = (_add(store, a_hook(account, digest=name)) for name in "abc")
        other = _add(store, a_hook(account.id + 1, digest="d"))

        assert store.write(lambda tx: tx.hooks.remove(account.id, first.id)) == 1
        assert store.write(lambda tx: tx.hooks.remove(account.id, first.id)) == 0
        assert store.write(lambda tx: tx.hooks.remove(account.id, other.id)) == 0
        assert store.read(lambda tx: tx.hooks.of(account.id)) == [second, third]
        assert store.write(lambda tx: tx.hooks.remove(account.id)) == 2
        assert store.read(lambda tx: tx.hooks.all()) == [other]

    def test_a_token_is_taken_by_its_first_call_until_it_is_pruned(
        self, store: Store, account: Account
    ) -> None:
        hook = _add(store, a_hook(account))

        def take(token: str, call: str, age: int = 0, hook_id: int = hook.id) -> str:
            return store.write(
                lambda tx: tx.hooks.take_token(hook_id, token, call=call, at=at(age))
            )

        assert [take("t", "a"), take("t", "b"), take("t", "a")] == ["a", "a", "a"]
        assert take("t", "b", hook_id=hook.id + 1) == "b"
        assert take("u", "b", age=5) == "b"
        assert store.write(lambda tx: tx.hooks.prune_tokens(at(5), limit=1)) == 1
        assert store.write(lambda tx: tx.hooks.prune_tokens(at(5), limit=10)) == 1
        assert store.write(lambda tx: tx.hooks.prune_tokens(at(5), limit=10)) == 0
        assert [take("u", "c"), take("t", "c")] == ["b", "c"]

    def test_the_tokens_of_an_event_hook_go_with_it(self, store: Store, account: Account) -> None:
        hook = _add(store, a_hook(account))
        store.write(lambda tx: tx.hooks.take_token(hook.id, "t", call="a", at=at(0)))

        store.write(lambda tx: tx.hooks.remove(account.id))

        assert store.write(lambda tx: tx.hooks.prune_tokens(at(100), limit=10)) == 0


def _add(store: Store, hook: EventHook) -> EventHook:
    return store.write(lambda tx: tx.hooks.add(hook))
