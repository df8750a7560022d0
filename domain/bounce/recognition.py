"""Whether mail comes from a mail server, or from a person or an answering machine."""

import re
from collections.abc import Sequence
from typing import Final

from domain.bounce.mail_parts import Part, decoded_words
from domain.bounce.status_fields import DELIVERY_STATUS, FEEDBACK

_DAEMON: Final = re.compile(
    r"mailer[-_. ]?daemon|post[ _]?master|mail[-_. ]?delivery|mail[-_ ]daemon|mdaemon|"
    r"delivery (sub)?system|"
    r"mail (sub)?system|system administrator|mail (administrator|router|server)|delivery (service|"
    r"status|report)|"
    r"undeliver|bounce|^<>$|^\s*$|mmdf|internet mail|maildelivery|mail-?admin|e-?mail (delivery|"
    r"system|router|server)|"
    r"symantec|mimecast|proofpoint|comsat|daemon",
    re.IGNORECASE,
)
_SUBJECT: Final = re.compile(
    r"undeliver|un-?deliver|deliver(y|ed)? (status|failure|failed|error|problem|report|"
    r"notification|has failed|attempt|delayed|impossible)|"
    r"(mail|message|e-?mail)[^\n]{0,20}(fail|not delivered|could not|undeliver|bounced|delayed|"
    r"system error|blocked|rejected)|"
    r"return(ed|ing)?[: -]{1,3}(mail|message|e-?mail|to sender)|failure notice|non[- ]?delivery|"
    r"nondeliverable|returned mail|"
    r"fail(ure|ed)[^\n]{0,20}(deliver|mail|message|notice|send)|unzustellbar|rejected|bounce|"
    r"mail delivery|not deliver|"
    r"could ?n[o']t (be )?(deliver|send)|unable to deliver|delayed|delay|warning|echec|échec|"
    r"non remis|fallo|error de entrega|"
    r"msg of|退信|配信|returned|problem|address(es)? unknown",
    re.IGNORECASE,
)
_REJECTED: Final = re.compile(r"automatically rejected|rejected:|refused", re.IGNORECASE)
_SAYS_SO: Final = re.compile(
    r"undeliver|failure notice|returned mail|delivery (status|failure|failed|warning)|"
    r"non-?delivery|unzustellbar|"
    r"(could not|couldn't|not) be delivered|mail (could )?not deliver|non remis|"
    r"automatically rejected",
    re.IGNORECASE,
)
_REPLY: Final = re.compile(r"^\s*(re|aw|fwd?|wg|tr|rv|sv|vs|antw)\s?:", re.IGNORECASE)
_DAEMONS_ADDRESS: Final = re.compile(r"(^|[\s<\"])(mailer-daemon|post_?master)@", re.IGNORECASE)
_BEGIN: Final = 2000  # characters
_QUOTE: Final = re.compile(rb"^> ?\w", re.MULTILINE)
_ANSWER: Final = re.compile(
    r"out of (the )?office|auto(matic|mated)?[- ]?(reply|"
    r"response|antwort|responder)|"
    r"vacation|abwesen|away from|on leave|absence|automatische antwort|réponse automatique|"
    r"respuesta automática|autosvar|"
    r"risposta automatica|自動返信|自动回复|autoreply|i am away|on holiday",
    re.IGNORECASE,
)


def is_answer(parts: Sequence[Part]) -> bool:
    """Whether a person or an answering machine wrote it, or it is a receipt."""
    top, *_ = parts
    own = {part.kind for part in parts if not part.returned}
    subject = decoded_words(top.header("subject"))
    if "message/disposition-notification" in own:
        # Dovecot says so that a mailbox is full, or that a rule of its owner refused (RFC 5429)
        return not _REJECTED.search(subject)
    if FEEDBACK in own or _SAYS_SO.match(subject):
        return False
    if not (_ANSWER.search(subject) or (_REPLY.match(subject) and not _is_daemons(parts))):
        return False
    return not (DELIVERY_STATUS & own and top.kind == "multipart/report")


def is_from_server(parts: Sequence[Part]) -> bool:
    """Whether the message may be a server's report."""
    top, *_ = parts
    if _DAEMON.search(decoded_words(top.header("from") or top.header("sender"))):
        return True
    subject = decoded_words(top.header("subject"))
    is_automatic = _is_automatic(top)
    if is_automatic and any(part.returned for part in parts) and _says_so(parts):
        return True
    if is_automatic or top.kind == "multipart/report":
        return bool(_SUBJECT.search(subject))
    return bool(_SAYS_SO.search(subject))


def _says_so(parts: Sequence[Part]) -> bool:
    """Whether its text, not its subject, says that something was not delivered."""
    texts = (
        part.text[:_BEGIN] for part in parts if not part.returned and part.kind == "text/plain"
    )
    return any(_SAYS_SO.search(text) for text in texts)


def _is_daemons(parts: Sequence[Part]) -> bool:
    """Whether a daemon wrote it, though its subject begins as an answer: some gateways write so.

    A person who answers as postmaster quotes what is answered.
    """
    if not _DAEMONS_ADDRESS.search(parts[0].header("from")):
        return False
    return not any(_QUOTE.search(part.octets) for part in parts if not part.returned)


def _is_automatic(top: Part) -> bool:
    """Whether its headers say that no person wrote it."""
    said = top.header("auto-submitted").lower()
    return said.startswith("auto") or top.header("return-path").strip() == "<>"
