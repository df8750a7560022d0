"""Reading a reply's text: what is left when names are blanked, its status, the wait it asks for.

A word inside an address or a host name says nothing about the refusal: `<blocklist@example.org>:
user unknown` is about a user. Rules therefore see `blanked` text only, in which names are tokens.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import attrs

from domain.outcome.handoff import Reply

ADDRESS: Final = "_ADDRESS_"
HOST: Final = "_HOST_"
IP: Final = "_IP_"
URL: Final = "_URL_"
NAME: Final = "_NAME_"
ID: Final = "_ID_"
ECHO: Final = "_ECHO_"
SHORTEST_WISH: Final = timedelta(seconds=10)
LONGEST_WISH: Final = timedelta(hours=24)
SHORTEST_ECHO: Final = 4  # a subject of three letters would blank too much

_V4: Final = r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)"
_V6: Final = (
    r"(?<![\w:])(?:ipv6:)?(?:(?=[\da-f:]{0,39}::)[\da-f:]{2,39}|(?:[\da-f]{1,4}:){5,7}[\da-f]{1,4})"
    r"(?![\w:])"
)
# A capital after the dot starts a sentence ("rejected.Please"), unless all of it is in capitals.
_LAST_LABEL: Final = r"(?-i:[a-z]{2,24}|[A-Z]{2,24}|xn--[a-z0-9-]{1,59})"
_HOST: Final = rf"(?<![\w.@-])(?:[a-z0-9_](?:[a-z0-9_-]{{0,62}})\.){{1,9}}{_LAST_LABEL}(?![\w-])"
# In this order: each sees what the ones before it have left.
_NAMES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), token)
    for pattern, token in (
        # A link that names an IP address is about a host, whatever else it says.
        (rf"(?:https?|ftp)://[^\s<>]{{0,200}}?{_V4}[^\s<>]{{0,300}}", f"{URL} {IP}"),
        (r"(?:https?|ftp)://[^\s<>]{0,500}|\bwww\.[^\s<>]{1,200}", URL),
        (r"<[^<>@]{0,200}@[^<>]{0,300}>", ADDRESS),
        (r'"[^"@]{0,64}"@[^\s<>()\[\],;:]{1,255}', ADDRESS),
        (r"""[^\s<>()\[\],;:"'=]{1,64}@[^\s<>()\[\],;:"']{1,255}""", ADDRESS),
        (rf"{_V4}|{_V6}", IP),
        (r"<[^<>\s]{0,300}>", NAME),
        (rf"{_HOST}(?:/[^\s<>]{{1,300}})", URL),
        (_HOST, HOST),
        (r"\[(?-i:[a-z0-9][a-z0-9-]{0,63})\]", NAME),
        (r'"[^"\s]{1,64}"', NAME),
        (r"(?<=subject )\"[^\"]{1,200}\"|(?<=subject: )\"[^\"]{1,200}\"", ECHO),
        (r"(?<![\w-])(?=[a-z-]{0,63}\d)(?=[\d-]{0,63}[a-z])[\w-]{10,64}(?![\w-])", ID),
        # Sendmail and many after it name the mailbox first: "ada... User unknown", "ada: no such"
        (r"^(?:\d\.\d{1,3}\.\d{1,3} )?[\w.+=-]{1,64}(?=\.\.\. )", NAME),
    )
)
_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_STATUS_NEAR: Final = 40  # a status further inside belongs to something that is quoted
_QMAIL_STATUS: Final = re.compile(r"#\s?([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")

_NUMBERS: Final = {
    word: number
    for number, words in {
        1: "one a an ein einer eine une un",
        2: "two zwei deux",
        3: "three drei trois",
        4: "four vier quatre",
        5: "five fünf cinq",
        10: "ten zehn dix",
        15: "fifteen",
        20: "twenty",
        30: "thirty",
        60: "sixty",
    }.items()
    for word in words.split()
}
_UNITS: Final = {
    word: timedelta(milliseconds=milliseconds)
    for milliseconds, words in {
        1: "ms msec msecs millisecond milliseconds",
        1_000: "s sec secs second seconds sekunde sekunden seconde secondes segundos",
        60_000: "m min mins minute minutes minuten minutos minuti минут минуты",
        3_600_000: "h hr hrs hour hours stunde stunden heure heures horas ore часа часов",
        86_400_000: "d day days tag tage tagen jour jours días",
    }.items()
    for word in words.split()
}
_NUMBER: Final = rf"(?:\d{{1,7}}|(?:{'|'.join(_NUMBERS)})\b)"
_AMOUNT: Final = re.compile(rf"({_NUMBER})[\s-]{{0,2}}([^\W\d_]{{1,12}})", re.IGNORECASE)
_CLOCK: Final = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)")
_ASKED: Final = re.compile(
    r"\b(?:again|retry|retrying|retries|back|resend|re-?submit|reconnect|wait|gr[ae]y-?list(?:ed|ing)|"
    r"resume|erneut|réessayer|réessayez|wieder)\b[\s:,(\[]{0,3}"
    r"(?:(?:in|after|for|at|least|about|another|the|next|approximately|within|until|dans|nach|en)\s){0,4}"
    rf"(?=({_NUMBER})[\s-]{{0,2}}[^\W\d_]|\d{{1,3}}:[0-5]\d:[0-5]\d)",
    re.IGNORECASE,
)
_RETRY_FIELD: Final = re.compile(
    r"\bretry(?:[-_ ]after)?\s?[=:]\s?(\d{1,7})(?![\d:])", re.IGNORECASE
)


@attrs.frozen
class Reading:
    """One reply as the rules see it: its code, its status and its text with the names blanked."""

    code: int
    status: str | None
    text: str


_LINE: Final = re.compile(r"([2-5]\d\d)(?:[ -](.*))?")
_LINE_ENDS: Final = re.compile(r"\r?\n|\\r?\\n|\\n")


def reply_of(line: str) -> Reply:
    """The reply that a person copied from a log: `550 5.1.1 no`, or several lines.

    Lines are parted by a line end or by the two characters of its escape, and each may begin with
    the code. ValueError if it does not begin with the code of a reply.
    """
    code, texts = 0, []
    for one in _LINE_ENDS.split(line.strip()):
        part = one.strip()
        match = _LINE.fullmatch(part)
        if match is None and not code:
            raise ValueError(f"{line[:80]!r} does not begin with a code from 200 to 599")
        if match is not None and (not code or int(match[1]) == code):
            code = int(match[1])
            texts.append((match[2] or "").strip())
        else:
            texts.append(part)
    return Reply.of(code, " ".join(filter(None, texts)))


def read(reply: Reply, *, echoes: Iterable[str] = ()) -> Reading:
    """What the rules see of *reply*; *echoes* are texts of the email that it may repeat."""
    text = without_echoes(reply.text, echoes)
    return Reading(reply.code, reply.enhanced or _status(text, reply.code), blanked(text))


def blanked(text: str) -> str:
    """*text* with a token for each URL, address, host, IP address, quoted name and queue id.

    Spaces run together, and typographic apostrophes are plain.
    """
    text = " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
    for pattern, token in _NAMES:
        text = pattern.sub(token, text)
    return text


def without_echoes(text: str, echoes: Iterable[str]) -> str:
    """*text* without what stands in the email itself; very short echoes stay."""
    for echo in echoes:
        plain = " ".join(echo.split())
        if len(plain) >= SHORTEST_ECHO:
            text = re.sub(re.escape(plain), ECHO, text, flags=re.IGNORECASE)
    return text


def wish(reply: Reply | None, *, echoes: Iterable[str] = ()) -> timedelta | None:
    """The wait that a reply asks for ("try again in 5 minutes"), from 10 s to 24 h, or None.

    A number needs a unit (300 milliseconds are not 300 minutes), but for `retry=300`.
    """
    if reply is None:
        return None
    text = " ".join(without_echoes(reply.text, echoes).split())
    asked = _ASKED.search(text)
    if asked is not None:
        duration = _duration(text, asked.end())
        if duration is not None:
            return _bounded(duration)
    field = _RETRY_FIELD.search(text)
    return None if field is None else _bounded(timedelta(seconds=int(field[1])))


def _duration(text: str, start: int) -> timedelta | None:
    """The duration at *start*: `00:05:00`, `300 seconds`, `an hour`, `1 hour and 30 minutes`."""
    clock = _CLOCK.match(text, start)
    if clock is not None:
        hours, minutes, seconds = map(int, clock.groups())
        return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    total = None
    while (amount := _AMOUNT.match(text, start)) is not None:
        unit = _UNITS.get(amount[2].lower())
        if unit is None:
            break
        word = amount[1].lower()
        number = int(word) if word.isdecimal() else _NUMBERS[word]
        total = (total or timedelta()) + number * unit
        joint = re.compile(r"(?:,? and |, ?| )?").match(text, amount.end())
        start = joint.end() if joint else amount.end()
    return total


def _bounded(duration: timedelta) -> timedelta:
    return min(max(duration, SHORTEST_WISH), LONGEST_WISH)


def _status(text: str, code: int) -> str | None:
    """The enhanced status of a reply that does not begin with one, as in `550 sorry (#5.1.1)`."""
    near = _STATUS.search(text[:_STATUS_NEAR])
    for match in (near, _QMAIL_STATUS.search(text)):
        if match is not None and int(match[1]) == code // 100:
            return f"{match[1]}.{match[2]}.{match[3]}"
    return None
