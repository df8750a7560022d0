"""The command by which a person authorizes an SMTP configuration that logs in by OAuth."""

import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlsplit

import attrs
import click

from application.oauth.authorize import Authorizations, Begun
from domain.account.account import Account
from domain.account.authorization import LIFETIME
from domain.account.oauth import Flow
from domain.account.oauth_answer import Refusal
from domain.errors import Unavailable
from entrypoints.cli.service import opened, read_settings, told_plainly

_DONE: Final = b"You can close this page and go back to the terminal.\n"
_NO_CODE: Final = b"No code came back: the terminal says more. You can close this page.\n"
_OTHER: Final = b"This is not the page at the end of the authorization that waits here.\n"
_SLOWER_S: Final = 5.0  # RFC 8628, 3.5


@click.command()
@click.argument("account_id", metavar="N", type=click.IntRange(1))
@click.option("--device", is_flag=True, help="Type a code in at any other device.")
@click.option(
    "--paste", is_flag=True, help="Paste the address that the browser was sent to at the end."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    help="Where the browser comes back to on this machine.  [a free one]",
)
def authorize(account_id: int, device: bool, paste: bool, port: int) -> None:
    """Authorize the SMTP configuration N at its OAuth provider, with a browser or a code.

    The browser must be on this machine; elsewhere use --paste or --device.
    """
    if device and paste:
        raise click.UsageError("--device and --paste exclude each other")
    with opened(read_settings()) as service, told_plainly():
        authorize_here(
            service.application.authorizations, account_id, device=device, paste=paste, port=port
        )


def authorize_here(
    authorizations: Authorizations,
    account_id: int,
    *,
    device: bool = False,
    paste: bool = False,
    port: int = 0,
) -> None:
    """Let a person consent at this terminal, and say so. EmailServiceError, ClickException."""
    flow = authorizations.flow_of(account_id)
    if device or (flow is Flow.DEVICE and not paste):
        account = _by_device(authorizations, account_id)
    else:
        account = _by_browser(authorizations, account_id, paste=paste, port=port)
    click.echo(f"The SMTP configuration {account.id} ({account.name}) is authorized.")


def _by_device(authorizations: Authorizations, account_id: int) -> Account:
    begun = authorizations.begin_device(account_id)
    click.echo(f"Open {begun.shown.verification_uri} and type in {begun.shown.user_code}")
    interval = begun.shown.interval.total_seconds()
    while True:
        time.sleep(interval)
        try:
            found = authorizations.ask_device(begun)
        except Unavailable:
            continue  # until it is over
        if isinstance(found, Account):
            return found
        if found is Refusal.SLOW_DOWN:
            interval += _SLOWER_S


def _by_browser(
    authorizations: Authorizations, account_id: int, *, paste: bool, port: int
) -> Account:
    # Microsoft takes any port of this name, if http://localhost is registered
    if paste:
        address = f"http://localhost:{port}" if port else "http://localhost"
        begun = authorizations.begin(account_id, redirect_uri=address)
        _tell(begun)
        click.echo("At the end the browser finds no page: that is right. Copy its address.")
        came = _came_back(click.prompt("The address"))
    else:
        with _Listener(port) as listener:
            address = f"http://localhost:{listener.port}"
            begun = authorizations.begin(account_id, redirect_uri=address)
            _tell(begun)
            click.echo("It waits for the browser, for 10 minutes.")
            came = listener.wait(begun.state)
    if came.state != begun.state:
        raise click.ClickException("that is not the address at the end of this authorization")
    return authorizations.complete(begun.state, code=came.code, error=came.error)


def _tell(begun: Begun) -> None:
    click.echo(f"Open this in a browser and consent:\n\n  {begun.authorize_url}\n")


@attrs.frozen
class _CameBack:
    """What stands in the address that a browser was sent to."""

    state: str = ""
    code: str = attrs.field(default="", repr=False)
    error: str = ""


def _came_back(address: str) -> _CameBack:
    query = parse_qs(urlsplit(address.strip()).query)
    return _CameBack(*(query.get(name, [""])[0] for name in ("state", "code", "error")))


class _Listener:
    """A web server of one address on this machine, until the browser has come back to it.

    A browser opens connections ahead of need: each has a thread, and none has to wait.
    """

    def __init__(self, port: int) -> None:
        self._state = ""
        self._found = found = queue.Queue[_CameBack]()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                came = _came_back(self.path)
                if came.state != listener._state:
                    self._answer(404, _OTHER)
                    return
                self._answer(200, _DONE if came.code else _NO_CODE)
                found.put(came)

            def _answer(self, status: int, page: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                """A code is in the line."""

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise click.ClickException(f"the port {port} cannot be used: {error}") from error
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> "_Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self, state: str) -> _CameBack:
        """What came back with this *state*; whatever else asks gets a page and is forgotten."""
        self._state = state
        serving = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        serving.start()
        try:
            return self._found.get(timeout=LIFETIME.total_seconds())
        except queue.Empty:
            raise click.ClickException(
                "the browser did not come back in time: begin again"
            ) from None
        finally:
            self._server.shutdown()
            serving.join()
