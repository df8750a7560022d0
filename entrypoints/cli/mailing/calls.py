"""The calls of a mailing: which template writes it, who is suppressed, previews, batches."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import attrs

from domain.intake import MOST_EMAILS, SEND_FEWER
from domain.message.template import Value, Variable, VariableType, fallbacks
from entrypoints.client.bodies import EncodedBody, JsonBody
from entrypoints.client.calls import Service
from entrypoints.client.failures import Refused, WrongConfiguration, WrongUsage

_OWN_LINK: Final = "unsubscribe_url"
_ROW: Final = re.compile(r"/to/([0-9]+)(?:/(.*))?")
_TOO_LARGE: Final = 413


@attrs.frozen(kw_only=True)
class TemplateFound:
    """The version that writes the mailing. *has_link*: it shows the link to unsubscribe."""

    name: str
    locale: str
    version: int
    variables: tuple[Variable, ...]
    has_link: bool

    @property
    def choice(self) -> Mapping[str, Any]:
        """What a call says to have exactly this one."""
        choice: dict[str, Any] = {"name": self.name, "version": self.version}
        return {**choice, "locale": self.locale} if self.locale else choice


class TooLarge(Exception):
    """The call is too large: half of it may do."""


class WrongRows(Exception):
    """Nothing of the call was accepted: *reasons* by the places of what is wrong in it."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__()
        self.reasons = reasons


class MailingCalls:
    """Every method raises Failure."""

    def __init__(
        self, service: Service, *, common: Mapping[str, Any], topic: str | None = None,
        account_id: int | None = None,
    ) -> None:  # fmt: skip
        """*common* are the fields that all emails share, as POST /api/emails/batch has them."""
        self._service = service
        self._common = common
        self._scope = {"topic": topic, "smtp_config_id": account_id}

    @property
    def now(self) -> datetime | None:
        """The time of the service at its last answer."""
        return self._service.answered_at

    def template(self, name: str, *, locale: str, version: int | None) -> TemplateFound:
        """The *version*, or the one that is published for *locale* or the next best."""
        if version is None:
            locale, version = self._published(name, locale)
        query = {"version": str(version), **({"locale": locale} if locale else {})}
        found = self._service.get(f"/api/templates/{quote(name, safe='')}?{urlencode(query)}")
        if found.get("published_at") is None:
            raise WrongUsage(f"version {version} of the template {name} was never published")
        texts = [found.get(field) or "" for field in ("subject", "html", "mjml", "text")]
        return TemplateFound(
            name=name,
            locale=locale,
            version=version,
            variables=tuple(_variable(*item) for item in found["variables"].items()),
            has_link=any(_OWN_LINK in text for text in texts),
        )

    def _published(self, name: str, locale: str) -> tuple[str, int]:
        for each in fallbacks(locale):
            query = {"limit": str(MOST_EMAILS), **({"locale": each} if each else {})}
            path = f"/api/templates/{quote(name, safe='')}/versions?{urlencode(query)}"
            try:
                versions = self._service.rows(path)
            except Refused as error:
                if error.status != 404:
                    raise
                continue
            published = [one for one in versions if one["published_at"] is not None]
            if len(versions) == MOST_EMAILS:
                raise WrongUsage(f"the template {name} has many versions: name one of them")
            if published:
                return each, max(published, key=lambda one: str(one["published_at"]))["version"]
        where = f" for the locale {locale}" if locale else ""
        raise WrongUsage(f"there is no published template {name}{where}: save it, then publish it")

    def preview(self, template: TemplateFound, variables: Mapping[str, Value]) -> Mapping[str, Any]:
        """What comes of it, with ``subject``, ``html`` and ``text``."""
        fields: dict[str, Any] = {"version": template.version, "variables": variables}
        if template.locale:
            fields["locale"] = template.locale
        path = f"/api/templates/{quote(template.name, safe='')}/preview"
        return self._service.post(path, JsonBody(fields))

    def unwanted(self, addresses: Sequence[str]) -> Collection[str]:
        """Which of up to 500 are suppressed."""
        scope = {name: value for name, value in self._scope.items() if value is not None}
        body = JsonBody({"addresses": addresses, **scope})
        found: Collection[str] = self._service.post("/api/suppressions/lookup", body)["suppressed"]
        return found

    def send(self, template: TemplateFound, entries: Sequence[str], *, key: str) -> Sequence[int]:
        """The ids of what was accepted; the same for the same *key*. WrongRows, TooLarge."""
        head = json.dumps({"template": template.choice, "common": self._common})[:-1]
        body = EncodedBody(f'{head}, "to": [{",".join(entries)}]}}'.encode())
        try:
            answer = self._service.post("/api/emails/batch", body, idempotency_key=key)
        except Refused as error:
            raise _judged(error) from None
        ids: Sequence[int] = answer.get("email_ids", ())
        if len(ids) != len(entries):
            raise WrongConfiguration("the service does not tell the ids of all emails")
        return ids


def _judged(error: Refused) -> Exception:
    """What a refusal is about: the size of the call, some of its rows, or all of it."""
    if error.status == _TOO_LARGE or any(SEND_FEWER in message for _, message in error.errors):
        return TooLarge()
    found = [(_ROW.fullmatch(pointer), message) for pointer, message in error.errors]
    reasons: dict[int, str] = {}
    for row, message in found:
        if row is None:
            return error
        field = (row[2] or "").removeprefix("variables").strip("/")
        told = f"{field}: {message}" if field else message
        place = int(row[1])
        reasons[place] = f"{reasons[place]}; {told}" if place in reasons else told
    return WrongRows(reasons) if reasons and error.status == 400 else error


def _variable(name: str, fields: Mapping[str, Any]) -> Variable:
    return Variable(
        name=name,
        type=VariableType(fields["type"]),
        required=fields["required"],
        default=fields["default"],
        sample=fields["sample"],
    )
