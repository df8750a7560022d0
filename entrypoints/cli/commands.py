"""The commands that run the service: ``serve``, ``worker``, ``migrate``, ``demo``."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from entrypoints.cli.service import opened, read_settings, told_plainly
from entrypoints.runtime import listening, logs
from entrypoints.runtime.cpu_affinity import yield_to_others
from entrypoints.runtime.stopping import Stop, run_worker
from entrypoints.settings import MOST_PROCESSES, Dispatcher, Settings
from entrypoints.wiring import Service, build, pending_migrations

if TYPE_CHECKING:
    from entrypoints.http.server import HttpServer

PORT = click.IntRange(0, 65535)
PROCESSES = click.option(
    "--processes",
    type=click.IntRange(1, MOST_PROCESSES),
    help="How many processes deliver; each uses one processor.  [PROCESSES, else 1]",
)


@click.command()
@click.option("--host", help="Address to listen on.  [HOST, else 127.0.0.1]")
@click.option("--port", type=PORT, help="Port; 0 takes a free one.  [PORT, else 5000]")
@click.option(
    "--sandbox/--no-sandbox",
    default=None,
    help="Open a local mail server and inbox for a trial: see /sandbox.  [SANDBOX, else no]",
)
@click.option(
    "--smtp-port",
    type=PORT,
    help="Take email by SMTP too, on this port, usually 587.  [INTAKE_PORT, else 0: no]",
)
@PROCESSES
@click.pass_context
def serve(
    context: click.Context,
    host: str | None,
    port: int | None,
    sandbox: bool | None,
    smtp_port: int | None,
    processes: int | None,
) -> None:
    """Run the API and deliver, in one process or with child processes that deliver too."""
    settings = read_settings(
        HOST=host, PORT=port, SANDBOX=sandbox, INTAKE_PORT=smtp_port, PROCESSES=processes
    )
    logs.warn_of(settings)
    _check_addresses(settings)
    stop = Stop()
    stop.install()
    with opened(settings) as service:
        service.check_keys()
        sandbox_port = _open_sandbox(service, settings) if settings.sandbox else None
        server = _listen(service, settings)
        service.tune_process()
        service.start_delivery(tell_turn=_tell_turn)
        service.start_children()
        smtp_ports = _listen_for_smtp(service, settings) if settings.takes_smtp else ()
        click.echo(_welcome(server, settings, sandbox_port, smtp_ports))
        exit_code = server.run(service, stop)
    context.exit(exit_code)


@click.command()
@PROCESSES
@click.option("--child", type=int, default=0, hidden=True)
@click.pass_context
def worker(context: click.Context, processes: int | None, child: int) -> None:
    """Deliver only, without the API.

    Any number of processes may deliver from one database: from PostgreSQL all of them do, on any
    number of machines; from a SQLite file as many as PROCESSES says, and the others stand by.
    """
    settings = read_settings(DISPATCHER=Dispatcher.THREADS.value, PROCESSES=processes)
    if child:
        _check_database_exists(settings)
    else:
        logs.warn_of(settings)
    stop = Stop()
    stop.install()
    with opened(settings) as service:
        service.tune_process(child=child)
        service.start_delivery(tell_turn=_tell_turn)
        if child:
            service.follow_parent(sys.stdin.buffer, ended=stop.ask)
        else:
            service.start_children()
            click.echo(f"Delivering from {settings.database_place}. Stop with Ctrl+C.")
        exit_code = run_worker(service, stop)
    context.exit(exit_code)


@click.command(hidden=True)
@click.argument("holder")
@click.argument("number", type=int)
@click.pass_context
def call_webhooks(context: click.Context, holder: str, number: int) -> None:
    """Call webhooks for the process that has started this one."""
    settings = read_settings()
    _check_database_exists(settings)
    stop = Stop()
    stop.install()
    with opened(settings) as service:
        service.tune_process(child=number)
        yield_to_others()
        service.call_webhooks(holder)
        service.follow_parent(sys.stdin.buffer, ended=stop.ask)
        stop.wait()
        service.stop_calls()
    context.exit(0)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if something is pending.")
@click.pass_context
def migrate(context: click.Context, *, check: bool) -> None:
    """Bring the database up to date. The other commands do it too when they start."""
    settings = read_settings()
    with told_plainly():
        names = pending_migrations(settings) if check else _migrated(settings)
    for name in names:
        click.echo(f"{'pending' if check else 'applied'} {name}")
    if check and names:
        context.exit(1)
    click.echo(f"{settings.database} is up to date")


@click.command()
def demo() -> None:
    """Send three emails through the sandbox and follow each to its end. Uses none of your data."""
    from entrypoints.cli import demo as tour  # with Flask's test client: a worker needs neither

    with told_plainly():
        try:
            tour.run(click.echo)
        except tour.DemoFailed as error:
            raise click.ClickException(str(error)) from error


def _migrated(settings: Settings) -> list[str]:
    service = build(settings)
    try:
        return service.migrate()
    finally:
        service.close()


def _check_addresses(settings: Settings) -> None:
    """ClickException that names every address which cannot be listened on."""
    places = [listening.api(settings.host, settings.port), *_smtp_places(settings)]
    if settings.sandbox:
        places.append(listening.sandbox(settings.sandbox_port))
    if refused := listening.refusals(places):
        raise click.ClickException(listening.explained(refused))


def _smtp_places(settings: Settings) -> Sequence[listening.Place]:
    ports = ((settings.intake_port, False), (settings.intake_tls_port, True))
    return [
        listening.smtp(settings.smtp_host, port, secure=secure) for port, secure in ports if port
    ]


def _check_database_exists(settings: Settings) -> None:
    """A child process must not create a new database in the place of its parent's."""
    path = settings.database_path
    if path is not None and not path.exists():
        raise click.ClickException(f"the database {path} is gone: there is nothing to deliver from")


def _listen(service: Service, settings: Settings) -> "HttpServer":
    try:
        return service.listen()
    except OSError as error:  # taken since it was checked
        place = listening.api(settings.host, settings.port)
        raise _refused(place, error) from error


def _listen_for_smtp(service: Service, settings: Settings) -> Sequence[int]:
    try:
        return service.listen_for_smtp()
    except OSError as error:
        raise _refused(_smtp_places(settings)[0], error) from error


def _open_sandbox(service: Service, settings: Settings) -> int:
    try:
        return service.open_sandbox()
    except OSError as error:
        raise _refused(listening.sandbox(settings.sandbox_port), error) from error


def _refused(place: listening.Place, error: OSError) -> click.ClickException:
    return click.ClickException(listening.explained([listening.Refusal(place, error)]))


def _welcome(
    server: "HttpServer", settings: Settings, sandbox_port: int | None, smtp_ports: Sequence[int]
) -> str:
    lines: dict[str, str] = {"API": server.url, "Dashboard": f"{server.url}/dashboard"}
    if smtp_ports:
        ports = " and ".join(map(str, smtp_ports))
        lines["SMTP"] = f"{settings.smtp_host} port {ports}   (the password is an API key)"
    if sandbox_port is not None:
        lines["Sandbox"] = f"{server.url}/sandbox   (its mail server: 127.0.0.1:{sandbox_port})"
    lines["Database"] = settings.database_place
    if settings.dispatcher is Dispatcher.CELERY:
        lines["Delivery"] = "by Celery: run celery -A entrypoints.celery_app worker, and beat"
    if settings.dispatcher is Dispatcher.NONE:
        lines["Delivery"] = "not in this process: run email-service worker"
    lines["Next"] = _next_step(server, sandbox_port)
    return _block("Email Service is running. Stop it with Ctrl+C.", lines)


def _next_step(server: "HttpServer", sandbox_port: int | None) -> str:
    if sandbox_port is not None:
        return "open the sandbox in a browser: it shows the two calls that send a first mail"
    return f"create an SMTP configuration: POST {server.url}/api/smtp-configs (see the README)"


def _tell_turn(delivers: bool) -> None:
    if delivers:
        click.echo("  This process delivers now: the previous one has ended.")
    else:
        click.echo(
            "  Standing by: another process delivers from this database;"
            " this one takes over when it ends."
        )


def _block(title: str, lines: Mapping[str, str]) -> str:
    return "\n".join(["", f"  {title}", "", *(f"  {k:<10}{v}" for k, v in lines.items()), ""])
