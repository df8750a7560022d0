"""The documents describe the code as it is: files, names, settings, calls, commands, events."""

import json
import re
from functools import cache
from pathlib import Path

import click
import pytest

from domain.account.limits import Window
from domain.email.status import TRANSITIONS, Status
from entrypoints.cli import cli
from entrypoints.http import create_http
from entrypoints.http.problems import _HTTP as HTTP_PROBLEMS
from entrypoints.http.refusals import Refusal
from entrypoints.settings import variables
from tests.applications import an_application
from tests.benchmarks.catalogue import BENCHMARKS
from tests.documents import (
    CONFIGURATION,
    CURRENT,
    DOCUMENTS,
    PACKAGES,
    SOURCES,
    all_names,
    code_of,
    docstrings_of,
    names_in,
    shown,
    text,
    words_defined_in,
)
from tests.faults.catalogue import EXPERIMENTS
from tests.running import ROOT

FOLDERS = (*PACKAGES, "tests", "docs", "deploy", "requirements")
USING = [document for document in CURRENT if document.parent.name == "using"]
WAY = ROOT / "docs/building/finding-your-way.md"
GLOSSARY = ROOT / "docs/building/glossary.md"
STATUSES = ROOT / "docs/using/statuses.md"
ERRORS = ROOT / "docs/using/errors.md"
# Names of others, and one that is misspelt on purpose.
OTHERS = re.compile(
    r"SQLITE_\w+|PG[A-Z]+|SCHED_\w+|REMOTE_ADDR|DATABSE_URL|SHOP_PASSWORD|OFFICE_SECRET"
    r"|WEBHOOK_SECRET|EX_[A-Z]+|SSL_CERT_FILE|HTTPS_PROXY"
    r"|NODE_EXTRA_CA_CERTS|SERVER_EMAIL|DEFAULT_FROM_EMAIL|EMAIL_(?:BACKEND|HOST\w*|PORT|USE_TLS)"
    r"|DISCOURSE_[A-Z_]+|SENTRY_MAIL_HOST|GF_SMTP_HOST|ENABLE_NOTIFY_MAIL"
    r"|SMTP_(?:ADDR|AUTH_METHOD|ENABLE_STARTTLS|FROM_ADDRESS|LOGIN|OPENSSL_VERIFY_MODE|PASSWORD)"
    r"|SMTP_(?:PORT|SERVER|SSL)"
    r"|(?:RESEND|SENDGRID|POSTMARK|MAILGUN)_[A-Z_]+"
)
MADE_BY_THE_READER = frozenset({"deploy/email-service.env"})
MEDIA_TYPES = frozenset({"application/json", "application/octet-stream"})


# -- files and names -------------------------------------------------------------------------------


@pytest.mark.parametrize("document", CURRENT, ids=shown)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    path = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./*@-]+")
    named = {word for code in code_of(document) for word in code.split() if path.fullmatch(word)}
    lost = [one for one in sorted(named) if not list(ROOT.glob(one.rstrip("/.")))]

    assert [one for one in lost if one not in MADE_BY_THE_READER | MEDIA_TYPES] == []


def test_every_file_that_the_code_names_exists() -> None:
    path = re.compile(
        rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w/-]+\.(?:py|md|toml|txt|json|yaml|conf)\b"
    )
    lost = {
        f"{shown(source)} names {one}"
        for source in [*SOURCES, *CONFIGURATION]
        for one in path.findall(text(source).replace("/opt/email-service/", ""))
        if not (ROOT / one).exists()
    }

    assert sorted(lost) == []


def test_every_module_that_a_document_or_the_code_names_exists() -> None:
    dotted = re.compile(rf"(?<![\w/.-])(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
    written = [(path, text(path)) for path in [*CURRENT, *CONFIGURATION]]
    written += [(path, "\n".join(docstrings_of(path))) for path in SOURCES]
    lost = {
        f"{shown(path)} names {one}"
        for path, words in written
        for one in dotted.findall(words)
        if not is_module(one)
    }

    assert sorted(lost) == []


def is_module(dotted: str) -> bool:
    """Whether *dotted* is a module, a package, or a name in one."""
    path = ROOT / dotted.replace(".", "/")
    holder = [path.parent.with_suffix(".py"), path.parent / "__init__.py"]
    return (
        path.is_dir()
        or path.with_suffix(".py").exists()
        or any(path.name in text(one) for one in holder if one.exists())
    )


# what users read names no module of ours, and has programs with names of their own
@pytest.mark.parametrize(
    "document", [path for path in CURRENT if path.parent.name != "using"], ids=shown
)
def test_every_name_in_a_module_that_a_document_names_is_there(document: Path) -> None:
    modules = {path.parent.name if path.name == "__init__.py" else path.stem for path in SOURCES}
    known = set().union(*map(words_defined_in, SOURCES))
    named = {
        (module, name)
        for code in code_of(document)
        for module, name in re.findall(r"^(?:\w+\.)*(\w+)\.(\w+)(?:\(.*\))?$", code)
        if module in modules and name not in ("py", "md", "toml", "json", "yaml")
    }

    assert [one for one in sorted(named) if one[1] not in known] == []


@pytest.mark.parametrize("document", CURRENT, ids=shown)
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`: `(test_\w+)`", text(document))

    assert [one for one in named if f"def {one[1]}(" not in text(ROOT / one[0])] == []


def answers() -> list[tuple[str, str]]:
    """Each file of the page for strangers, with a name in it; with "" alone."""
    found = []
    for file, names in re.findall(r"^- `([^`]+)`(?:: (.*))?$", text(WAY), re.MULTILINE):
        found += [(file, name) for name in re.findall(r"`([^`]+)`", names) or [""]]
    return found


@pytest.mark.parametrize(("file", "name"), answers())
def test_a_stranger_finds_what_the_page_for_strangers_names(file: str, name: str) -> None:
    path = ROOT / file
    assert path.exists(), f"{file} has moved: update {shown(WAY)}"
    if name:
        assert name in names_in(path), f"{file} has no {name}: update {shown(WAY)}"


def test_the_page_for_strangers_answers_ten_questions() -> None:
    questions = re.split(r"^## ", text(WAY), flags=re.MULTILINE)[1:]

    assert len(questions) >= 10
    assert [one for one in questions if "\n- `" not in one] == []


def test_the_glossary_names_what_the_code_has() -> None:
    rows = re.findall(r"^\| [^|]+ \| [^|]+ \| ([^|]*) ?\|$", text(GLOSSARY), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}

    assert len(named) > 40
    assert named - all_names() == set()


def test_a_word_stands_once_in_the_glossary() -> None:
    words = re.findall(r"^\| ([^|]+?) \| ", text(GLOSSARY), re.MULTILINE)
    words = [word for word in words if word not in ("word", "---")]

    assert sorted(set(words)) == sorted(words)


# -- statuses --------------------------------------------------------------------------------------


def test_the_diagram_of_statuses_is_the_table_of_transitions() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+): (\w+)$", text(STATUSES), re.MULTILINE))

    assert drawn == {
        (before.value, after.value, cause.value)
        for (before, cause), targets in TRANSITIONS.items()
        for after in targets
    }


def test_the_page_of_statuses_has_every_status_and_every_gate() -> None:
    listed = set(re.findall(r"^\| `(\w+)`(?:, `\w+`)* \|", text(STATUSES), re.MULTILINE))
    listed |= set(re.findall(r"`(\w+)`", text(STATUSES).partition("| `waiting_reason` |")[2]))
    gates = set(re.findall(r'name="(\w+)"', text(ROOT / "domain/email/gates.py")))
    limits = {f"{window.value}_limit" for window in Window}

    assert {status.value for status in Status} <= listed
    assert gates | limits | {"in_line", "retry_delay"} <= listed


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", CURRENT, ids=shown)
def test_every_setting_that_a_document_names_is_one(document: Path) -> None:
    named = {
        name
        for code in code_of(document)
        for name in re.findall(r"(?<![\w./$-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w.])", code)
    }
    known = set(variables()) | {name.rpartition(".")[2] for name in all_names()}

    assert [one for one in sorted(named - known) if not OTHERS.fullmatch(one)] == []


@pytest.mark.parametrize("document", USING, ids=shown)
def test_every_field_and_code_that_a_page_for_users_names_is_in_the_code(document: Path) -> None:
    source = "\n".join(text(path) for path in SOURCES if shown(path).split("/")[0] in PACKAGES)
    source += text(ROOT / "domain/outcome/smtp_rules.toml")
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text(document)))
    composed = {f"email_{status.value}" for status in Status}
    composed |= {f"{window.value}_limit" for window in Window}

    assert [one for one in sorted(named - composed) if one not in source] == []


# -- calls of the API ------------------------------------------------------------------------------


@cache
def routes() -> list[re.Pattern[str]]:
    """Every path of the service, with what its parameters may be."""
    app = create_http(an_application(), version="1")
    paths = [rule.rule for rule in app.url_map.iter_rules()]
    paths += ["/sandbox", "/sandbox/messages.json", "/sandbox/<number>", "/sandbox/<number>/<what>"]
    paths.append("/v3/")  # behind which SendGrid's and Mailgun's calls stand
    return [re.compile(re.sub(r"<[^>]+>", r"[^/]+", path)) for path in paths]


@pytest.mark.parametrize("document", CURRENT, ids=shown)
def test_every_call_that_a_document_names_is_answered(document: Path) -> None:
    known = routes()
    named = {
        path
        for code in code_of(document)
        for path in [
            *re.findall(r"\b(?:GET|POST|PUT|DELETE|PATCH) (/[^\s?`'…]*)", code),
            *re.findall(r"127\.0\.0\.1:5000(/[^\s?`'\"]*)", code),
            *re.findall(r"^(/(?:api|sandbox)[^\s?…]*)$", code),
        ]
    }
    lost = [one for one in sorted(named) if not any(route.fullmatch(one) for route in known)]

    assert [one for one in lost if one != "/api"] == []


def test_the_page_of_errors_has_every_code() -> None:
    golden = json.loads(text(ROOT / "tests/e2e/golden/openapi.json"))
    described = {
        code
        for response in golden["components"]["responses"].values()
        for code in response["x-codes"]
    }
    rows = re.findall(r"^\| \d+ \| ([^|]*) \|", text(ERRORS), re.MULTILINE)
    listed = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    from entrypoints.http import refusals

    server = {one.code for one in vars(refusals).values() if isinstance(one, Refusal)}
    http = {code for code, _ in HTTP_PROBLEMS.values()}

    assert listed == described | server | http


# -- commands --------------------------------------------------------------------------------------


def commands() -> list[tuple[str, str]]:
    """Every line that starts with the service's command, and where it stands."""
    said = [(shown(document), code) for document in CURRENT for code in code_of(document)]
    said += [(shown(path), line) for path in CONFIGURATION for line in text(path).splitlines()]
    said += [
        (shown(path), found)
        for path in SOURCES
        if shown(path).split("/")[0] in PACKAGES
        for found in re.findall(r"`{1,2}(email-service [^`\n]+)`", text(path))
    ]
    return [
        (where, found)
        for where, line in said
        for found in re.findall(r"(?<![\w./=-])(?:/\S+/bin/)?email-service ([a-z].*)", line)
    ]


def refusal(line: str) -> str | None:
    """Why the command would not take *line*; only its words and options are looked at."""
    command: click.Command = cli
    for word in re.split(r"\s+", re.split(r" ?[|&;…#'\")(]| —", line)[0].strip()):
        option = word.partition("=")[0]
        if isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]+", word):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return f"{command.name} has no {word}"
            command = found
        elif re.fullmatch(r"--[a-z-]+", option) and option != "--help":
            options = [name for one in command.params for name in (*one.opts, *one.secondary_opts)]
            if option not in options:
                return f"{command.name} takes no {option}"
    return None


def test_every_command_that_is_named_exists() -> None:
    found = commands()

    assert len(found) > 30
    assert [(where, line, refusal(line)) for where, line in found if refusal(line)] == []


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert refusal("keys borrow") == "keys has no borrow"
    assert refusal("serve --sandbocks") == "serve takes no --sandbocks"
    assert refusal("worker --processes 2") is None


@pytest.mark.parametrize("document", CURRENT, ids=shown)
def test_every_make_target_that_a_document_names_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = {
        target
        for code in code_of(document)
        for target in re.findall(r"^(?:[A-Z_]+=\S+ )*make ([a-z]+)", code)
    }

    assert sorted(named - targets) == []


def test_every_benchmark_and_experiment_that_a_document_names_exists() -> None:
    benchmarks = {one.name for one in BENCHMARKS}
    experiments = {one.name for one in EXPERIMENTS}
    lost = []
    for document in CURRENT:
        for code in code_of(document):
            for words in re.findall(r'make bench BENCH="?([^"]*)"?', code):
                named = {word for word in words.split("#")[0].split() if not word.startswith("-")}
                lost += [(shown(document), one) for one in sorted(named - benchmarks)]
        named = set(re.findall(r"\bE\d\d\b", text(document)))
        lost += [(shown(document), one) for one in sorted(named - experiments)]

    assert lost == []


# -- form ------------------------------------------------------------------------------------------


def test_the_readme_is_short_and_its_picture_small() -> None:
    lines = text(ROOT / "README.md").splitlines()

    assert len(lines) <= 110
    assert (
        lines.index(
            "make run     # installs what it needs, starts the API, delivery and a local inbox"
        )
        < 20
    )
    assert (ROOT / "docs/sandbox.png").stat().st_size <= 150_000


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached or document.suffix != ".md":
            continue
        reached.add(document)
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text(document))
        waiting += [(document.parent / link).resolve() for link in links]

    assert [shown(document) for document in DOCUMENTS if document not in reached] == []
