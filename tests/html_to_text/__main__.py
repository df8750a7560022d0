"""Compare the text that we make of real emails with that of html-to-text and inscriptis.

python -m tests.html_to_text [FOLDER]

Builds two dozen emails with foundation-emails, mailgen, react-email and mjml (npm), has each made
into text by three converters (inscriptis comes from pip), and prints for each fault how many emails
show it. With FOLDER the emails and texts stay there to be read. Needs node and npm.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from domain.message.html_to_text import text_from_html

HERE: Final = Path(__file__).parent
INSCRIPTIS: Final = "inscriptis==2.7.6"
_CONVERT: Final = """
import sys; from pathlib import Path; from inscriptis import get_text
for page in Path(sys.argv[1]).glob("*.html"):
    page.with_suffix(".inscriptis.txt").write_text(get_text(page.read_text()))
"""
CONVERTERS: Final = ("email-service", "html-to-text", "inscriptis")

FAULTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "shows the hidden preview line": lambda _, text: "PREVIEW" in text,
    "shows invisible padding": lambda _, text: bool(
        re.search("[\u200b-\u200f\ufeff]{2}|\u034f", text)
    ),
    "glues cells together": lambda _, text: bool(
        re.search(r"YearLanguage|PlanTeam|Item#|\bNode\.js ?Event-driven I/O ?\$", text)
    ),
    "spreads a row of data over lines": lambda _, text: bool(re.search(r"Item\s*\n\s*Desc", text)),
    "loses the target of a link": lambda page, text: any(
        target not in text for target in ("acme.example/go", "acme.example/start") if target in page
    ),
    "loses the text of an image": lambda page, text: (
        "Acme logo" in page and "Acme logo" not in text
    ),
    "loses the lines of <pre>": lambda page, text: "y = 2" in page and "x = 1\n" not in text,
    "loses the number of an item": lambda page, text: "<ol" in page and "1. " not in text,
    "has two empty lines in a row": lambda _, text: bool(re.search(r"\S\n\s*\n\s*\n\s*\S", text)),
    "changes upper and lower case": lambda _, text: "WELCOME ADA" in text or "HI ADA" in text,
}


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        folder.mkdir(parents=True, exist_ok=True)
        _make_all(folder, Path(temporary))
        pages = sorted(folder.glob("*.html"))
        print(
            f"| of {len(pages)} emails | {' | '.join(CONVERTERS)} |", "|---|---|---|---|", sep="\n"
        )
        for fault, has in FAULTS.items():
            counts = [
                sum(
                    has(page.read_text(), page.with_suffix(f".{name}.txt").read_text())
                    for page in pages
                )
                for name in CONVERTERS
            ]
            print(f"| {fault} | {' | '.join(map(str, counts))} |")


def _make_all(folder: Path, build: Path) -> None:
    for name in ("package.json", "package-lock.json", "generate.mjs"):
        shutil.copy(HERE / name, build)
    subprocess.run(["npm", "ci", "--silent"], cwd=build, check=True)
    subprocess.run(["node", "generate.mjs", folder.absolute()], cwd=build, check=True)
    venv.create(build / "venv", with_pip=True)
    python = build / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", INSCRIPTIS], check=True)
    subprocess.run([python, "-c", _CONVERT, folder.absolute()], check=True)
    for page in folder.glob("*.html"):
        page.with_suffix(".email-service.txt").write_text(text_from_html(page.read_text()))


if __name__ == "__main__":
    main()
