"""The embedded demo: two corpora from this environment, the same bytes every time."""

from __future__ import annotations

import base64
import csv
import fractions
import functools
import inspect
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest
from helpers import ROOT, TESTS

from vocabtrim_core.corpora import ColumnMapping, demo, open_corpus
from vocabtrim_core.corpora.demo import assistant, calls, library
from vocabtrim_core.corpora.demo.docstrings import parse
from vocabtrim_core.errors import Cancelled


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """Both corpora, built once."""
    return demo.build(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def talks(built) -> dict[str, list[list[dict]]]:
    """name -> conversations."""
    return {
        name: [b.messages(i) for b in open_corpus(path).batches() for i in range(len(b))]
        for name, path in built.items()
    }


def test_both_corpora_are_large_and_say_what_they_are(built, talks):
    assert tuple(built) == demo.NAMES
    manifest = json.loads((built["tool-calls"].parent / "manifest.json").read_text())
    assert manifest["python"] == sys.version.split()[0]
    assert manifest["packages"]["numpy"]
    for name in demo.NAMES:
        about = manifest["corpora"][name]
        assert len(talks[name]) == about["conversations"] == sum(about["domains"].values())
        assert len(talks[name]) >= 5000
        assert len(about["domains"]) > 20
        info = open_corpus(built[name]).describe()
        assert info.sure
        assert info.mapping == ColumnMapping(
            "conversation", conversation="conversations", domain="domain"
        )


def test_assistant_answers_are_markdown_with_code(talks):
    answers = [m["content"] for talk in talks["python-assistant"] for m in talk[1::2]]
    coded = sum("```python\n" in answer for answer in answers)
    assert coded > 0.4 * len(answers)
    assert all(answer.count("```") % 2 == 0 for answer in answers)
    assert sum(len(talk) > 2 for talk in talks["python-assistant"]) > 500
    assert len(set(answers)) > 0.85 * len(answers)


def test_tool_calls_are_json_that_fits_the_offered_functions(talks):
    for talk in talks["tool-calls"]:
        offered = {
            tool["name"]: tool["parameters"]
            for line in talk[0]["content"].splitlines()
            if line.startswith('{"name": "')
            for tool in [json.loads(line)]
        }
        assert [m["role"] for m in talk] == ["system"] + ["user", "assistant"] * (len(talk) // 2)
        for message in talk[2::2]:
            call = json.loads(message["content"])
            parameters = offered[call["name"]]
            assert set(parameters["required"]) <= set(call["arguments"])
            assert set(call["arguments"]) <= set(parameters["properties"])
            assert call["arguments"]
    assert sum(len(talk) > 3 for talk in talks["tool-calls"]) > 500


def test_nothing_of_this_machine_is_in_the_text(built, talks):
    text = json.dumps(talks)
    for place in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), str(Path.home())):
        assert place not in text
    assert not re.search(r"\bat 0x[0-9a-f]{6,}", text)


@functools.cache
def some_sources() -> list:
    """A small part of what is read, spread over it."""
    return list(library.sources())[::60]


BUILD_SOME = """
import hashlib, sys
from pathlib import Path
sys.path[:0] = {tests!r}
import test_demo
from vocabtrim_core.corpora import demo
demo.sources = test_demo.some_sources
files = demo.build(Path({out!r}))
print([hashlib.sha256(f.read_bytes()).hexdigest() for f in files.values()])
"""


def test_the_same_environment_gives_the_same_bytes(tmp_path):
    said = []
    for seed in ("1", "2"):
        code = BUILD_SOME.format(
            tests=[str(Path(__file__).parent), str(TESTS)], out=str(tmp_path / seed)
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "VOCABTRIM_HOME": str(tmp_path / "home")},
        )
        said.append(done.stdout)
    assert said[0] == said[1]
    assert len(said[0]) > 100


def test_building_tells_progress_and_can_be_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "sources", lambda: iter(some_sources()))
    heard = []

    def stop(done, total, message):
        heard.append((done, total, message))
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        demo.build(tmp_path / "out", progress=stop)
    assert heard[0][0] == 0
    assert heard[0][1] == len(some_sources())
    assert not (tmp_path / "out").exists()


# --- the pieces ---------------------------------------------------------------------------------

GOOGLE = """Return the area of a shape, e.g. a circle. It is never negative.

    Longer talk about ``shapes`` and :class:`~math.Circle`.

    Args:
        radius (float): Distance from the
            middle, in metres. Must be positive.
        scale: Factor to multiply with.

    Returns:
        float: The area in square metres.

    >>> area(1)
    3.14
    """
NUMPY = """Return the area of a shape, e.g. a circle. It is never negative.

    Longer talk about ``shapes`` and :class:`~math.Circle`.

    Parameters
    ----------
    radius : float
        Distance from the middle, in metres.
    scale : float, optional
        Factor to multiply with.

    Returns
    -------
    float
        The area in square metres.

    Examples
    --------
    >>> area(1)
    3.14
    """
REST = """Return the area of a shape, e.g. a circle. It is never negative.

    Longer talk about ``shapes`` and :class:`~math.Circle`.

    :param float radius: Distance from the middle, in metres.
    :param scale: Factor to multiply with.
    :returns: The area in square metres.

    >>> area(1)
    3.14
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST])
def test_docstrings_of_every_style(text):
    doc = parse(text)
    assert doc.summary == "Return the area of a shape, e.g. a circle"
    assert doc.body == "It is never negative.\n\nLonger talk about `shapes` and `math.Circle`."
    assert doc.parameters == {
        "radius": "Distance from the middle, in metres",
        "scale": "Factor to multiply with",
    }
    assert doc.returns == "The area in square metres"
    assert doc.example == ">>> area(1)\n3.14"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "x",
        "lower case words here",
        "TODO: write this text",
        "See object at 0x7f00aa11bb22 for more",
    ],
)
def test_docstrings_without_a_sentence(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("summary", "third", "asked"),
    [
        ("Return the size", "returns the size", "return the size"),
        ("Returns the size", "returns the size", "return the size"),
        ("Copy a file", "copies a file", "copy a file"),
        ("Copies a file", "copies a file", "copy a file"),
        ("Searches a list", "searches a list", "search a list"),
        ("Fetch the page", "fetches the page", "fetch the page"),
        ("Destroy it all", "destroys it all", "destroy it all"),
        ("Training of models", "", ""),
        ("The size of it", "", ""),
    ],
)
def test_summaries_become_verbs(summary, third, asked):
    assert assistant.third_person(summary) == third
    assert assistant.imperative(summary) == asked


def function_of(source: str) -> library.Function:
    import ast

    functions: list = []
    library._SourceReader("p", "m", source.splitlines(), functions, []).read(
        ast.parse(source).body, ""
    )
    return functions[0]


COPY = '''
def copy_tree(src, dst, *, limit: int = 10, force=False):
    """Copy a whole tree of files."""
    for name in os.listdir(src):
        if limit < 0:
            raise ValueError("no")
    return dst
'''


def test_a_function_as_it_is_harvested():
    found = function_of(COPY)
    assert found.signature == "copy_tree(src, dst, *, limit: int=10, force=False)"
    assert [(p.name, p.annotation, p.default) for p in found.parameters] == [
        ("src", "", ""),
        ("dst", "", ""),
        ("limit", "int", "10"),
        ("force", "", "False"),
    ]
    assert found.raises == ("ValueError",)
    assert found.calls == ("os.listdir",)
    assert found.is_simple
    assert found.source == COPY.strip()
    assert calls.usable(found)
    schema = calls.schema(found)["parameters"]
    assert {name: p["type"] for name, p in schema["properties"].items()} == {
        "src": "string",
        "dst": "string",
        "limit": "integer",
        "force": "boolean",
    }
    assert schema["required"] == ["src", "dst"]


def test_calls_give_values_of_the_right_type():
    found = function_of(COPY)
    for seed in range(40):
        talk = calls.conversation(found, [], random.Random(seed))
        given = json.loads(talk[2][1])["arguments"]
        assert isinstance(given["src"], str)
        assert isinstance(given.get("limit", 1), int)
        assert isinstance(given.get("force", True), bool)
        assert all(json.dumps(v).strip('"') in talk[1][1] for v in given.values())


def test_stubs_and_private_things_are_left_out():
    stub = '''
def area(shape):
    """Return the area of a shape."""
    raise NotImplementedError
'''
    assert function_of(stub).source == ""
    assert function_of(stub).raises == ()
    with pytest.raises(IndexError):
        function_of('def _hidden():\n    """Return the area of a shape."""\n')


def test_signatures_are_those_that_inspect_gives():
    """They are read from the sources, because importing a module runs it."""
    modules = {m.__name__: m for m in (base64, csv, fractions, shutil, statistics, textwrap)}
    files = [file for file in library.sources() if file[2] in modules]
    found = library.harvest(files)
    plain = [f for f in found.functions if f.is_simple and not f.is_method and "." not in f.name]
    assert len(plain) > 25
    for f in plain:
        real = inspect.signature(getattr(modules[f.module], f.name)).parameters
        assert [p.name for p in f.parameters] == list(real), f.path
        defaults = [p.default for p in real.values()]
        for mine, default in zip(f.parameters, defaults, strict=True):
            assert mine.has_default == (default is not inspect.Parameter.empty), f.path
            if isinstance(default, int | float | str | None):
                assert eval(mine.default, vars(modules[f.module])) == default, f.path
