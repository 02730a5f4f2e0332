"""The documentation: it builds, names every module of the library, and its commands parse."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vocabtrim_core.cli import COMMANDS
from vocabtrim_core.cli.run import parser
from vocabtrim_core.forecast.evidence import Evidence

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PREFIXES = ("vocabtrim ", "python -m vocabtrim_core ")


class Ids(HTMLParser):
    """The anchors of a page, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if name := found.get("id"):
            self.ids.add(name)
        if tag in ("script", "img", "iframe", "link"):
            self.loaded.append(found.get("src") or found.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; a broken link, a page outside the menu or a wrong docstring ends it."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", out],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return out


def read(page: Path) -> Ids:
    found = Ids()
    found.feed(page.read_text("utf-8"))
    return found


def public_names() -> Iterator[str]:
    """Every public class, function and method of the library, as its source defines them."""
    for path in sorted((ROOT / "vocabtrim_core").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text("utf-8")).body:
            if not isinstance(node, DEFINITIONS) or node.name.startswith("_"):
                continue
            yield f"{module}.{node.name}"
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, DEFINITIONS) and not inner.name.startswith("_"):
                    yield f"{module}.{node.name}.{inner.name}"


def test_every_public_name_is_in_the_reference(site):
    anchors = set().union(*(read(page).ids for page in (site / "api").glob("*.html")))
    names = set(public_names())
    assert len(names) > 500
    assert names - anchors == set()


def test_the_site_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        away = [url for url in read(page).loaded if re.match(r"(https?:)?//", url)]
        assert away == [], page.name


def test_links_of_the_files_lead_somewhere():
    """As the repository shows them, where mkdocs does not look."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
            assert target.startswith("https://") or (ROOT / target).is_file(), (page.name, target)


def commands() -> list[tuple[str, str]]:
    """(page, arguments) of every command line in a block of code, continued lines joined."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8").replace("\\\n", " ")
        for line in re.findall(r"^    (.+)$", text, re.MULTILINE):
            for prefix in PREFIXES:
                if line.startswith(prefix):
                    found.append((page.name, line.removeprefix(prefix)))
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_in_the_documentation_is_one(page, line):
    argv = shlex.split(line, comments=True)
    if argv == ["--help"]:
        with pytest.raises(SystemExit):
            parser(COMMANDS).parse_args(argv)
    else:
        parser(COMMANDS).parse_args(argv)


def test_the_columns_of_own_measurements_are_fields():
    page = (ROOT / "docs" / "forecast.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.+?) \|", page.partition("| columns |")[2], re.MULTILINE)
    columns = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(columns) > 15
    assert columns <= set(Evidence.__struct_fields__)


def test_there_are_commands_to_check():
    assert {page for page, _ in commands()} >= {"README.md", "command-line.md", "measuring.md"}
