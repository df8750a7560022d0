"""What every store must do with templates: a part of `StoreContract`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.errors import Conflict, NotFound
from domain.message.template import SourceKind, Template, TemplateSource, Variable, VariableType
from tests.builders import NOW, a_template, at

FULL = TemplateSource(
    subject="Grüße an {{ name }}",
    kind=SourceKind.MJML,
    body="<mjml>…</mjml>",
    text="Hallo\r\n{{ name }} \U0001f600",
    variables=(
        Variable(name="name", sample="Ada"),
        Variable(
            name="rows",
            type=VariableType.LIST,
            required=False,
            default=[{"price": 1.5, "sold": True}, None],
        ),
    ),
)


class TemplateContract:
    """The suite of the TemplateRepository port."""

    @pytest.mark.parametrize("source", [FULL, a_template().source])
    @pytest.mark.parametrize("published_at", [None, at(7)])
    def test_a_template_comes_back_as_it_was_stored(
        self, store: Store, source: TemplateSource, published_at: Any
    ) -> None:
        template = a_template(source=source, locale="de-AT", published_at=published_at)

        stored = store.write(lambda tx: tx.templates.add(template))

        assert stored == attrs.evolve(template, id=1)
        assert store.read(lambda tx: tx.templates.version("welcome", "de-AT", 1)) == stored

    def test_a_version_is_stored_once(self, store: Store) -> None:
        _add(store, a_template())

        with pytest.raises(Conflict):
            _add(store, a_template())

    def test_the_latest_version_is_the_one_with_the_highest_number(self, store: Store) -> None:
        _add(store, *[a_template(version=version) for version in (2, 10, 9)])

        latest = store.read(lambda tx: tx.templates.latest("welcome", ""))

        assert latest is not None
        assert latest.version == 10

    def test_the_current_version_is_the_one_that_was_published_last(self, store: Store) -> None:
        _add(store, *[a_template(version=version) for version in (1, 2, 3)])
        seen = [_current(store)]
        for template_id, when in ((2, 1.0), (1, 2.0), (3, 2.0)):
            _publish(store, template_id, at=at(when))
            seen.append(_current(store))

        assert seen == [None, 2, 1, 3]

    def test_what_is_not_there_cannot_be_published(self, store: Store) -> None:
        with pytest.raises(NotFound):
            store.write(lambda tx: tx.templates.publish(1, at=NOW))

    def test_names_and_locales_are_told_apart(self, store: Store) -> None:
        _add(store, a_template(), a_template(locale="de"), a_template(name="other"))

        def look(tx: Transaction) -> object:
            asked = [("welcome", "de"), ("welcome", "DE"), ("welcom", ""), ("other", "de")]
            return [
                [
                    None if found is None else found.id
                    for found in (
                        tx.templates.latest(*place),
                        tx.templates.version(*place, 1),
                    )
                ]
                for place in asked
            ]

        assert store.read(look) == [[2, 2], [None, None], [None, None], [None, None]]

    def test_the_versions_of_one_locale_are_listed_from_the_highest_down(
        self, store: Store
    ) -> None:
        _add(store, *[a_template(version=version) for version in range(1, 6)])
        _add(store, a_template(locale="de", version=7), a_template(name="other", version=8))

        def look(tx: Transaction) -> object:
            versions = tx.templates.versions
            return [
                _numbers(versions("welcome", "", limit=9)),
                _numbers(versions("welcome", "", limit=2)),
                _numbers(versions("welcome", "", before=4, limit=2)),
                _numbers(versions("welcome", "", before=2**63 - 1, limit=1)),
                _numbers(versions("welcome", "fr", limit=2)),
            ]

        assert store.read(look) == [[5, 4, 3, 2, 1], [5, 4], [3, 2], [5], []]

    def test_a_page_has_each_template_once_in_the_order_of_creation(self, store: Store) -> None:
        _add(store, a_template(name="z"), a_template(name="a"), a_template(name="z", locale="de"))
        newest = attrs.evolve(FULL, subject="Newest")
        _add(store, a_template(name="z", version=2, source=newest, created_at=at(5)))
        store.write(lambda tx: tx.templates.publish(1, at=at(9)))

        pages = [
            store.read(lambda tx, after=after: tx.templates.page(after=after, limit=2))
            for after in (0, 2, 3)
        ]

        seen = [[(row.id, row.name, row.locale, row.version) for row in page] for page in pages]
        assert seen == [[(1, "z", "", 2), (2, "a", "", 1)], [(3, "z", "de", 1)], []]
        first, second = pages[0]
        assert (first.subject, first.created_at) == ("Newest", at(5))
        assert (first.published_version, first.published_at) == (1, at(9))
        assert (second.published_version, second.published_at) == (None, None)

    def test_the_locales_of_a_name_are_sorted(self, store: Store) -> None:
        _add(store, *[a_template(locale=locale) for locale in ("de-AT", "", "zh-Hant-TW", "de")])
        _add(store, a_template(name="other", locale="fr"))

        assert store.read(lambda tx: list(tx.templates.locales("welcome"))) == [
            "",
            "de",
            "de-AT",
            "zh-Hant-TW",
        ]

    def test_a_name_or_one_locale_of_it_is_removed_with_all_versions(self, store: Store) -> None:
        _add(store, a_template(), a_template(version=2), a_template(locale="de"))
        _add(store, a_template(name="other"), a_template(locale="fr"))

        gone = [
            store.write(lambda tx: tx.templates.remove("welcome", locale="")),
            store.write(lambda tx: tx.templates.remove("welcome", locale="")),
            store.write(lambda tx: tx.templates.remove("welcome")),
            store.write(lambda tx: tx.templates.remove("welcome")),
        ]

        assert gone == [2, 0, 2, 0]
        left = store.read(lambda tx: tx.templates.page(limit=9))
        assert [row.name for row in left] == ["other"]

    def test_a_removed_template_is_stored_anew_under_an_id_of_its_own(self, store: Store) -> None:
        _add(store, a_template())
        store.write(lambda tx: tx.templates.remove("welcome"))

        assert store.write(lambda tx: tx.templates.add(a_template())).id == 2

    def test_what_a_failed_work_did_with_templates_is_undone(self, store: Store) -> None:
        _add(store, a_template())

        def work(tx: Transaction) -> None:
            tx.templates.add(a_template(version=2))
            tx.templates.publish(1, at=NOW)
            tx.templates.remove("welcome")
            raise LookupError

        with pytest.raises(LookupError):
            store.write(work)

        assert store.read(lambda tx: _numbers(tx.templates.versions("welcome", "", limit=9))) == [1]
        assert _current(store) is None


def _add(store: Store, *templates: Template) -> None:
    store.write(lambda tx: [tx.templates.add(template) for template in templates])


def _publish(store: Store, template_id: int, *, at: datetime) -> None:
    store.write(lambda tx: tx.templates.publish(template_id, at=at))


def _current(store: Store) -> int | None:
    found = store.read(lambda tx: tx.templates.current("welcome", ""))
    return None if found is None else found.version


def _numbers(versions: Sequence[Template]) -> list[int]:
    return [template.version for template in versions]
