"""``email-service sendmail``: what cron, PHP, git and mutt call, in front of the service."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import BinaryIO, Final, NoReturn, TextIO

from entrypoints.client.bodies import RawBody
from entrypoints.client.calls import Service
from entrypoints.client.config import EMAIL_SERVICE_LOCAL, Config, read_config
from entrypoints.client.failures import (
    Exit,
    Failure,
    Refused,
    WrongConfiguration,
    WrongMessage,
    WrongRecipient,
    WrongUsage,
)
from entrypoints.client.message import Message, named_recipients, read_message, with_sender
from entrypoints.client.sendmail_options import Options, read_options

_LARGEST: Final = 100 * 1024 * 1024  # octets; no service takes more in a call
_INTERRUPTED: Final = 130  # as shells tell SIGINT
_LOCAL_NAME: Final = re.compile(r"\w[\w.+-]*")
_HELP: Final = """\
Usage: email-service sendmail [-t] [-i] [-f ADDRESS] [-F NAME] [RECIPIENT ...]

Submit the message on standard input to the service, as sendmail does.

  -t          Also send to the addresses in To, Cc and Bcc.
  -i          A line with a dot alone is not the end.
  -f ADDRESS  The From of a message that has none.
  -F NAME     The name in such a From.
  -v          Tell the id of the email.
  -oeq        Tell no errors; the exit code has them.

Other options of sendmail change nothing, or are refused. EMAIL_SERVICE_URL and
EMAIL_SERVICE_KEY say where the service is and who asks.

Exit codes: 0 accepted, 64 wrong arguments, 65 wrong message, 67 wrong
recipient, 69 refused, 75 try it again later, 78 wrong configuration.
"""


def main(arguments: Sequence[str]) -> NoReturn:
    """Run it on this process's streams and end."""
    stdin = None if sys.stdin is None else sys.stdin.buffer  # some programs close it
    try:
        code = int(run(arguments, environ=os.environ, stdin=stdin, out=sys.stdout, err=sys.stderr))
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


def run(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    stdin: BinaryIO | None,
    out: TextIO,
    err: TextIO,
) -> Exit:
    """Submit one message; the exit code that sendmail has for what became of it."""
    quiet = False
    try:
        options = read_options(arguments)
        if options.help:
            out.write(_HELP)
            return Exit.OK
        quiet = options.quiet
        email_id = _submit(options, read_config(environ), stdin)
    except Failure as failure:
        if not quiet:
            err.write(f"sendmail: {_on_a_line(str(failure))}\n")
        return failure.exit_code
    if options.verbose:
        out.write(f"Accepted as email {email_id}\n")
    return Exit.OK


def _on_a_line(text: str) -> str:
    """*text* without what a terminal or a log would take for more: it may quote the message."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _submit(options: Options, config: Config, stdin: BinaryIO | None) -> object:
    if not (options.recipients or options.from_headers):
        raise WrongUsage("name recipients, or use -t for those in the headers")
    if stdin is None:
        raise WrongMessage("there is no standard input")
    octets = stdin.read(_LARGEST + 1)
    if len(octets) > _LARGEST:
        raise WrongMessage(f"the message has more than {_LARGEST} octets")
    message = read_message(octets, ends_at_dot=options.ends_at_dot)
    del octets  # it may have megabytes, and the message may be made anew
    recipients = _recipients(options, message, local=config.local)
    message = with_sender(message, sender=options.sender, name=options.name, usual=config.sender)
    pieces = _as_servers_take_it(message).pieces
    key = _idempotency_key(message, pieces, recipients)
    try:
        answer = Service(config).post(
            "/api/emails/raw", RawBody(pieces, recipients), idempotency_key=key
        )
    except Refused as refused:
        raise _in_terms_of_sendmail(refused, message, recipients) from None
    return answer.get("email_id")


def _recipients(options: Options, message: Message, *, local: str) -> list[str]:
    named = list(options.recipients)
    if options.from_headers:
        named += named_recipients(message)
    if not named:
        raise WrongUsage("no header has a recipient: To, Cc or Bcc")
    return list(dict.fromkeys(_with_domain(one.strip(), local) for one in named))


def _with_domain(recipient: str, local: str) -> str:
    if "@" in recipient:
        return recipient
    if not _LOCAL_NAME.fullmatch(recipient):
        raise WrongRecipient(f"{recipient} is no address")
    if not local:
        raise WrongRecipient(
            f"{recipient} has no domain: set {EMAIL_SERVICE_LOCAL} to who gets such mail"
        )
    return local


def _as_servers_take_it(message: Message) -> Message:
    from entrypoints.client.seven_bit import in_seven_bits, is_plain

    return message if all(map(is_plain, message.pieces)) else in_seven_bits(message)


def _idempotency_key(
    message: Message, pieces: Sequence[bytes | memoryview], recipients: Sequence[str]
) -> str:
    """The same for a message that is given again, by its Message-ID.

    Without one, two equal messages are two: what cron tells each night may be the same.
    """
    if message.first("message-id") is None:
        return f"sendmail-{os.urandom(16).hex()}"
    digest = sha256("\0".join(recipients).encode("utf-8", "surrogateescape"))
    for piece in (b"\0", *pieces):
        digest.update(piece)
    return f"sendmail-{digest.hexdigest()}"


def _in_terms_of_sendmail(refused: Refused, message: Message, recipients: Sequence[str]) -> Failure:
    if refused.status in (401, 403):
        return WrongConfiguration(str(refused))
    for pointer, what in refused.errors:
        found = pointer.removeprefix("/recipients/")
        if found != pointer and found.isdecimal() and int(found) < len(recipients):
            return WrongRecipient(f"{recipients[int(found)]}: {what}")
    if refused.status not in (400, 413):
        return refused
    reasons = "; ".join(what for _, what in refused.errors) or str(refused)
    sender = message.first("from")
    if refused.problem.get("code") == "from_not_allowed" and sender is not None:
        reasons = f"From {sender.text}: {reasons}"
    return WrongMessage(reasons)
