"""Authors save drafts and publish versions; emails keep what they were written by."""

from typing import Any

import attrs
import pytest

from application.intake.draft import Draft, TemplateChoice
from application.intake.idempotency import IdempotencyKey
from application.templates import Templates
from domain.access import Caller, Scope
from domain.email.detail import TemplateUsed
from domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from domain.message.template import SourceKind, TemplateSource, Variable, VariableType
from tests.builders import an_address, seconds
from tests.world import World


def html(body: str = "<p>Hello {{ name }}</p>", **changes: Any) -> TemplateSource:
    source = TemplateSource(subject="Welcome, {{ name }}", kind=SourceKind.HTML, body=body)
    return attrs.evolve(source, **changes)


@pytest.fixture
def world() -> World:
    world = World()
    world.account()
    return world


@pytest.fixture
def templates(world: World) -> Templates:
    return world.application.templates


def sent_with(world: World, **choice: Any) -> int:
    """The id of an email that the template `welcome` writes."""
    return world.submit(
        subject="", html=None, template=TemplateChoice("welcome", **choice), variables={"name": "A"}
    )


def used(world: World, email_id: int) -> TemplateUsed | None:
    return world.store.read(lambda tx: tx.details.of(email_id).template)


def publish(templates: Templates, body: str, *, locale: str = "") -> None:
    """A further version of `welcome`, published."""
    try:
        templates.create("welcome", html(body), locale=locale)
    except Conflict:
        templates.change("welcome", html(body), locale=locale)
    templates.publish("welcome", locale=locale)


def test_versions_are_counted_for_each_name_and_locale(templates: Templates) -> None:
    saved = [
        templates.create("welcome", html()),
        templates.create("welcome", html(), locale="de"),
        templates.change("welcome", html("<p>2</p>")),
        templates.change("welcome", html("<p>3</p>")),
    ]

    assert [one.version for one in saved] == [1, 1, 2, 3]


def test_what_changes_nothing_makes_no_version(templates: Templates) -> None:
    first = templates.create("welcome", html())

    assert templates.change("welcome", html()) == first


def test_a_name_has_a_locale_once(templates: Templates) -> None:
    templates.create("welcome", html())

    with pytest.raises(Conflict, match="PUT changes it"):
        templates.create("welcome", html("<p>2</p>"))


@pytest.mark.parametrize(
    "call",
    [
        lambda templates: templates.change("welcome", html(), locale="de"),
        lambda templates: templates.publish("welcome", locale="de"),
        lambda templates: templates.publish("welcome", version=2),
        lambda templates: templates.show("welcome", version=2),
        lambda templates: templates.versions("other", limit=9),
        lambda templates: templates.preview("welcome", {}, locale="de"),
        lambda templates: templates.remove("welcome", locale="de"),
        lambda templates: templates.remove("other"),
    ],
)
def test_what_is_not_there_is_not_found(templates: Templates, call: Any) -> None:
    templates.create("welcome", html())

    with pytest.raises(NotFound):
        call(templates)


def test_the_version_that_was_published_last_is_sent(world: World, templates: Templates) -> None:
    publish(templates, "<p>1</p>")
    publish(templates, "<p>2</p>")
    world.clock.step(-60)
    templates.publish("welcome", version=1)
    back = sent_with(world)
    templates.publish("welcome", version=2)

    assert used(world, back) == TemplateUsed("welcome", 1)
    assert used(world, sent_with(world)) == TemplateUsed("welcome", 2)


def test_nothing_is_sent_with_a_draft(world: World, templates: Templates) -> None:
    templates.create("welcome", html())

    for choice in ({}, {"version": 1}):
        with pytest.raises(InvalidInput) as refused:
            sent_with(world, **choice)
        assert refused.value.code == "template_not_found"


def test_a_scheduled_email_keeps_the_version_it_was_accepted_with(
    world: World, templates: Templates
) -> None:
    publish(templates, "<p>first</p>")
    email_id = world.submit(
        subject="",
        html=None,
        template=TemplateChoice("welcome"),
        variables={"name": "Ada"},
        send_at=world.clock.now() + seconds(60),
    )
    publish(templates, "<p>second</p>")
    templates.remove("welcome")
    world.clock.tick(61)
    world.run()

    [taken] = world.sender.accepted
    assert b"<p>first</p>" in taken.octets
    assert used(world, email_id) == TemplateUsed("welcome", 1)


def test_the_best_locale_that_is_published_is_taken(world: World, templates: Templates) -> None:
    publish(templates, "<p>any</p>")
    publish(templates, "<p>de</p>", locale="de")
    templates.create("welcome", html(), locale="de-AT")

    found = [used(world, sent_with(world, locale=locale)) for locale in ("de-AT", "de", "fr", None)]

    assert [one.locale for one in found if one] == ["de", "de", "", ""]


def test_a_version_is_one_of_its_own_locale(world: World, templates: Templates) -> None:
    publish(templates, "<p>any</p>")
    publish(templates, "<p>de</p>", locale="de")

    assert used(world, sent_with(world, version=1, locale="de")) == TemplateUsed("welcome", 1, "de")
    with pytest.raises(InvalidInput, match="version 1 for the locale de-AT"):
        sent_with(world, version=1, locale="de-AT")


def test_an_email_without_a_template_has_no_detail(world: World) -> None:
    assert used(world, world.submit()) is None


def test_a_repeated_call_is_answered_though_its_template_is_gone(
    world: World, templates: Templates
) -> None:
    publish(templates, "<p>1</p>")
    draft = Draft(
        subject="",
        to=(an_address(),),
        template=TemplateChoice("welcome"),
        variables={"name": "Ada"},
    )
    key = IdempotencyKey(key="k", scope="", digest="d")
    submission = world.application.submission
    first = submission.submit((draft,), idempotency=key)
    templates.remove("welcome")

    assert submission.submit((draft,), idempotency=key).ids == first.ids
    with pytest.raises(InvalidInput):
        submission.submit((draft,), idempotency=attrs.evolve(key, key="another"))


@pytest.mark.parametrize(
    ("source", "values", "said"),
    [
        (html("{{ missing }}"), {}, "template: html: line 1: UndefinedError"),
        (html("<p>x</p>", subject="{{ name }}"), {"name": "a\nb"}, "subject: must not contain"),
        (html("<p>x</p>", subject="{{ name }}"), {"name": ""}, "subject: nothing comes of it"),
        (html("<p>x</p>", subject="{{ name }}"), {"name": "x" * 990}, "more than 989 characters"),
        (html("{% if false %}x{% endif %}"), {}, "nothing comes of its body"),
        (html("{{ name }}"), {"name": "\0"}, "U\\+0000"),
    ],
)
def test_what_makes_no_message_is_refused(
    world: World, templates: Templates, source: TemplateSource, values: Any, said: str
) -> None:
    templates.create("odd", source)
    templates.publish("odd")

    with pytest.raises(InvalidInput, match=said) as refused:
        world.submit(template=TemplateChoice("odd"), variables={"name": "A", **values})
    assert refused.value.code == "template_error"


@pytest.mark.parametrize(
    ("source", "field"),
    [
        (html("{{ name"), "html"),
        (html(subject="{% if %}"), "subject"),
        (html(text="{{"), "text"),
        (html("a\0"), "html"),
        (html(subject="a\nb"), "subject"),
        (html(variables=(Variable(name="a b"),)), "variables/a b"),
        (html(variables=(Variable(name="a", default=1),)), "variables/a"),
        (html(variables=(Variable(name="a", type=VariableType.LIST, sample="x"),)), "variables/a"),
        (html(variables=tuple(Variable(name=f"v{n}") for n in range(51))), "variables"),
        (html(variables=(Variable(name="a", sample="x" * 70_000),)), "variables"),
    ],
)
def test_a_bad_template_is_not_saved(
    templates: Templates, source: TemplateSource, field: str
) -> None:
    templates.create("good", html())
    for save in (templates.create, templates.change):
        with pytest.raises(InvalidInput) as refused:
            save("good" if save == templates.change else "bad", source)
        assert refused.value.code == "template_error"
        assert refused.value.errors[0].field == field

    assert [(one.name, one.version) for one in templates.page(limit=9).templates] == [("good", 1)]


def test_a_preview_shows_the_draft_with_samples_for_what_is_not_given(
    templates: Templates,
) -> None:
    publish(templates, "<p>old</p>")
    variables = (
        Variable(name="name", sample="Ada"),
        Variable(name="day", sample="Monday", default="today"),
        Variable(name="note", required=False, default="none"),
    )
    source = html("<p>{{ name }} {{ day }} {{ note }}</p>", variables=variables)
    templates.change("welcome", source)

    preview = templates.preview("welcome", {"day": "Tuesday"})

    assert preview.rendered.html == "<p>Ada Tuesday none</p>"
    assert preview.size == len(preview.rendered.html)
    assert preview.template.version == 2


def test_a_test_sends_the_draft(world: World, templates: Templates) -> None:
    templates.create("welcome", html())

    email_id = templates.test("welcome", {"name": "Ada"}, recipient=an_address("bob@example.org"))

    assert used(world, email_id) == TemplateUsed("welcome", 1)
    assert world.email(email_id).subject == "Welcome, Ada"


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (Scope.READ, {"show", "page", "versions", "preview"}),
        (Scope.SEND, {"test"}),
        (Scope.ADMIN, {"create", "change", "publish", "remove", "test"}),
    ],
)
def test_each_call_asks_for_its_scope(world: World, scope: Scope, allowed: set[str]) -> None:
    templates = world.application.templates
    templates.create("welcome", html())
    caller = Caller(key_id=1, prefix="aaaaaaaa", scopes=frozenset({scope}), daily_recipients=9)
    calls = {
        "create": lambda: templates.create("new", html(), caller=caller),
        "change": lambda: templates.change("welcome", html("<p>2</p>"), caller=caller),
        "publish": lambda: templates.publish("welcome", caller=caller),
        "show": lambda: templates.show("welcome", caller=caller),
        "page": lambda: templates.page(limit=9, caller=caller),
        "versions": lambda: templates.versions("welcome", limit=9, caller=caller),
        "preview": lambda: templates.preview("welcome", {"name": "A"}, caller=caller),
        "test": lambda: templates.test(
            "welcome", {"name": "A"}, recipient=an_address(), caller=caller
        ),
        "remove": lambda: templates.remove("welcome", caller=caller),
    }
    done = set()
    for name, call in calls.items():
        try:
            call()
        except Forbidden:
            continue
        done.add(name)

    assert done >= allowed
    if scope is not Scope.ADMIN:
        assert done == allowed


def test_changes_are_in_the_audit(world: World, templates: Templates) -> None:
    templates.create("welcome", html(), locale="de")
    templates.change("welcome", html("<p>2</p>"), locale="de")
    templates.publish("welcome", locale="de")
    templates.publish("welcome", locale="de")
    templates.remove("welcome")

    entries = world.application.api_keys.audit(limit=9)
    assert [(entry.action, entry.subject, dict(entry.detail)) for entry in reversed(entries)] == [
        ("template_created", "template welcome", {"locale": "de", "version": 1}),
        ("template_changed", "template welcome", {"locale": "de", "version": 2}),
        ("template_published", "template welcome", {"locale": "de", "version": 2}),
        ("template_deleted", "template welcome", {"locale": None, "versions": 2}),
    ]


def test_lists_have_as_many_as_are_asked_for_and_say_where_they_go_on(
    templates: Templates,
) -> None:
    for name in ("a", "b", "c"):
        templates.create(name, html())
    for number in range(2, 5):
        templates.change("a", html(f"<p>{number}</p>"))

    first = templates.page(limit=2)
    rest = templates.page(after=first.next_after or 0, limit=2)
    assert [one.name for one in (*first.templates, *rest.templates)] == ["a", "b", "c"]
    assert rest.next_after is None
    newest = templates.versions("a", limit=3)
    oldest = templates.versions("a", before=newest.next_before, limit=3)
    assert [one.version for one in (*newest.versions, *oldest.versions)] == [4, 3, 2, 1]
    assert oldest.next_before is None
