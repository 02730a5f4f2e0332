"""What a sentence advises is named as the page shows it: no flag of the shell on a page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.ui.fields import FIELDS, SHELL_ONLY, with_labels
from pages.ui.throughput import import_form
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

ROOT = Path(__file__).resolve().parents[2]
FLAG = re.compile(r"--[a-z][a-z-]*[a-z]")
# Lines for a shell or another program, not sentences: commands, recipes, launch arguments.
COMMANDS = (
    "exports/formats",
    "cli",
    "report",
    "serving/engines/llama_cpp/launch.py",
    "serving/engines/sglang/launch.py",
    "serving/engines/vllm/",
    "selection_spec/draft_kind.py",
)


def texts(tree: ast.AST) -> Iterator[str]:
    """String constants with words in them, docstrings left out."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    docs = {
        id(n.body[0].value)
        for n in ast.walk(tree)
        if isinstance(n, documented) and isinstance(n.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = re.sub(r"`[^`]*`", "", node.value)
            if id(node) not in docs and " " in said.strip() and "pip install" not in said:
                yield said


def sentences() -> Iterator[tuple[str, str]]:
    """(file, text with a flag) of the library, but for what is a command."""
    core = ROOT / "vocabtrim_core"
    for path in sorted(core.rglob("*.py")):
        name = path.relative_to(core).as_posix()
        if not name.startswith(COMMANDS):
            for text in texts(ast.parse(path.read_text("utf-8"))):
                if FLAG.search(text) and not text.lstrip().startswith("--"):
                    yield name, text


def labels() -> set[str]:
    """Every text that stands by itself in the code of the pages."""
    found = set()
    for path in (ROOT / "pages").rglob("*.py"):
        if path.name != "fields.py":
            found |= {
                n.value
                for n in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            }
    return found


def test_every_flag_that_a_sentence_names_is_known():
    seen = {flag for _, text in sentences() for flag in FLAG.findall(text)}
    assert {"--vocab-size", "--max-refused", "--map", "--name"} <= seen  # the search finds some
    assert seen - FIELDS.keys() - {f"--{name}" for name in SHELL_ONLY} == set()


@pytest.mark.parametrize("flag", FIELDS)
def test_every_label_is_that_of_a_field(flag):
    own = import_form.LABELS.get(flag, FIELDS[flag])
    known = labels()
    assert any(label.startswith(FIELDS[flag]) for label in known)
    assert any(label.startswith(own) for label in known)


def test_no_sentence_keeps_a_flag():
    for name, text in sentences():
        shown = re.sub(r"--[a-z-]+ in a shell", "", with_labels(text))
        assert not FLAG.search(shown), f"{name}: {shown}"


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("give V (--vocab-size).", "give V (“Model's V”)."),
        ("say it (--map roles.x=user), please", "say it (“Columns”\\: roles.x=user), please"),
        ("lower --max-length (now 5)", "lower “Length limit” (now 5)"),
        ("choose another --out.", "choose another --out in a shell."),
        ("run `trainer --add NAME`.", "run \\`trainer --add NAME\\`."),
        ("a text -- with dashes, --unknown", "a text -- with dashes, --unknown"),
    ],
)
def test_flags_become_fields(sentence, shown):
    assert with_labels(sentence) == shown


def test_the_warning_about_v_is_one_that_a_page_shows_by_its_field(tmp_path, monkeypatch):
    from helpers.tokenizer_makers import byte_level, write_folder

    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    found = load_tokenizer(str(write_folder(tmp_path / "t", byte_level([]))))
    (warning,) = [text for text in found.warnings if "V is" in text]
    assert "(--vocab-size)" in warning
    assert "(“Model's V”)" in with_labels(warning)
