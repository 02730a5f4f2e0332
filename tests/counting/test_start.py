"""What a count does before it counts: what it imports, and what it remembers of a template."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from helpers.tokenizer_makers import byte_level

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates import probe_cache
from vocabtrim_core.templates import resolve as resolving
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEAVY = (
    "torch",
    "transformers",
    "jinja2",
    "pandas",
    "datasets",
    "huggingface_hub",
    "httpx",
    "numba",
    "optuna",
    "plotly",
    "altair",
    "streamlit",
    "sklearn",
    "scipy",
    "distributed",
    "safetensors",
)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A tokenizer with a chat template, as models come."""
    made = tmp_path / "tiny"
    made.mkdir()
    byte_level(["<|im_start|>", "<|im_end|>"]).save(str(made / "tokenizer.json"))
    (made / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    (made / "chat_template.jinja").write_text(CHATML)
    return made


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[Path]:
    """A workspace of the test's own, and no template in memory."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    resolving._resolve.cache_clear()
    yield tmp_path / "home"
    resolving._resolve.cache_clear()


@pytest.fixture
def probed(monkeypatch) -> list[str]:
    """The names of templates that were probed, one for each time."""
    names, probe = [], resolving._probed

    def noted(tokenizer, name, span_end):
        names.append(name)
        return probe(tokenizer, name, span_end)

    monkeypatch.setattr(resolving, "_probed", noted)
    return names


def resolve(folder: Path, name: str = "auto"):
    """As a new process would."""
    resolving._resolve.cache_clear()
    return resolving.resolve_template(load_tokenizer(folder), name)


def alike(a, b) -> bool:
    """Field by field, arrays included."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(
            alike(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)
        )
    return type(a) is type(b) and a == b


# --- the template's probes ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["auto", *resolving.NAMED])
def test_what_is_kept_of_a_template_is_what_was_found(home, folder, probed, name):
    first = resolve(folder, name)
    again = resolve(folder, name)
    assert probed == [name]
    assert again is not first
    assert alike(first, again)
    assert first.fingerprint == again.fingerprint


def test_another_template_or_tokenizer_is_probed_anew(home, folder, probed):
    resolve(folder)
    (folder / "chat_template.jinja").write_text(CHATML.replace("{{ m.content }}", "{{m.content}}"))
    resolve(folder)
    byte_level(["<|im_start|>", "<|im_end|>"], size=700).save(str(folder / "tokenizer.json"))
    resolve(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<|im_end|>"}))
    resolve(folder)
    resolve(folder, "qwen")
    assert len(probed) == 5
    resolve(folder)
    assert len(probed) == 5


def test_other_libraries_and_other_code_probe_anew(home, folder, probed, monkeypatch):
    resolve(folder)
    for library in probe_cache.LIBRARIES:
        installed = probe_cache.version
        with monkeypatch.context() as patch:
            patch.setattr(
                probe_cache,
                "version",
                lambda p, changed=library, was=installed: "0" if p == changed else was(p),
            )
            resolve(folder)
    assert len(probed) == 1 + len(probe_cache.LIBRARIES)
    monkeypatch.setattr(probe_cache, "_code", lambda: "another state of our code")
    resolve(folder)
    assert len(probed) == 2 + len(probe_cache.LIBRARIES)


def test_the_code_that_probes_is_all_of_its_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(probe_cache, "__file__", str(tmp_path / "templates" / "kept.py"))
    for file in ("templates/a.py", "tokenizers/b.py", "counting/c.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("1")
    before = probe_cache._code.__wrapped__()
    (tmp_path / "counting" / "c.py").write_text("2")
    assert probe_cache._code.__wrapped__() == before
    for file in ("templates/a.py", "tokenizers/b.py"):
        (tmp_path / file).write_text("2")
        assert probe_cache._code.__wrapped__() != before
        before = probe_cache._code.__wrapped__()


def test_a_template_that_writes_the_date_is_probed_every_day(home, folder, probed, monkeypatch):
    (folder / "chat_template.jinja").write_text("{{ strftime_now('%Y') }}" + CHATML)

    class Tomorrow(probe_cache.datetime.date):
        @classmethod
        def today(cls):
            return cls(2099, 1, 1)

    resolve(folder)
    resolve(folder)
    assert len(probed) == 1
    monkeypatch.setattr(probe_cache.datetime, "date", Tomorrow)
    resolve(folder)
    assert len(probed) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"\0" * len(data),
        lambda data: data[:-1],
        lambda data: data[:100],
        lambda data: data + b" ",
        lambda data: data.replace(b"true", b"false"),
        lambda data: data.replace(b"<|im_end|>", b"<|IM_END|>"),
        lambda data: b"\n" + data.partition(b"\n")[2],
    ],
)
def test_a_damaged_file_is_found_out_anew(home, folder, probed, damage):
    first = resolve(folder)
    (file,) = (home / "templates").iterdir()
    sound = file.read_bytes()
    assert damage(sound) != sound
    file.write_bytes(damage(sound))
    assert alike(resolve(folder), first)
    assert len(probed) == 2
    assert file.read_bytes() == sound
    resolve(folder)
    assert len(probed) == 2


def test_a_workspace_that_cannot_be_written_keeps_nothing(home, folder, probed, monkeypatch):
    def refuse(*_, **__):
        raise InputError("The disk is full.")

    monkeypatch.setattr("vocabtrim_core.templates.probe_cache.write_atomic", refuse)
    assert alike(resolve(folder), resolve(folder))
    assert len(probed) == 2


# --- imports ------------------------------------------------------------------------------------


def imported(*argv: str, heavy: Sequence[str] = HEAVY) -> set[str]:
    """Those of the packages that the command, in a process of its own, has imported at its end."""
    code = (
        "import atexit, runpy, sys\n"
        f"atexit.register(lambda: print(*({set(heavy)!r} & set(sys.modules)), file=sys.stderr))\n"
        "sys.argv = ['vocabtrim_core', *sys.argv[1:]]\n"
        "runpy.run_module('vocabtrim_core', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_nothing_heavy(home):
    assert imported("count", "--help", heavy=("numpy", "pyarrow", "tokenizers", *HEAVY)) == set()


def test_a_plain_count_imports_nothing_heavy(home, folder, tmp_path):
    """Of any size and with any engine: jinja for the template, and nothing slower."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Say {i}"},
                {"role": "assistant", "content": f"Here it is: {i * i}"},
            ]
        }
        for i in range(50)
    ]
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    argv = ["count", "--tokenizer", str(folder), "--data", str(file), "--fresh"]
    assert imported(*argv) == {"jinja2"}  # it probes
    assert imported(*argv, "--engine", "gigatoken") == {"jinja2"}  # its proof renders a sample
    assert imported(*argv, "--workers", "2", "--json") == {"jinja2"}


def test_the_bundled_tokenizers_are_built_at_set_up(home, folder, probed):
    """After `tokenizers --build` a count neither converts nor probes."""
    from vocabtrim_core.cli import main
    from vocabtrim_core.tokenizers.presets import PRESETS

    missing = [name for name, preset in PRESETS.items() if not _there(preset)]
    if missing:
        pytest.skip(f"the packages of {', '.join(missing)} are not installed")
    assert main(["tokenizers", "--build"]) == 0
    built = {path.name: path.stat().st_mtime_ns for path in (home / "tokenizers").iterdir()}
    templates = [name for name in built if name.endswith(".jinja")]  # one that is in its file
    assert len(built) - len(templates) == len(probed) == len(PRESETS)
    for name in PRESETS:
        resolving._resolve.cache_clear()
        resolving.resolve_template(load_tokenizer(name))
    assert len(probed) == len(PRESETS)
    after = {path.name: path.stat().st_mtime_ns for path in (home / "tokenizers").iterdir()}
    assert after == built


def _there(preset) -> bool:
    try:
        preset.path()
    except InputError:
        return False
    return True
