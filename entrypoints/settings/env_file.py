"""The file `.env`: what it says, what of it cannot be read, and names that are written wrongly."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Final

import attrs
from dotenv.parser import Binding, parse_stream

# Of a short name every other word is one letter away: HOSTS or POST in somebody's environment.
_SHORT: Final = 5
_FEW_LETTERS: Final = 7

_COLON: Final = re.compile(r"\s*(?:export\s+)?'?([A-Za-z_][\w-]*)'?\s*:")
_NO_SIGN: Final = re.compile(r"\s*(?:export\s+)?'?([A-Za-z_][\w-]*)'?[^\S\r\n]+[^\s=#]")
_SIGN: Final = re.compile(r"\s*(?:export\s+)?'?([A-Za-z_][\w-]*)'?\s*=")


@attrs.frozen
class EnvLine:
    """One name of the file; None for a name that has no value."""

    number: int
    name: str
    value: str | None = attrs.field(repr=False)


class UnreadableLines(ValueError):
    """Lines that are not NAME=value. ``errors`` says which, and never what their values are."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def read_lines(path: Path) -> Sequence[EnvLine]:
    """Every name in the file, in order; none if there is no file. UnreadableLines, ValueError."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.absolute()} is not UTF-8: {error}") from error
    bindings = list(parse_stream(StringIO(text)))
    errors = list(_errors(path, bindings))
    if errors:
        raise UnreadableLines(errors)
    return [EnvLine(_number(b), b.key, b.value) for b in bindings if b.key is not None]


def misspelt(names: Iterable[str], known: Collection[str], *, by_chance: bool) -> Mapping[str, str]:
    """Those of *names* that are no setting but look like one, each with the one that it looks like.

    *by_chance* they may stand there for other programs: then only longer names count. A setting
    that stands among *names* itself is not meant by another one.
    """
    names = set(names)
    return {
        name: meant
        for name in sorted(names - set(known))
        if (meant := _meant(name, known, by_chance=by_chance)) and meant not in names
    }


def _meant(name: str, known: Collection[str], *, by_chance: bool) -> str | None:
    written = name.upper().replace("-", "_")
    if by_chance and len(written) <= _SHORT:
        return None
    most = 1 if len(written) <= _FEW_LETTERS else 2
    near = {
        each: distance(written, each)
        for each in known
        # quick, and it leaves few: a step changes the length by one, and two letters at most
        if abs(len(each) - len(written)) <= most and len(set(each) ^ set(written)) <= 2 * most
    }
    nearest = min(near, key=lambda each: (near[each], each), default=None)
    return nearest if nearest is not None and near[nearest] <= most else None


def distance(one: str, other: str) -> int:
    """How many letters must be added, removed, changed or swapped with their neighbour."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            steps = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                steps = min(steps, before[j - 2] + 1)
            row.append(steps)
        before, last = last, row
    return last[-1]


def _errors(path: Path, bindings: Iterable[Binding]) -> Iterator[str]:
    for binding in bindings:
        text = binding.original.string
        colon = _COLON.match(text)
        if not binding.error and not (colon and binding.value is None):
            continue
        yield f"{path.name} line {_number(binding)}: {_what_is_wrong(text, colon)}"


def _what_is_wrong(text: str, colon: "re.Match[str] | None") -> str:
    if colon:
        return f"write {colon[1]}=value, with an equals sign in the place of the colon"
    if named := _NO_SIGN.match(text):
        return f"write {named[1]}=value: there is no equals sign"
    if named := _SIGN.match(text):
        return f"the value of {named[1]} has a quote that is not closed, or text behind it"
    return "it is not NAME=value"


def _number(binding: Binding) -> int:
    """The line that it begins in: what precedes it are empty lines."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return int(binding.original.line) + len(re.findall(r"\r\n|\n|\r", blank))
