"""Code that a document quotes is code that runs, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.running import ROOT

ADAPTERS = (ROOT / "docs/building/adding-an-adapter.md").read_text("utf-8")
QUOTED = re.findall(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```$", ADAPTERS, re.MULTILINE | re.DOTALL)
LINKS = [
    (document, target)
    for document in sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")]
    )
    for target in re.findall(r"\]\(([^):]+)\)", document.read_text("utf-8"))
]


def anchors(document: Path) -> set[str]:
    """What a link may point to in *document*: its headings, as GitHub makes anchors of them."""
    outside = re.sub(
        r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    headings = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).strip().replace(" ", "-") for one in headings}


@pytest.mark.parametrize(("file", "code"), QUOTED)
def test_the_code_of_adding_an_adapter_is_the_code_that_runs(file: str, code: str) -> None:
    assert code in (ROOT / file).read_text("utf-8")


def test_adding_an_adapter_shows_the_examples_in_full() -> None:
    shown = dict(QUOTED)

    for example in ("example_store.py", "example_dispatcher.py"):
        file = f"tests/contract/{example}"
        assert shown[file] == (ROOT / file).read_text("utf-8")
    assert ADAPTERS.count("```python") == len(QUOTED)


def test_no_document_installs_by_a_name_of_another_project() -> None:
    told = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    told += [
        file for package in ("adapters", "entrypoints") for file in ROOT.glob(f"{package}/**/*.py")
    ]

    assert [f for f in told if re.search("install '?email-service", f.read_text("utf-8"))] == []


def test_wherever_packages_are_installed_they_are_pinned_with_hashes_and_not_resolved() -> None:
    documents = [ROOT / "Makefile", ROOT / "deploy/Dockerfile", *ROOT.glob(".ci/*")]
    documents += [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests/compat.py"]
    told = [
        (document.name, command)
        for document in documents
        for command in re.findall(
            r"pip\b.*\binstall ([^`\n]*)", document.read_text("utf-8").replace("\\\n", " ")
        )
    ]

    assert len(told) >= 6
    for document, command in told:
        ours = "--no-build-isolation" in command and re.search(r" \.(\s|$)", command)
        wanted = {"--no-deps"} if ours else {"--no-deps", "--require-hashes", "-r"}
        assert wanted <= set(command.split()), (document, command)


@pytest.mark.parametrize(("document", "target"), LINKS)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(document: Path, target: str) -> None:
    file, _, anchor = target.partition("#")
    there = document.parent / file if file else document

    assert there.exists()
    if anchor:
        assert anchor in anchors(there)
