"""The pages about what all calls share: their names, their samples and what stands in them."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import attrs

from entrypoints.http.openapi.samples import BASE, LANGUAGES, SampleCall

_SAMPLES: Final = Path(__file__).with_name("samples.toml")


@attrs.frozen(kw_only=True)
class Guide:
    """A page of prose; its text is the template ``docs/guides/<id>.html``."""

    id: str
    title: str
    lead: str
    names: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Section:
    """A heading of a page with the text under it."""

    id: str
    title: str
    text: str


GUIDES: Final = (
    Guide(
        id="authentication",
        title="Authentication",
        lead="Every call under /api carries an API key. A key has scopes, and may be limited to "
        "some SMTP configurations.",
        names=("api key", "scopes", "bearer token", "X-API-Key"),
    ),
    Guide(
        id="idempotency",
        title="Idempotency",
        lead="Repeat a call without sending an email twice.",
        names=("idempotency-key", "retry", "repeat"),
    ),
    Guide(
        id="rate-limits",
        title="Rate limits",
        lead="What a key may do in a second and in a day, and how to wait when it is used up.",
        names=("retry-after", "quota", "ratelimit-remaining"),
    ),
    Guide(
        id="errors",
        title="Errors",
        lead="Every error has a status, a code that never changes, and a text for people.",
        names=("codes", "problem details", "status codes"),
    ),
    Guide(
        id="pagination",
        title="Pagination",
        lead="Long lists come in pages. Each page links to the next one.",
        names=("cursor", "limit", "link", "next page"),
    ),
    Guide(
        id="webhook-signatures",
        title="Webhook signatures",
        lead="How your program knows that a webhook was sent by this service.",
        names=("verify", "webhook-signature", "hmac", "whsec"),
    ),
)
_EMAIL: Final = {
    "subject": "Your order 1742",
    "recipients": ["ada@example.org"],
    "html_content": "<p>Thank you.</p>",
}
_CALLS: Final = {
    "list": SampleCall(method="GET", url="/api/emails"),
    "once": SampleCall(
        method="POST",
        url="/api/emails",
        body=_EMAIL,
        headers=(("Idempotency-Key", "order-1742-confirmation"),),
    ),
}


@cache
def _written() -> Mapping[str, Mapping[str, str]]:
    with _SAMPLES.open("rb") as file:
        return tomllib.load(file)


def sample_names() -> Sequence[str]:
    """The names of all samples of the guides."""
    return [*_CALLS, *_written()]


def guide_sources(name: str, root: str) -> Mapping[str, str]:
    """The sample *name* by the id of its language; *root* is where the service is."""
    root = root.rstrip("/")
    if name in _CALLS:
        call = attrs.evolve(_CALLS[name], url=root + _CALLS[name].url)
        return {language.id: language.write(call) for language in LANGUAGES}
    return {
        language: source.removeprefix("\n").replace(BASE, root)
        for language, source in _written()[name].items()
    }


def sections_of(html: str) -> Sequence[Section]:
    """The sections of a page that *html* is the text of, an ``h2`` with an id each."""
    reader = _SectionReader()
    reader.feed(html)
    return [
        Section(id=id_, title=" ".join(title.split()), text=" ".join(text.split()))
        for id_, title, text in reader.found
    ]


class _SectionReader(HTMLParser):
    """Collects headings, and what follows each but for samples."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self._in_heading = False
        self._samples = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A heading begins a section."""
        given = dict(attrs)
        if tag == "h2" and given.get("id"):
            self.found.append([given["id"] or "", "", ""])
            self._in_heading = True
        self._samples += tag in ("pre", "fieldset")

    def handle_endtag(self, tag: str) -> None:
        """It ends."""
        if tag == "h2":
            self._in_heading = False
        self._samples -= tag in ("pre", "fieldset")

    def handle_data(self, data: str) -> None:
        """Text belongs to the last heading."""
        if self.found and not self._samples:
            self.found[-1][1 if self._in_heading else 2] += data
