"""A zone of the tests' own, written as a table: for pure look-ups, and for the fake DNS."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from adapters.fakes.dns import FakeDns
from application.ports.dns import MxRecord
from domain.account.network import Address
from domain.doctor.questions import NO_ANSWER, Answer, Lookups, Question, RecordKind, answered

DEAD: Final = None  # the DNS does not answer for a name
# "TXT example.com" -> the records (of MX the hosts, the preferred first), or DEAD
Zone = Mapping[str, Iterable[str] | None]
Result = TypeVar("Result")
_WORDS: Final = {
    RecordKind.TXT: "TXT",
    RecordKind.MX: "MX",
    RecordKind.ADDRESSES: "A",
    RecordKind.PTR: "PTR",
}


def resolve(lookups: Lookups[Result], records: Zone) -> Result:
    """What pure look-ups come to on a zone."""

    def answer(question: Question) -> Answer:
        found = records.get(f"{_WORDS[question.kind]} {question.name}", ())
        return NO_ANSWER if found is None else Answer(tuple(found))

    return answered(lookups, answer)


class CountingDns(FakeDns):
    """Knows a zone. ``asked`` are the names that it was asked for, in order."""

    def __init__(self, records: Zone) -> None:
        super().__init__()
        self.asked: list[str] = []
        for key, found in records.items():
            kind, _, name = key.partition(" ")
            if found is None:
                self.break_name(name)
            else:
                self._add(kind, name, list(found))

    def _add(self, kind: str, name: str, found: Sequence[str]) -> None:
        match kind:
            case "TXT":
                self.add_txt(name, *found)
            case "MX":
                for number, host in enumerate(found):
                    self.add_mx(name, 10 * number, host or ".")
            case "A":
                self.add_addresses(name, *found)
            case "PTR":
                self.add_ptr(name, *found)

    def txt(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        return super().txt(name)

    def mx(self, name: str) -> Sequence[MxRecord]:
        self.asked.append(name)
        return super().mx(name)

    def addresses(self, name: str) -> Sequence[Address]:
        self.asked.append(name)
        return super().addresses(name)

    def ptr(self, address: Address) -> Sequence[str]:
        self.asked.append(str(address))
        return super().ptr(address)
