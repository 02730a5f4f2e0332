"""Where things stand in pages/: sizes of files, and what one module alone does for all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "pages"
MOST_LINES = {"page": 120, "module": 250}
SESSION = {"session.py", "widgets.py"}  # the only modules that know Streamlit's session
FILES = sorted(PAGES.rglob("*.py"))


def test_there_is_something_to_look_at():
    assert len(FILES) > 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PAGES).as_posix())
def test_files_are_short_and_leave_the_session_to_one_module(path):
    text = path.read_text("utf-8")
    most = MOST_LINES["page" if path.parent == PAGES else "module"]
    assert len(text.splitlines()) <= most
    if path.name in SESSION:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            assert node.attr != "session_state", node.lineno
        if isinstance(node, ast.keyword):
            assert node.arg not in ("persist_state", "bind"), node.value.lineno
