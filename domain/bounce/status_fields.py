"""The machine-readable parts of reports: delivery-status (RFC 3464, 6533), feedback (RFC 5965)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from domain.bounce.mail_parts import Part, decoded_words, fields
from domain.bounce.report import MOST_RECIPIENTS, Told

DELIVERY_STATUS: Final = frozenset(
    {"message/delivery-status", "message/global-delivery-status", "text/delivery-status"}
)
FEEDBACK: Final = "message/feedback-report"
_RECIPIENT_FIELDS: Final = ("final-recipient", "original-recipient", "x-actual-recipient")
_OF_RECIPIENT: Final = frozenset({*_RECIPIENT_FIELDS, "action", "status", "diagnostic-code"})
_BLANK: Final = re.compile(r"\n[ \t]*\n")
_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_ADDRESS: Final = re.compile(
    r"""<?("(?:[^"\\]|\\.){1,64}"|[^\s<>()\[\],;:"@]{1,64})@"""
    r"""([^\s<>()\[\],;:"@]{1,255}|\[[0-9a-fA-F:.]{2,60}\])>?"""
)
_XTEXT: Final = re.compile(r"\+([2-7][0-9A-F])")
_EMBEDDED: Final = re.compile(r"\\x\{([0-9a-fA-F]{2,6})\}")
_ACTIONS: Final = {
    "failed": "failed",
    "delay": "delayed",
    "defer": "delayed",
    "transient": "delayed",
    "warning": "delayed",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "expanded",
}


def address_in(text: str) -> str:
    """The first mail address in *text*, without brackets; "" if there is none."""
    found = _ADDRESS.search(text[:2000])
    if found is None:
        return ""
    return f"{found[1]}@{found[2].partition('..')[0]}".rstrip(".'")


def status_in(text: str) -> str:
    """The first enhanced status in *text*; "" if there is none."""
    found = _STATUS.search(text)
    return "" if found is None else found[0]


def delivery_status(part: Part) -> tuple[dict[str, list[str]], list[Told]]:
    """The fields about the message, and what is said about each recipient."""
    about_message: dict[str, list[str]] = {}
    told: list[Told] = []
    for block in _blocks(_in_head(part), part.text):
        if not _OF_RECIPIENT & block.keys():
            for name, values in block.items():
                about_message.setdefault(name, values)
            continue
        told += _told(block)
        if len(told) >= MOST_RECIPIENTS:
            break
        for name in ("original-envelope-id", "x-original-message-id"):
            if name in block:
                about_message.setdefault(name, block[name])
    return about_message, told


def _in_head(part: Part) -> dict[str, list[str]]:
    """The fields that stand among the headers of their part, without a blank line before them."""
    if "final-recipient" not in part.headers:
        return {}
    return {name: list(part.headers[name]) for name in _OF_RECIPIENT & part.headers.keys()}


def _blocks(first: dict[str, list[str]], text: str) -> Iterator[dict[str, list[str]]]:
    """*first*, if it has any fields, and the blocks of fields in *text*.

    One that lacks its recipient belongs to the one before it, or if that has all it needs, to the
    one after it.
    """
    last = first  # of a recipient
    waiting: dict[str, list[str]] = {}
    for paragraph in _BLANK.split(text):
        block = fields(paragraph)
        if any(name in block for name in _RECIPIENT_FIELDS):
            if last:
                yield last
            last, waiting = {**waiting, **block}, {}
        elif _OF_RECIPIENT & block.keys() and "reporting-mta" not in block:
            incomplete = last and not ("action" in last or "status" in last)
            beside = last if incomplete else waiting
            for name, values in block.items():
                beside.setdefault(name, values)
        elif block:
            yield block
    for rest in (last, waiting):
        if rest:
            yield rest


def _told(block: Mapping[str, Sequence[str]]) -> Iterator[Told]:
    """One for a block; more only where a server has put several recipients into one."""
    finals = [_recipient(value) for value in block.get("final-recipient", ())]
    originals = [_recipient(value) for value in block.get("original-recipient", ())]
    others = [_recipient(value) for value in block.get("x-actual-recipient", ())]
    names = [*filter(None, originals)] if len(finals) <= 1 else []
    names = [finals[0] if finals and _unescaped(name) == finals[0] else name for name in names]
    names = names or [*filter(None, finals)] or [*filter(None, others)] or [""]
    for place, name in enumerate(names):
        yield Told(
            recipient=name,
            action=_action(_at(block, "action", place)),
            status=status_in(decoded_words(_at(block, "status", place))),
            diagnostic=_diagnostic(decoded_words(_at(block, "diagnostic-code", place))),
        )


def _unescaped(name: str) -> str:
    """Without the hexadecimal escapes of an envelope (xtext, RFC 3461), which some leave."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), name)


def _at(block: Mapping[str, Sequence[str]], name: str, place: int) -> str:
    values = block.get(name, ())
    return values[min(place, len(values) - 1)] if values else ""


def _action(value: str) -> str:
    """One of RFC 3464's; what is none of them ("error", "permanent failure") is a failure."""
    word = value.strip().lower()
    return next(
        (action for begin, action in _ACTIONS.items() if word.startswith(begin)),
        "failed" if word else "",
    )


def _recipient(value: str) -> str:
    """The address of ``rfc822; a@b``, whose type may be missing; "" for other types and none."""
    kind, semicolon, name = decoded_words(value).partition(";")
    if not semicolon:
        name = kind
    elif kind.strip().lower() in ("utf-8", "utf8"):
        name = _EMBEDDED.sub(_character, name)
    elif kind.strip().lower() == "x400":
        name = name.rpartition("RFC-822=")[2].partition("/")[0].replace("(a)", "@")
    return address_in(name)


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    valid = number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
    return chr(number) if valid else "\N{REPLACEMENT CHARACTER}"


def _diagnostic(value: str) -> str:
    """What was said, without the type of the diagnostic (``smtp;``, ``X-Postfix;``)."""
    kind, semicolon, text = value.partition(";")
    return (
        text.strip() if semicolon and re.fullmatch(r"\s*[\w.-]{1,40}\s*", kind) else value.strip()
    )


def complaint(part: Part) -> dict[str, list[str]] | None:
    """The fields of a feedback report, all blocks in one; None for one that is no complaint."""
    found: dict[str, list[str]] = {}
    for paragraph in _BLANK.split(part.text):
        for name, values in fields(paragraph).items():
            found.setdefault(name, []).extend(values)
    kind = next(iter(found.get("feedback-type", ())), "").strip().lower()
    return found if kind == "abuse" else None


def addresses_in(values: Iterable[str]) -> list[str]:
    """The first address in each of *values*."""
    return [address for value in values if (address := address_in(value))]
