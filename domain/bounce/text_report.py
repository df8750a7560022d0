"""Reports that are text for people: what is said of which address.

Servers write them in hundreds of ways. They share a little: an introduction that says that
something was not delivered, lines that begin with or name an address, the reason beside or below,
and a copy of the message behind a line that says so.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import attrs

from domain.bounce.report import LONGEST_DIAGNOSTIC, MOST_RECIPIENTS, Told
from domain.message.html_to_text import text_from_html

_MOST_LINES: Final = 3000
_LONGEST_LINE: Final = 500
_INTRODUCTION: Final = 4000  # characters in which a report says what it is
_REASON_LINES: Final = 12

_WIDE: Final = "：；，。、（）＜＞「」『』【】"  # the marks of Chinese and Japanese

_A: Final = (
    r"""<?(?:(?:[cpoa]=[^;@]{0,60};\s?){0,5}dda:smtp=|mailto:|smtp:|rfc822;\s?)?(?P<address>(?:"[^"\s]{1,64}"|"""
    rf"""[^\s<>()\[\],;:"@{_WIDE}]{{1,64}})@[^\s<>()\[\],;:"@'{_WIDE}]{{1,255}}"""
    rf"""[^\s<>()\[\],;:"@'.{_WIDE}])>?"""
)
_BARE_ADDRESS: Final = re.compile(r"<([^\s<>@]{1,64}@[^\s<>@]{1,255})>")
_FAILED: Final = re.compile(
    r"(un|non-?)deliver(able|ed|y)|recipients of your message have been processed|"
    r"recipients? (was|were) aborted|delivery problem|"
    r"has been postponed|failed because|not (be |been |successfully |yet been |yet )?delivered|"
    r"(could|can|was|were|has|have|is|did)(n't| not| not be|not)[^.\n]{0,60}(deliver|sent\b|reach|"
    r"receiv)|"
    r"not able to deliver|(unable|failed|failure|impossible|not possible|cannot|couldn't|"
    r"could not) to (deliver|be delivered|send)|"
    r"(cannot|can't|couldn't|could not|did not|unable to|failed to) [^.\n]{0,30}(deliver|reach)|"
    r"deliver(y|ing)[^.\n]{0,80} (fail|abort|delay|error|impossible|unsuccess|not possible|"
    r"suspended|refused|problem)|"
    r"fail(ed|ure)[^.\n]{0,30} (deliver|recipient|notice|message|mail|address)|(addresses|"
    r"recipients?|users?)[^.\n]{0,30} (fail|had|reject|unknown)|"
    r"permanent(ly)? (fatal |delivery )?(error|fail)|returned (to (you|sender|the sender)|mail|"
    r"message)|being returned|"
    r"error[^.\n]{0,30} deliver|"
    r"not deliverable|problem (with|in) (the )?(delivery|recipient|sending|delivering)|bounce|"
    r"rejected your (e-?mail|message|mail)|"
    r"(message|mail|e-?mail)[^.\n]{0,60} (rejected|refused|blocked|undeliver|delayed|bounced|"
    r"returned|discarded|expired)|"
    r"(wasn't|was not|couldn't be|could not be) (found|delivered)|address not found|message (not|"
    r"blocked)|"
    r"n'a (pas )?(pu|été|pas pu)[^.\n]{0,40}(remis|délivr|livr|distribu|envoy)|nicht zugestellt|"
    r"unzustellbar|nicht zustellbar|"
    r"no (se )?(ha )?(podido|pudo|pudieron)[^.\n]{0,20}entreg|não (foi|pôde|"
    r"pode)[^.\n]{0,30}entreg|"
    r"non (è stato|e' stato|può essere|consegn)[^.\n]{0,20}|impossibile (consegnare|recapitare)|"
    r"niet (worden )?(bezorgd|afgeleverd)|не (был[ао]? |может быть |удалось )доставлен|"
    r"не удалось доставить|"
    r"配信できません|届けられません|送信できませんでした|退信|无法投递|無法傳遞|투통",
    re.IGNORECASE,
)
_DELAYED: Final = re.compile(
    r"(has|have|was|is|been) (been )?(delayed|deferred|postponed)|not yet been delivered|"
    r"delivery (is |of [^.\n]{1,60} )?delayed|"
    r"still (being )?(undelivered|trying|queued)|warning[ :][^\n]{0,30}(message )?(only|delayed|"
    r"could not send|not sent|still)|"
    r"do(es)? not need to (re-?send|do anything)|(will|to) (keep|continue)[^.\n]{0,20}(trying|"
    r"attempt|retry|to try|to attempt)|"
    r"(attempts|tries) will (continue|be made)|will (be )?(retr|try again)|"
    r"will attempt (again|to deliver|(re)?delivery)|"
    r"transient (non-fatal|failure)|"
    r"temporary (failure|problem|error)[^\n]{0,60}(retry|try)|delay notification|\(delay(ed)?\)|"
    r"wird weiter versucht|sera retenté",
    re.IGNORECASE,
)
_GIVEN_UP: Final = re.compile(
    r"giv(en|ing) up|gave up|(?<!fails )permanent|fatal errors|"
    r"could not be delivered for (?!more than)|"
    r"unable to deliver|"
    r"no longer (be )?(retr|tr)|(been|being) returned|"
    r"will not be (retried|tried)|failed permanently|final(ly)? (fail|attempt)",
    re.IGNORECASE,
)
_COPY: Final = re.compile(
    r"^\W{0,40}(below this line is a copy|this is a copy of (the|your)|the body of the message is|"
    r"original message|"
    r"(the )?header of the (original|returned)|(original |returned )?message headers?( follow|"
    r" follows|:)|original headers|"
    r"unsent message|the original message (follows|was|headers)|your (original )?message (follows|"
    r"was|text)|returned message|"
    r"(text|body|copy) of (your|the|original) (original )?(message|mail)|message (text|header|"
    r"body) follows|undelivered message|"
    r"a copy of (your|the) (original )?message|failed message follows|message contents?|"
    r"start of (the )?(original|returned)|"
    r"begin (original|returned|included|forwarded)|the (first|beginning)[^\n]{0,20} of (your|"
    r"the) message|"
    r"headers of (the|your)|original-message|contents of|rfc822 message|included is|"
    r"received: from|return-path: )"
    r"|^-{3,}.{0,60}(original|copy|returned|unsent|message header|message follows|forwarded)|"
    r"^Return-Path: ?<|^Received: (from|by|\()",
    re.IGNORECASE | re.MULTILINE,
)
_HEADS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # Sendmail's transcript: 550 5.1.1 <a@b>... User unknown
        rf"^(?P<before>[45]\d\d[ -](?:[45]\.\d{{1,3}}\.\d{{1,3}} )?){_A}(?P<reason>\.\.\. ?.*)$",
        # Postfix, qmail, Courier, Yahoo, Haraka: <a@b>: reason
        rf"^{_A}(?:\s*\((?:expanded|generated|ultimately)[^)]{{0,300}}\))?\s?:(?P<reason>.*)$",
        # SmarterMail, InterMail, Cisco: Recipient: a@b
        rf"^\W{{0,4}}(?:(?:failed |invalid |final |original |intended )?recipients?(?: address)?|"
        rf"failed address|error-for|"
        rf"(?:e-?mail )?address|user|mailbox|destinataire|empfänger|destinatario|получатель|"
        rf"收[件信]人\w{{0,6}}|宛先\w{{0,6}}|"
        rf"final-recipient|"
        rf"original-recipient|delivery to|mail to|to address|rcpt to|failed to|addressee|"
        rf"original address)\s?[:=：]\s*(?:rfc822;\s?)?{_A}(?P<reason>.*)$",
        # an item of a list
        rf"^\(?(?:generated from|originally addressed to):?\s+{_A}\)?(?P<reason>)$",
        rf"^(?:[*•·-]\s*)?(?:\"[^\"\n]{{0,100}}\"\s*(?=<))?[\[\"'(「『【]{{0,2}}{_A}[\]\"')」』】]{{0,2}}"
        rf"\s?[.,;:]?(?P<reason>)$",
        rf"^\[(?:smtp:)?{_A}\];?\s*(?P<reason>.*)$",
        rf"^(?:[*•·>]\s*|-{{1,3}}\s*|\d{{1,2}}[.)]\s+)?{_A}\s*[.,;]?(?P<reason>)$",
        rf"^(?:[*•·-]\s*)?{_A}\s+\((?:expanded|generated|ultimately)[^)]{{0,300}}\)(?P<reason>)$",
        # the reason behind it
        rf"^(?:[*•·-]\s*)?{_A}\s*(?P<reason>(?:on (?:\d|(?:mon|tue|wed|thu|fri|sat|sun))|"
        rf"\(|\[|--? |"
        rf"\.\.\.|; ?|, |\t|[45]\d\d |#|is |was |has |does|not |unknown|no )\S?.*)$",
    )
)
# not "mail from a@b", nor whom to ask about it
_SURE_HEADS: Final = 2  # of the first ones of `_HEADS`
_SENTENCE: Final = re.compile(
    rf"(?:^|(?<!from)(?<!from:)(?<!sender)(?<!contact)(?<!by)[\s\"'(]){_A}(?=[\s\"')*,.;:]|$)",
    re.IGNORECASE,
)
# the reason stands below: Failed to deliver to 'a@b'
_ENDS_IN_ADDRESS: Final = re.compile(
    rf"\b(?:to|for|an|à|a|recipient|user)\s?:?\s{{1,5}}['\"(]{{0,2}}{_A}['\")]{{0,2}}\s?[.,:;]?$",
    re.IGNORECASE,
)
_DAEMON: Final = re.compile(
    r"^(mailer-?daemon|postmaster|mail-?daemon|mdaemon|maildaemon|abuse|root|no-?reply|hostmaster|"
    r"webmaster|"
    r"mailadmin|administrator|bounces?|support|helpdesk)@",
    re.IGNORECASE,
)
_SKIPPED: Final = re.compile(
    r"^(>>> |from:|sent by|sender:|reply-to:|cc:|subject:|message-id:|date:|sent:|return-path:|"
    r"please (contact|forward|send)|"
    r"for (further|more) (assistance|information|help)|if you )",
    re.IGNORECASE,
)
_QUOTED_REPLY: Final = re.compile(r"^<<< (?=[45]\d\d)")
_NO_REASON: Final = re.compile(
    r"^(the following|please reply|if you feel|because:?$|reason( for)?:?$|this is a permanent|"
    r"technical details|-{3,}|"
    r"={3,}|\*{3,}|_{3,}|subject:|sent:|"
    r"message-id:|date:|from:|to:|generating server:|arrival-date|last-attempt)",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"^\W{0,3}((reason|error|diagnostic( code)?|remote host said|cause|response|"
    r"delay reason)\s?:\s*|<<< )",
    re.IGNORECASE,
)
_PASSED_OVER: Final = re.compile(
    r"^(smtp error from remote (mail(er| server)|server) after [^:]{0,80}(:.{0,80}>)?:?$|>>> |"
    r"\.\.\. while talking to)",
    re.IGNORECASE,
)
_TO: Final = re.compile(rf"^to:\s{{0,9}}{_A}$", re.IGNORECASE)
_REFUSAL: Final = re.compile(r"^[45]\d\d[ -]", re.MULTILINE)
_ORIGIN: Final = re.compile(r"\((generated|expanded) from", re.IGNORECASE)
_HAS_STATUS: Final = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
_HAS_CODE: Final = re.compile(r"(?<![\d.])[45]\d\d(?=[ -])")
_REPLY_LINE: Final = re.compile(r"^(?:<<< |-- |# ?)?(?:[45]\d\d[ -]|[45]\.\d{1,3}\.\d{1,3}[ -])")
_TELLING: Final = re.compile(
    r"(?<![\d.])[45]\d\d[ -]|(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])|unknown|not found|full|"
    r"quota|does ?n[o']t exist|no such|"
    r"rejected|refused|denied|blocked|timed? ?out|not exist|unable|cannot|invalid|failed|disabled|"
    r"not listed|not recognized|not known|exceed|spam",
    re.IGNORECASE,
)


@attrs.frozen(kw_only=True)
class TextReport:
    """What is said about whom, whether it is only of a delay, and the copy of the message.

    *of_all* is what is said where nobody is named.
    """

    told: tuple[Told, ...] = ()
    delayed: bool = False
    copy: str = ""
    of_all: str = ""


def shown(html: str) -> str:
    """HTML as lines of text. An address in angle brackets stays: servers forget to escape them."""
    return text_from_html(_BARE_ADDRESS.sub(r"&lt;\1&gt;", html))


def names_recipients(text: str) -> bool:
    """Whether a line of it begins with an address and a colon, as a list of failures does."""
    return re.search(r"^<[^\s<>@]{1,64}@[^\s<>]{1,255}>:", text, re.MULTILINE) is not None


def says_not_delivered(text: str) -> bool:
    """Whether a report begins so, in words or with a line that is a server's refusal."""
    begin = text[:_INTRODUCTION]
    return _FAILED.search(begin) is not None or _REFUSAL.search(begin) is not None


def read_text(text: str, *, failed: Sequence[str], own: Collection[str]) -> TextReport:
    """What *text* says about recipients.

    *failed* are addresses that a header of the report names; if there are any, only they count.
    *own* are addresses in small letters that are never recipients: the report's own.
    """
    said, copy = _without_copy(text)
    delayed = _DELAYED.search(said) is not None and _GIVEN_UP.search(said) is None
    lines = [line.strip()[:_LONGEST_LINE] for line in said.split("\n", _MOST_LINES)[:_MOST_LINES]]
    reasons = _reasons(lines, own=own)
    if failed:
        wanted = {address.lower() for address in failed}
        known = {key: value for key, value in reasons.items() if key in wanted}
        reasons = {address.lower(): known.get(address.lower(), (address, "")) for address in failed}
    elif not reasons:
        reasons = _in_sentences(lines, own=own) or _written_to(lines, own=own)
    shared = _shared(lines, reasons) if any(not reason for _, reason in reasons.values()) else ""
    said_of_all = "" if reasons else _shared(lines, ())
    told = tuple(
        Told(
            recipient=address,
            diagnostic=(_completed(lines, key, reason, alone=len(reasons) == 1) or shared)[
                :LONGEST_DIAGNOSTIC
            ],
        )
        for key, (address, reason) in list(reasons.items())[:MOST_RECIPIENTS]
    )
    return TextReport(told=told, delayed=delayed, copy=copy, of_all=said_of_all)


def _without_copy(text: str) -> tuple[str, str]:
    """What is said, and what stands behind the line that begins a copy of the message."""
    failed = _FAILED.search(text)
    address = text.find("@")
    if address < 0:
        return text, ""
    said = text.rfind("\n", 0, failed.start()) + 1 if failed else 0
    copy = _COPY.search(text, max(said, address))
    return (text, "") if copy is None else (text[: copy.start()], text[copy.start() :])


def _reasons(lines: Sequence[str], *, own: Collection[str]) -> dict[str, tuple[str, str]]:
    """Address and reason of each address that a line begins with, by it in small letters."""
    heads = {number: head for number, line in enumerate(lines) if (head := _head(line, own))}
    for number in [at for at in heads if at - 1 in heads and _ORIGIN.match(lines[at])]:
        del heads[number]
    found: dict[str, tuple[str, str]] = {}
    for number, (address, first) in heads.items():
        below = _below(lines, number, heads, begun=bool(first))
        reason = " ".join([*filter(None, [first]), *below])
        if reason.endswith(")") and reason.count(")") > reason.count("("):
            reason = reason[:-1]  # of "(reason: …)"
        key = address.lower()
        known, before = found.get(key, (address, ""))
        found[key] = (known, before if _is_said_better(before, reason) else _joined(before, reason))
    return found


def _is_said_better(before: str, reason: str) -> bool:
    """Whether *reason* adds nothing that a program can read to what was said *before*."""
    if not before or not reason:
        return bool(before)
    return not any(
        pattern.search(reason) and not pattern.search(before)
        for pattern in (_HAS_STATUS, _HAS_CODE)
    )


def _joined(before: str, reason: str) -> str:
    return f"{before} {reason}".strip()


def _head(line: str, own: Collection[str]) -> tuple[str, str] | None:
    if "@" not in line or _SKIPPED.match(line):
        return None
    for place, pattern in enumerate(_HEADS):
        match = pattern.match(line)
        if match is not None:
            address = _cut_dots(match["address"])
            if not _may_be_recipient(address, own, surely=place < _SURE_HEADS):
                return None
            before = match.groupdict().get("before") or ""
            whole = line if before else match["reason"].strip().lstrip(";,-").strip()
            return address, whole
    ended = _ENDS_IN_ADDRESS.search(line) if _FAILED.search(line) else None
    if ended is not None and _may_be_recipient(address := _cut_dots(ended["address"]), own):
        return address, ""
    return None


def _cut_dots(address: str) -> str:
    """Without what stands behind it: ``a@b.example...User unknown``."""
    local, at, domain = address.rpartition("@")
    return local.lstrip("'") + at + domain.partition("..")[0].rstrip("'.")


def _may_be_recipient(address: str, own: Collection[str], *, surely: bool = False) -> bool:
    """*surely*: the line is of a form that names recipients only, also a postmaster."""
    if address.lower() in own or len(address) > 320:
        return False
    return surely or not _DAEMON.match(address)


def _below(
    lines: Sequence[str], number: int, heads: Mapping[int, tuple[str, str]], *, begun: bool
) -> Iterator[str]:
    """The lines of the reason under a head, to the next blank line or head."""
    taken = 0
    for at in range(number + 1, min(number + 1 + _REASON_LINES * 2, len(lines))):
        line = lines[at]
        other = heads.get(at)
        if taken >= _REASON_LINES or (other and other[0].lower() != heads[number][0].lower()):
            return
        if not line:
            if begun:
                return
            continue
        if _PASSED_OVER.match(line):
            continue
        if _NO_REASON.match(line):
            if begun:
                return
            continue
        begun = True
        taken += 1
        yield _LABEL.sub("", line)


def _in_sentences(lines: Sequence[str], *, own: Collection[str]) -> dict[str, tuple[str, str]]:
    """Addresses in the sentences that say that something was not delivered."""
    found: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(lines):
        context = " ".join(lines[max(number - 1, 0) : number + 2])
        if (
            "@" not in line
            or _SKIPPED.match(line)
            or not (_FAILED.search(context) or _TELLING.search(line))
        ):
            continue
        for match in _SENTENCE.finditer(line):
            address = _cut_dots(match["address"])
            if _may_be_recipient(address, own):
                telling = line if _TELLING.search(line) else ""
                found.setdefault(address.lower(), (address, telling))
    return found


def _written_to(lines: Sequence[str], *, own: Collection[str]) -> dict[str, tuple[str, str]]:
    """To whom the message was written, where that is all that is said."""
    found = [match["address"] for line in lines if (match := _TO.match(line))]
    return {name.lower(): (name, "") for name in found if _may_be_recipient(name, own)}


def _completed(lines: Sequence[str], key: str, reason: str, *, alone: bool) -> str:
    """The reason, with the reply of a server that stands elsewhere in the text."""
    if _HAS_STATUS.search(reason):
        return reason
    elsewhere = _mentioned(lines, key)
    if not elsewhere and alone:
        elsewhere = next((_LABEL.sub("", line) for line in lines if _REPLY_LINE.match(line)), "")
    return reason if _is_said_better(reason, elsewhere) else _joined(reason, elsewhere)


def _mentioned(lines: Sequence[str], key: str) -> str:
    """A line of a transcript that names the address, or the reply to the command that does."""
    for number, line in enumerate(lines):
        if key not in line.lower():
            continue
        said = _QUOTED_REPLY.sub("", line)
        if re.search(r"(?<![\d.])[45]\d\d[ -]", said):
            return said
        if line.startswith(">>> "):
            replies = [
                _QUOTED_REPLY.sub("", one)
                for one in lines[number + 1 : number + 6]
                if _QUOTED_REPLY.match(one)
            ]
            if replies:
                return " ".join(replies)
    return ""


def _shared(lines: Sequence[str], reasons: Collection[str]) -> str:
    """What is said to all of them: the lines that say why, else all that is said."""
    plain = [line for line in lines if (line and "@" not in line) or _TELLING.search(line)]
    telling = [
        _QUOTED_REPLY.sub("", line)
        for line in plain
        if _TELLING.search(line) and not line.startswith(">>> ") and not _NO_REASON.match(line)
    ]
    return " ".join((telling or plain)[:_REASON_LINES])[:LONGEST_DIAGNOSTIC]
