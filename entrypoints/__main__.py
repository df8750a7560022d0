"""``python -m entrypoints`` is the command ``email-service``."""

import sys
from posixpath import basename


def main() -> None:
    """Run the command; under the name ``sendmail``, such as by a link, the command of that name.

    It is begun without the library of the other commands: PHP waits for it on each page.
    """
    program, *arguments = sys.argv
    if basename(program) == "sendmail":
        arguments = ["sendmail", *arguments]
    if arguments[:1] == ["sendmail"]:
        from entrypoints.client import sendmail

        sendmail.main(arguments[1:])
    from entrypoints.cli import main as command

    command()


if __name__ == "__main__":
    main()
