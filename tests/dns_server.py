"""A name server of the tests' own on loopback, by UDP and TCP."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

_CHAIN: Final = 20


class DnsServer:
    """Answers what it was told with `add`; NXDOMAIN for names it has never heard of.

    ``asked`` are the questions, as ("udp", "example.org.", "MX").
    """

    def __init__(self) -> None:
        self._udp, self._tcp = _sockets()
        self._records: dict[tuple[dns.name.Name, str], list[str]] = {}
        self._codes: dict[dns.name.Name, dns.rcode.Rcode] = {}
        self._silent: set[dns.name.Name] = set()
        self._wrong: dict[dns.name.Name, Callable[[bytes], bytes]] = {}
        self._threads = [
            threading.Thread(target=run, daemon=True) for run in (self._serve_udp, self._serve_tcp)
        ]
        self._over = False
        self.port: int = self._udp.getsockname()[1]
        self.asked: list[tuple[str, str, str]] = []

    def add(self, name: str, kind: str, *records: str) -> None:
        """Further *records* of *name*, in the notation of a zone file."""
        self._records.setdefault((dns.name.from_text(name), kind), []).extend(records)

    def fail(self, name: str, code: dns.rcode.Rcode = dns.rcode.SERVFAIL) -> None:
        """Answer *name* with an error."""
        self._codes[dns.name.from_text(name)] = code

    def silence(self, name: str) -> None:
        """Say nothing about *name*."""
        self._silent.add(dns.name.from_text(name))

    def garble(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Change the octets of every answer about *name*."""
        self._wrong[dns.name.from_text(name)] = change

    def __enter__(self) -> "DnsServer":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        with suppress(OSError):
            self._tcp.shutdown(socket.SHUT_RDWR)
        self._udp.sendto(b"", self._udp.getsockname())
        for thread in self._threads:
            thread.join(10)
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self) -> None:
        while not self._over:
            octets, client = self._udp.recvfrom(65_535)
            if octets and (answer := self._answer(octets, by="udp")) is not None:
                self._udp.sendto(answer, client)

    def _serve_tcp(self) -> None:
        while not self._over:
            try:
                client, _ = self._tcp.accept()
            except OSError:
                return
            with client, suppress(OSError, struct.error):
                client.settimeout(5)
                (length,) = struct.unpack("!H", client.recv(2, socket.MSG_WAITALL))
                question = client.recv(length, socket.MSG_WAITALL)
                if (answer := self._answer(question, by="tcp")) is not None:
                    client.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, octets: bytes, *, by: str) -> bytes | None:
        query = dns.message.from_wire(octets)
        (question,) = query.question
        name, kind = question.name, dns.rdatatype.to_text(question.rdtype)
        self.asked.append((by, name.to_text(), kind))
        if name in self._silent:
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name in self._codes:
            answer.set_rcode(self._codes[name])
        else:
            self._fill(answer, name, kind)
        whole = answer.to_wire(max_size=65_535)
        if by == "udp" and len(whole) > 512:
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC | dns.flags.RA
            whole = short.to_wire()
        return self._wrong.get(name, bytes)(whole)

    def _fill(self, answer: dns.message.Message, name: dns.name.Name, kind: str) -> None:
        for _ in range(_CHAIN):
            records = self._records.get((name, kind))
            if records:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *records))
                return
            alias = self._records.get((name, "CNAME"))
            if not alias:
                break
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *alias))
            name = dns.name.from_text(alias[0])
        if not any(known == name for known, _ in self._records):
            answer.set_rcode(dns.rcode.NXDOMAIN)


def _sockets() -> tuple[socket.socket, socket.socket]:
    """One port, by UDP and by TCP."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()
