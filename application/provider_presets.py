"""What a provider fills in where the owner of a new account says nothing."""

from application.account_writer import GRAPH_SERVER, AccountFields
from domain.account import graph
from domain.account.account import Transport, default_security
from domain.account.provider import Port, Provider
from domain.errors import FieldError, InvalidInput


def with_preset(
    fields: AccountFields, provider: Provider | None, region: str | None = None
) -> AccountFields:
    """*fields*, and what they leave out: from their transport, then from *provider*.

    A username only together with a password or OAuth, for without them nobody logs in. To OAuth it
    names a mailbox, which is that of the account's address if nothing else is said.
    InvalidInput if they name no host and the provider has none without a (known) region.
    """
    fields = _with_mailbox(_with_transport(fields))
    if provider is None:
        if region is not None:
            raise InvalidInput(FieldError("region", "is part of a provider: name that too"))
        return fields
    filled: AccountFields = {}
    if "host" not in fields or region is not None:
        filled["host"] = provider.host_in(region)
    port = _port(fields, provider)
    filled["port"] = port.number
    filled["security"] = port.security
    username = provider.username_of(fields["address"])
    if username is not None and fields.get("password"):
        filled["username"] = username
    limits = provider.limits(fields.get("unit"))
    filled["daily"] = limits.daily
    filled["hourly"] = limits.hourly
    filled["minute"] = limits.minute
    filled["unit"] = limits.unit
    filled["max_connections"] = limits.max_connections
    size = provider.figure("message_bytes")
    if size is not None:
        filled["allowed_octets"] = size.value
    if provider.announce_next and fields.get("transport") is not Transport.GRAPH:
        filled["announce_next"] = True
    return {**filled, **fields}


def _with_transport(fields: AccountFields) -> AccountFields:
    """Of Graph: its server, its limits, and the mailbox of the account's address."""
    if fields.get("transport") is not Transport.GRAPH:
        return fields
    filled: AccountFields = {
        **GRAPH_SERVER,
        "username": str(fields["address"]),
        "daily": graph.A_DAY,
        "hourly": None,
        "minute": graph.A_MINUTE,
        "max_connections": graph.MOST_REQUESTS,
    }
    return {**filled, **fields}


def _with_mailbox(fields: AccountFields) -> AccountFields:
    """By OAuth: the mailbox of the account's address."""
    if fields.get("auth") is None:
        return fields
    filled: AccountFields = {"username": str(fields["address"])}
    return {**filled, **fields}


def _port(fields: AccountFields, provider: Provider) -> Port:
    """Its first port that fits what the fields say; one that is its own says the protection too."""
    number, security = fields.get("port"), fields.get("security")
    found = provider.port(number, security) or provider.port(number)
    if found is not None:
        return found
    number = number or provider.ports[0].number
    return Port(number=number, security=security or default_security(number))
