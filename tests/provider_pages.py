"""The pages of docs/using/providers: what in them is made of the catalogue and the reply rules."""

import re
from pathlib import Path
from typing import Final

from domain.account.provider import Confidence, Figure, Provider
from domain.outcome.handoff import Stage
from domain.outcome.reply_text import reply_of
from domain.outcome.rules_file import Rule
from domain.outcome.verdict import AccountEffect, Result
from tests.running import ROOT
from tests.shipped_rules import PROVIDERS, RULES

FOLDER: Final = ROOT / "docs/using/providers"
STEPS: Final = "What to do there"
CONFIGURATION: Final = "The SMTP configuration"
LIMITS: Final = "Limits"
REFUSALS: Final = "What its refusals mean here"
_KNOWN: Final = {
    Confidence.PUBLISHED: "published",
    Confidence.SECONDARY: "told by others",
    Confidence.UNPUBLISHED: "not published: a safe start",
}
_ROW: Final = re.compile(r"^\| (\w+) \| `([^`]+)` \| [^|]* \| ([^|]*) \|$", re.MULTILINE)


def pages() -> list[Path]:
    """A page for each provider; the list of them is another one."""
    return sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def provider_of(page: Path) -> Provider:
    """Whose page it is."""
    return PROVIDERS.get(page.stem)


def section(text: str, heading: str) -> str:
    """What stands under a heading."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"there is no section {heading!r}"
    return found[1]


def renewed(page: Path) -> str:
    """The page with its steps, its limits and what follows from refusals as they are now."""
    text = page.read_text("utf-8")
    for heading, body in (
        (STEPS, _steps(provider_of(page))),
        (LIMITS, _limits(providers_on(text))),
        (REFUSALS, _refusals(text)),
    ):
        before, title, after = text.partition(f"## {heading}\n")
        text = before + title + body + after.removeprefix(section(text, heading))
    return text


def providers_on(text: str) -> list[Provider]:
    """Those that the bodies of a page name, each once."""
    body = section(text, CONFIGURATION)  # the provider within auth is indented further
    named = re.findall(r'^  "provider": "([\w.-]+)"', body, re.MULTILINE)
    return [PROVIDERS.get(one) for one in dict.fromkeys(named)]


def refusals(text: str) -> list[tuple[str, str]]:
    """Stage and reply of each refusal on a page."""
    return [(stage, reply) for stage, reply, _ in _ROW.findall(section(text, REFUSALS))]


def rule_of(stage: str, reply: str) -> Rule:
    """The rule that decides about it."""
    return RULES.find(Stage(stage), reply=reply_of(reply))


def consequence(rule: Rule) -> str:
    """What follows from a reply, in a few words, and the reason that is shown."""
    email = {
        Result.WAIT: "The email waits",
        Result.RETRY: "The email is tried again",
        Result.FAILED: "The email fails",
    }[rule.result]
    account = {
        AccountEffect.NONE: "",
        AccountEffect.SLOW: ", the account slows down",
        AccountEffect.UNREACHABLE: ", the account connects again soon",
        AccountEffect.RECONNECT: ", on a new connection",
        AccountEffect.STREAK: ", the account pauses if several in a row get it",
        AccountEffect.PAUSE: ", the account pauses" + _until(rule),
    }[rule.effect]
    return f"{email}{account} (`{rule.reason}`)."


def _until(rule: Rule) -> str:
    if rule.pause_for is not None:
        minutes = int(rule.pause_for.total_seconds()) // 60
        return " for an hour, then longer" if minutes == 60 else f" for {minutes} minutes"
    return " until a login works" if rule.cured_by_login else " until you resume it"


def _steps(provider: Provider) -> str:
    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(provider.steps, start=1))
    notes = "\n".join(f"- {note}" for note in provider.notes)
    return f"\n{steps}\n\n" + (f"{notes}\n\n" if notes else "")


def _limits(providers: list[Provider]) -> str:
    tables = []
    for provider in providers:
        named = f'With `"provider": "{provider.id}"`'
        head = f"{named} the SMTP configuration starts with {_start(provider)}."
        rows = "\n".join(
            f"| {figure.name.replace('_', ' ')} | {_value(figure)} | {_source(figure)} |"
            for figure in provider.figures
        )
        tables.append(f"{head}\n\n| limit | value | known from |\n|---|---|---|\n{rows}\n")
    return "\n" + "\n".join(tables) + "\n"


def _start(provider: Provider) -> str:
    limits = provider.limits()
    named = {
        "daily_limit": limits.daily,
        "hourly_limit": limits.hourly,
        "minute_limit": limits.minute,
    }
    words = [f"`{name}` {'null' if value is None else value}" for name, value in named.items()]
    words += [f"`limit_unit` {limits.unit}", f"`max_connections` {limits.max_connections}"]
    return ", ".join(words)


def _value(figure: Figure) -> str:
    return "no limit" if figure.value is None else f"{figure.value:,}"


def _source(figure: Figure) -> str:
    origin = figure.origin
    return f"[{_KNOWN[origin.confidence]}]({origin.source}), {origin.checked_on}"


def _refusals(text: str) -> str:
    def row(found: re.Match[str]) -> str:
        stage, reply, to_do = found.groups()
        return f"| {stage} | `{reply}` | {consequence(rule_of(stage, reply))} | {to_do} |"

    return _ROW.sub(row, section(text, REFUSALS))
