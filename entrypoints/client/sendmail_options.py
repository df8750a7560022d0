"""The arguments of ``sendmail``, as the programs that call it pass them."""

from collections.abc import Sequence
from getopt import GetoptError, getopt
from typing import Final, NamedTuple

from entrypoints.client.failures import WrongUsage

# those of Sendmail 8 and Postfix; a colon for each that has a value
_LETTERS: Final = "A:B:C:F:GIL:N:O:R:UV:X:b:cd:e:f:h:imno:p:q:r:tv"
_REFUSED: Final = {
    "-C": "it has no configuration file of sendmail",
    "-X": "it writes no log of SMTP",
    "-d": "it has no debugging levels",
    "-q": "the service keeps the queue",
}
_MODES: Final = {
    "s": "it takes no SMTP on standard input: use smtp://, or give it messages",
    "p": "the service keeps the queue: look at its list of emails",
    "i": "there are no aliases to build",
}


class Options(NamedTuple):
    """What is to be done. *sender* and *name* are empty if they were not given."""

    recipients: tuple[str, ...] = ()
    from_headers: bool = False
    ends_at_dot: bool = True
    sender: str = ""
    name: str = ""
    quiet: bool = False
    verbose: bool = False
    help: bool = False


def read_options(arguments: Sequence[str]) -> Options:
    """What *arguments* say. Options stand before recipients, as for every sendmail. WrongUsage."""
    try:
        given, recipients = getopt(list(arguments), _LETTERS, ["help"])
    except GetoptError as error:
        raise WrongUsage(f"{error.msg}: see --help") from None
    options = Options(recipients=tuple(recipients))
    for option, value in given:
        options = _with(options, option, value)
    return options


def _with(options: Options, option: str, value: str) -> Options:
    if option in _REFUSED:
        raise WrongUsage(f"{option} is not supported: {_REFUSED[option]}")
    if option == "-b" and value != "m":
        raise WrongUsage(f"-b{value} is not supported: {_MODES.get(value, 'only -bm is')}")
    if option == "-o":  # the old way to write options
        option, value = f"-{value[:1]}", value[1:]
    match option:
        case "-t":
            return options._replace(from_headers=True)
        case "-i":
            return options._replace(ends_at_dot=False)
        case "-f" | "-r":
            return options._replace(sender=value.strip("<>"))
        case "-F":
            return options._replace(name=value)
        case "-e":
            return options._replace(quiet=value == "q")
        case "-v":
            return options._replace(verbose=True)
        case "--help":
            return options._replace(help=True)
    return options  # such as -N, -R, -B8BITMIME, -odi: they change nothing here
