"""The next envelope goes out with the final dot: one round trip a message, and nothing else new."""

import socket
import threading
from contextlib import suppress
from itertools import zip_longest

import attrs

from adapters.fakes.sender import Script
from adapters.smtp_sender import PoolPolicy, SmtpSender
from domain.account.account import Account
from domain.outcome.handoff import Handoff, Parcel
from tests.builders import an_envelope
from tests.contract.sender_suite import MESSAGE, Permission, an_account_at
from tests.integration.smtp_sending import a_line, a_sender, short_timeouts


def parcels(number: int) -> list[Parcel]:
    return [Parcel(an_envelope(f"reader-{n}@example.org"), MESSAGE) for n in range(number)]


def allowed(account: Account) -> Account:
    return attrs.evolve(account, announce_next=True)


def handed_off(sender: SmtpSender, account: Account, ours: list[Parcel]) -> list[Handoff]:
    with sender.converse(account) as conversation:
        return [
            conversation.send(
                one, before_dot=Permission(), then=lambda following=following: following
            )
            for one, following in zip_longest(ours, ours[1:])
        ]


def test_with_the_envelope_at_the_dot_a_message_takes_one_round_trip():
    with a_line() as line:
        line.send()
        before = line.server.writes
        assert all(
            handoff.accepted
            for handoff in handed_off(line.sender, allowed(line.account), parcels(9))
        )
        # the reply to an envelope comes with that to the dot before it, but for the first one
        assert line.server.writes - before == 9 + 1


def test_nothing_is_written_behind_a_dot_that_was_not_answered():
    with a_line() as line:
        line.send()
        before = line.server.writes
        handoffs = handed_off(line.sender, line.account, parcels(9))
        assert all(handoff.accepted for handoff in handoffs)
        assert line.server.writes - before == 9 * 2


def test_a_server_without_pipelining_hears_the_next_envelope_after_its_reply():
    with a_line(script=Script(extensions=())) as line:
        line.send()
        before = line.server.writes
        assert all(
            handoff.accepted
            for handoff in handed_off(line.sender, allowed(line.account), parcels(3))
        )
        assert line.server.writes - before == 3 * 4


def test_a_connection_that_has_done_enough_is_left_without_an_announcement():
    with a_line() as line:
        sender = a_sender(pool=PoolPolicy(max_messages=3))
        handoffs = handed_off(sender, allowed(line.account), parcels(7))
        sender.close()
        assert all(handoff.accepted for handoff in handoffs)
        assert len(line.heard(b"MAIL")) == 7
        assert line.server.connections == 3


class Forgetful:
    """A server that throws away whatever came together with the end of a message."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connected, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        with connected, suppress(OSError, IndexError):
            connected.sendall(b"220 here\r\n")
            heard = b""
            while True:
                while b"\r\n" not in heard:
                    octets = connected.recv(65536)
                    if not octets:
                        return
                    heard += octets
                line, _, heard = heard.partition(b"\r\n")
                if line.startswith(b"EHLO"):
                    connected.sendall(b"250-here\r\n250 PIPELINING\r\n")
                elif line == b"DATA":
                    connected.sendall(b"354 go on\r\n")
                    while b"\r\n.\r\n" not in heard:
                        heard += connected.recv(65536)
                    self.taken.append(heard.partition(b"\r\n.\r\n")[0])
                    heard = b""
                    connected.sendall(b"250 taken\r\n")
                else:
                    connected.sendall(b"250 fine\r\n")


def test_a_server_that_loses_what_comes_with_the_dot_is_found_out_once_and_gets_every_message():
    server = Forgetful()
    account = allowed(an_account_at("127.0.0.1", server.port, username="", sealed_password=None))
    sender = a_sender(timeouts=short_timeouts(mail=0.3))
    try:
        assert all(handoff.accepted for handoff in handed_off(sender, account, parcels(6)))
        assert all(handoff.accepted for handoff in handed_off(sender, account, parcels(6)))
    finally:
        sender.close()
        server.close()
    assert len(server.taken) == 12
    assert server.connections == 2
