"""Names of the library and the pages: of classes, of locals, and of fields in docstrings."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest
from helpers import ROOT

FILES = sorted([*ROOT.glob("vocabtrim_core/**/*.py"), *ROOT.glob("pages/**/*.py")])
NODES = [(path, node) for path in FILES for node in ast.walk(ast.parse(path.read_text("utf-8")))]


def test_no_two_public_classes_share_a_name():
    classes = Counter(node.name for _, node in NODES if isinstance(node, ast.ClassDef))
    assert len(classes) > 300
    assert [c for c, times in classes.items() if times > 1 and not c.startswith("_")] == []


@pytest.mark.parametrize("name", ["found", "each", "kept", "made", "said"])
def test_no_local_is_a_participle_without_its_noun(name):
    places = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, function in NODES
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name)
        or (isinstance(node, ast.arg) and node.arg == name)
    }
    assert places == set()


def targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.AnnAssign):
        return [node.target]
    return node.targets if isinstance(node, ast.Assign) else []


def members(node: ast.ClassDef) -> set[str]:
    """What an instance or its class has: fields, constants, methods, what methods set on self."""
    own = {line.name for line in node.body if isinstance(line, ast.FunctionDef)}
    own |= {t.id for line in node.body for t in targets(line) if isinstance(t, ast.Name)}
    set_on_self = (n for line in ast.walk(node) for t in targets(line) for n in ast.walk(t))
    return own | {n.attr for n in set_on_self if isinstance(n, ast.Attribute)}


def fields(node: ast.ClassDef) -> set[str]:
    """Public fields of a dataclass or a named tuple, without what the class alone has."""
    return {
        line.target.id
        for line in node.body
        if isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and not line.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(line.annotation)
    }


def test_attributes_of_a_docstring_are_the_fields():
    documented, wrong = 0, []
    for path, node in NODES:
        doc = (isinstance(node, ast.ClassDef) and ast.get_docstring(node)) or ""
        section = re.search(r"^Attributes:\n((?: {4}.*\n?|\n)*)", doc, re.MULTILINE)
        if section is None:
            continue
        documented += 1
        names = set(re.findall(r"^ {4}(\w+):", section[1], re.MULTILINE))
        unknown, missing = names - members(node), fields(node) - names
        wrong += [(path.name, node.name, unknown, missing)] * bool(unknown or missing)
    assert documented > 250
    assert wrong == []
