"""Parts of consumers' packages, run alone: importing the modules around them needs a GPU stack."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest


def function_of(package: str, path: str, name: str, **namespace):
    """A method of that name in a package's file, compiled alone; skips without the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    source = Path(next(iter(spec.submodule_search_locations)), path)
    methods = [
        node
        for class_ in ast.parse(source.read_text("utf-8")).body
        if isinstance(class_, ast.ClassDef)
        for node in class_.body
        if getattr(node, "name", "") == name
    ]
    future = ast.parse("from __future__ import annotations").body
    tree = ast.Module(body=[*future, methods[-1]], type_ignores=[])
    exec(compile(ast.fix_missing_locations(tree), str(source), "exec"), namespace)
    return namespace[name]
