"""How far a verification got, on the terminal."""

import click

from domain.account.verification import Step, Verification
from entrypoints.advice import advice


def tell_stages(verification: Verification) -> None:
    """A line for each stage; under one that failed, what to do."""
    for step in verification.steps:
        click.echo(f"{step.stage.value.ljust(9)} {_outcome(step)}".rstrip())
        if to_do := advice(step, verification.account):
            click.echo(f"          {to_do}")
    account = verification.account
    if verification.failed is None:
        click.echo(f"{account.host} takes mail from {account.address}. Nothing was sent.")


def _outcome(step: Step) -> str:
    text = " ".join(step.text.split())
    if step.ok:
        return f"ok  {text}"
    problem = "" if step.problem is None else f"{step.problem.value}  "
    return f"FAILED  {problem}{text}"
