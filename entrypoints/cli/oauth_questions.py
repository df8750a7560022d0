"""The questions of ``email-service accounts add`` about a login by OAuth."""

from typing import Any

import click

from application.oauth.account_auth import OAuthWish
from domain.account.oauth import (
    Flow,
    OAuthClient,
    OAuthProvider,
    client_errors,
    needs_secret,
)
from domain.address import Address

_NONE = "-"


def ask_oauth(oauth: OAuthProvider, address: Address) -> dict[str, Any]:
    """Username and application: a person consents later."""
    click.echo(
        "It logs in by OAuth, with an application that you have registered with the provider "
        "(docs/using/oauth.md)."
    )
    microsoft = oauth is OAuthProvider.MICROSOFT
    flow = Flow.AUTHORIZATION_CODE
    if microsoft:
        kinds = [Flow.AUTHORIZATION_CODE.value, Flow.DEVICE.value]
        flow = Flow(
            click.prompt(
                "Consent with a browser here, or with a code that is typed in elsewhere",
                type=click.Choice(kinds),
                default=flow.value,
            )
        )
    while True:
        client = OAuthClient(
            provider=oauth,
            flow=flow,
            client_id=click.prompt("Client ID of the application").strip(),
            tenant=click.prompt("Tenant (directory)", default="common") if microsoft else "",
        )
        errors = list(client_errors(client, graph=False))
        if not errors:
            break
        for error in errors:
            click.echo(f"Error: {error.field.removeprefix('auth/')} {error.message}", err=True)
    return {"username": str(address), "auth": OAuthWish(client=client, secret=_secret(client))}


def _secret(client: OAuthClient) -> str | None:
    """What is asked for hidden; None where the application has none."""
    asked = "Client secret (not shown)"
    if needs_secret(client):
        return str(click.prompt(asked, hide_input=True))
    secret = click.prompt(f"{asked}, {_NONE} for none", hide_input=True)
    return None if secret == _NONE else str(secret)
