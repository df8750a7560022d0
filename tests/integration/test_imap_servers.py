"""Real IMAP servers: what is read from them, and that nothing is changed there."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address

import attrs
import pytest

from adapters.clock import SystemClock
from adapters.imap_reader import ImapReader
from adapters.name_resolver import NameResolver
from application.ports.inbox import Mailbox, MailboxFailed, MailboxLogin
from domain.account.inbox import Inbox
from domain.message.client_headers import reference_of
from tests.benchmarks.inbox import OTHER, a_report
from tests.faults.requirements import MissingRequirement
from tests.mail_servers.courier import CourierImap
from tests.mail_servers.cyrus import CyrusImap
from tests.mail_servers.imap import PASSWORD, USER, DovecotImap, ImapServer, imap_server
from tests.mail_servers.tokens import SIZES, a_token
from tests.missing import missing
from tests.world import World

LOGIN = MailboxLogin(secret=PASSWORD)
NOW = SystemClock().now()
ALL = (DovecotImap, CyrusImap, CourierImap)
WAITING = 300


OLD = b"Subject: old\n\nx\n"
NEW = b"Subject: new\n\n" + b"y" * 1000 + b"\n"
HEADLESS = b"\n"
LAST = b"Subject: last\nX: \xff\n\n)\r\n* BYE\r\n"


@contextmanager
def a_server(kind: type[ImapServer]) -> Iterator[ImapServer]:
    try:
        with imap_server(kind) as running:
            yield running
    except MissingRequirement as reason:
        missing(reason)


@pytest.fixture(scope="module", params=ALL, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest) -> Iterator[ImapServer]:
    with a_server(request.param) as running:
        running.deliver(OLD, at=NOW - timedelta(days=30))
        for octets in (NEW, HEADLESS, LAST):
            running.deliver(octets, at=NOW)
        yield running


def a_reader(server: ImapServer, *, trusting: bool = True) -> ImapReader:
    def context() -> ssl.SSLContext:
        made = ssl.create_default_context()
        if trusting:
            made.load_verify_locations(server.authority)
        return made

    return ImapReader(
        resolver=NameResolver(allow=lambda _: True),
        ssl_context=context,
        tls_ports=frozenset({server.port}),
    )


def an_inbox(server: ImapServer, **changes: object) -> Inbox:
    made = Inbox(account_id=1, host="localhost", port=server.port, username=USER)
    return attrs.evolve(made, **changes)  # type: ignore[arg-type]  # fields by name


def test_messages_are_read_from_their_beginning_and_nothing_is_marked(server: ImapServer) -> None:
    with a_reader(server).open(an_inbox(server), LOGIN) as mailbox:
        before = server.flags()
        assert mailbox.uidnext == 5
        assert mailbox.uids(1, 4) == [1, 2, 3, 4]
        assert mailbox.uids(2, 3) == [2, 3]
        assert mailbox.uids(5, 9) == []
        assert mailbox.first_since((NOW - timedelta(days=7)).date()) == 2
        assert mailbox.first_since((NOW + timedelta(days=3)).date()) is None
        found = {one.uid: one.octets for one in mailbox.messages([1, 2, 4, 9], limit=100)}

    assert sorted(found) == [1, 2, 4]
    assert found[1].replace(b"\r\n", b"\n") == OLD
    assert len(found[2]) == 100
    assert found[4].startswith(b"Subject: last")
    assert server.flags() == before
    assert set(before.values()) == {frozenset({"\\Recent"})}


def test_starttls_is_used_on_other_ports(server: ImapServer) -> None:
    with a_reader(server).open(an_inbox(server, port=server.starttls), LOGIN) as mailbox:
        assert mailbox.uidnext == 5


@pytest.mark.parametrize(
    ("changes", "login", "said"),
    [
        ({}, MailboxLogin(secret="wrong"), "the server refused the login"),
        ({"folder": 'No "such\\ one'}, LOGIN, "the server says"),
        ({"port": 1}, LOGIN, "refused"),
    ],
)
def test_what_goes_wrong_is_said_and_no_secret(
    server: ImapServer, changes: dict[str, object], login: MailboxLogin, said: str
) -> None:
    inbox = an_inbox(server, **changes)
    with pytest.raises(MailboxFailed, match=said) as raised, a_reader(server).open(inbox, login):
        pass
    assert login.secret not in str(raised.value)
    assert "b'" not in str(raised.value)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[ImapServer]:
    with a_server(DovecotImap) as running:
        running.deliver(OLD)
        yield running


@pytest.mark.parametrize("octets", SIZES)
@pytest.mark.parametrize("at_once", [True, False], ids=["TLS", "STARTTLS"])
def test_a_token_opens_a_mailbox(dovecot: ImapServer, octets: int, at_once: bool) -> None:
    inbox = an_inbox(dovecot, port=dovecot.port if at_once else dovecot.starttls)
    login = MailboxLogin(secret=a_token(USER, octets=octets), is_token=True)

    with a_reader(dovecot).open(inbox, login) as mailbox:
        assert mailbox.uids(1, 9) == [1]


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(a_token(USER, lives_s=-60), id="it has expired"),
        pytest.param(a_token("somebody@example.test"), id="of somebody else"),
        pytest.param(a_token(USER, key=b"another key of thirty-two octets!"), id="forged"),
    ],
)
def test_a_token_that_is_not_good_is_refused_and_not_shown(dovecot: ImapServer, token: str) -> None:
    login = MailboxLogin(secret=token, is_token=True)
    with (
        pytest.raises(MailboxFailed, match="the server refused the login") as raised,
        a_reader(dovecot).open(an_inbox(dovecot), login),
    ):
        pass
    assert token not in str(raised.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(server: ImapServer) -> None:
    for port in (server.port, server.starttls):
        inbox = an_inbox(server, port=port)
        with (
            pytest.raises(MailboxFailed, match="certificate is not good"),
            a_reader(server, trusting=False).open(inbox, LOGIN),
        ):
            pass


def test_a_forbidden_address_is_never_connected_to(server: ImapServer) -> None:
    asked: list[object] = []

    def allow(address: object) -> bool:
        asked.append(address)
        return False

    reader = ImapReader(resolver=NameResolver(allow=allow), ssl_context=ssl.create_default_context)
    with pytest.raises(MailboxFailed), reader.open(an_inbox(server, host="127.0.0.1"), LOGIN):
        pass
    assert asked == [ip_address("127.0.0.1")]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_a_lost_connection_and_new_numbers_are_noticed(kind: type[ImapServer]) -> None:
    with a_server(kind) as server:
        server.deliver(OLD)
        with a_reader(server).open(an_inbox(server), LOGIN) as mailbox:
            first = mailbox.uidvalidity
            server.stop()
            with pytest.raises(MailboxFailed):
                asked_until_it_fails(mailbox)
        server.number_anew()
        server.start()
        with a_reader(server).open(an_inbox(server), LOGIN) as mailbox:
            assert mailbox.uidvalidity != first
            assert mailbox.uids(1, 9) == [1]


def asked_until_it_fails(mailbox: Mailbox) -> None:
    """A session may outlive its server for a moment."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        mailbox.messages([1], limit=100)


def test_a_message_without_an_octet_and_one_with_a_nul_are_read() -> None:
    """Of Dovecot: Cyrus takes neither."""
    with a_server(DovecotImap) as server:
        server.deliver(b"")
        server.deliver(b"Subject: last\nX: \xff\0\n\n)\r\n* BYE\r\n")
        with a_reader(server).open(an_inbox(server), LOGIN) as mailbox:
            empty, last = mailbox.messages([1, 2], limit=100)

    assert empty.octets.strip() == b""
    assert last.octets.startswith(b"Subject: last")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_hundreds_of_waiting_messages_are_read_and_each_bounce_is_recorded_once(
    kind: type[ImapServer],
) -> None:
    with a_server(kind) as server:
        world = World(mailboxes=a_reader(server), clock=SystemClock())
        account = world.account()
        sealed = world.vault.seal(PASSWORD, context=f"inbox:{account.id}")
        inbox = an_inbox(server, account_id=account.id, sealed_password=sealed)
        world.store.write(lambda tx: tx.inboxes.save(inbox))
        emails = [world.email(world.submit(f"u{n}@example.org")) for n in range(WAITING // 3)]
        for email in emails:
            server.deliver(OTHER)
            server.deliver(a_report(reference_of(email.message_id), email.recipients[0].address))
            server.deliver(OTHER)

        assert world.application.inboxes.read_next()

        found = world.store.read(lambda tx: tx.inboxes.find(account.id))
        assert found is not None
        assert (found.last_error, found.place and found.place.uid) == ("", WAITING)
        told = [event.email_id for event in world.heard.named("email_bounced")]
        # Courier numbers what came at once in an order of its own
        assert sorted(told) == [email.id for email in emails]
        assert set(server.flags().values()) == {frozenset({"\\Recent"})}
