"""What ``email-service accounts add`` says about bounces: how the service learns of them."""

from collections.abc import Iterator
from typing import Final

from domain.account.inbox import TOKEN_HOSTS
from domain.account.provider import Provider
from domain.address import Address
from domain.hook.hook import HookKind, needs_key

_HOOKS: Final = frozenset(HookKind)


def hints(
    account_id: int, provider: Provider | None, address: Address, *, oauth: bool
) -> Iterator[str]:
    """Lines for a person who has just added the account with this id; *oauth*: it has no password.

    Which call makes the service learn of bounces depends on the provider.
    """
    path = f"/api/smtp-configs/{account_id}"
    if provider is not None and provider.id in _HOOKS:
        key = ', "signing_key": "…"' if needs_key(HookKind(provider.id)) else ""
        yield f"{provider.title} tells of bounces and complaints by calls of an event hook:"
        yield f'  POST {path}/hooks {{"kind": "{provider.id}"{key}}}'
        return
    host = None if provider is None or provider.oauth is None else TOKEN_HOSTS.get(provider.oauth)
    login = "" if oauth else ', "password": "…"'
    yield f"Reports of bounces come to {address}. To have the service read them there by IMAP:"
    yield f'  PUT {path} {{"inbox": {{"host": "{host or "imap.…"}"{login}}}}}'
