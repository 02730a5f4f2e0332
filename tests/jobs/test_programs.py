"""Programs have names that only a shell gives; what the app starts as a job takes names alone."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import stat
import sys
from pathlib import Path

import pytest
from helpers import ROOT

from vocabtrim_core import cli, programs, workspace
from vocabtrim_core.drafts import training_env as trainer_
from vocabtrim_core.drafts.plan import Deployment
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.programs import ENGINE, KINDS, TRAINER
from vocabtrim_core.serving import measurement as measurements

KINDS_OF = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A workspace of its own, and no job around the test."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    for name in ("VOCABTRIM_JOB", "VOCABTRIM_TRAINER", "VOCABTRIM_SGLANG"):
        monkeypatch.delenv(name, raising=False)
    return workspace.home()


@pytest.fixture
def spy(tmp_path) -> tuple[Path, Path]:
    """A program that leaves a file when it is started, and that file."""
    program, trace = tmp_path / "spy", tmp_path / "started"
    program.write_text(f'#!/bin/sh\ntouch {trace}\necho \'{{"sglang": "9.9.9"}}\'\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program, trace


def run(*argv: object) -> tuple[int, dict]:
    """A command in this process: its exit code and result."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = cli.main([*map(str, argv), "--json"])
    return code, json.loads(out.getvalue())


def as_job(*argv: object) -> jobs.Job:
    """A command as a page would start it, to its end."""
    return jobs.wait(jobs.start(list(map(str, argv)), "A test").id, 120)


# --- names --------------------------------------------------------------------------------------


@KINDS_OF
def test_a_name_stands_for_its_command(kind):
    assert programs.configured(kind) == {}
    programs.add(kind, "gpu", "ssh gpu-host '/opt/my env/python'")
    assert programs.configured(kind) == {"gpu": ("ssh", "gpu-host", "/opt/my env/python")}
    assert programs.command_of(kind, "gpu") == ("ssh", "gpu-host", "/opt/my env/python")
    programs.add(kind, "gpu", "/other")  # in its place
    assert programs.remove(kind, "gpu") == ("/other",)
    assert programs.configured(kind) == {}
    with pytest.raises(InputError, match=r"no .* named 'gpu'"):
        programs.remove(kind, "gpu")


def test_kinds_do_not_share_names():
    programs.add(TRAINER, "gpu", "/a")
    programs.add(ENGINE, "gpu", "/b")
    programs.remove(TRAINER, "gpu")
    assert programs.command_of(ENGINE, "gpu") == ("/b",)


@pytest.mark.parametrize("name", ["", "a b", "-x", "--add", "../x", "a/b", "x" * 41, "é", "a\n"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(InputError, match="is no name"):
        programs.add(ENGINE, name, "/bin/true")


@pytest.mark.parametrize("command", ["", "  ", "/bin/python 'open"])
def test_what_is_no_command_is_refused(command):
    with pytest.raises(InputError, match="command"):
        programs.add(ENGINE, "x", command)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"engine": []}', '{"engine": {"a": 1}}', '{"engine": 3}', "null", "\ud800"],
)
def test_a_damaged_file_is_said(home, text):
    (home / "programs.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    for kind in KINDS:
        with pytest.raises(InputError, match=r"programs\.json is damaged"):
            programs.configured(kind)


@KINDS_OF
def test_a_command_is_taken_from_a_shell_only(kind, monkeypatch):
    assert programs.command_of(kind, "/opt/python -x") == ("/opt/python", "-x")
    monkeypatch.setenv("VOCABTRIM_JOB", "/a/job")
    programs.add(kind, "known", "/opt/known")
    assert programs.command_of(kind, "known") == ("/opt/known",)
    verb = TRAINER if kind == TRAINER else ENGINE
    for asked in ("/opt/python", "python", "Known", "known ", "./known", ""):
        with pytest.raises(InputError, match=f"{verb} --add NAME COMMAND"):
            programs.command_of(kind, asked)


# --- the commands -------------------------------------------------------------------------------


def test_engine_adds_lists_and_removes(spy):
    program, trace = spy
    code, found = run("engine", "--add", "mine", program)
    assert (code, found["engine"], found["version"]) == (0, "sglang", "9.9.9")
    mine = {"mine": {"engine": "sglang", "command": str(program)}}
    assert found["engines"] == mine
    assert trace.exists()
    assert run("engine", "--list")[1] == run("engine")[1] == {"engines": mine}
    assert run("engine", "--add", "none", sys.executable + " -c 0")[0] == 2  # not an engine
    assert run("engine", "--remove", "other")[0] == 2
    assert run("engine", "--remove", "mine")[1] == {"engines": {}}


def test_trainer_adds_chooses_and_removes(monkeypatch):
    monkeypatch.setattr(trainer_, "probe", lambda command, **_: Trainer(tuple(command)))
    assert run("trainer", "--add", "gpu", "ssh gpu python")[1]["trainers"] == {
        "gpu": "ssh gpu python"
    }
    assert trainer_.trainer_command() == (sys.executable,)  # it is known, not chosen
    assert run("trainer", "--use", "gpu")[1]["command"] == "ssh gpu python"
    assert trainer_.trainer_command() == ("ssh", "gpu", "python")
    assert run("trainer", "--remove", "gpu")[1] == {"trainers": {}}
    assert trainer_.trainer_command() == (sys.executable,)
    run("trainer", "--use", "srun /opt/python")  # spelled out: kept, so that pages can offer it
    ((name, command),) = run("trainer", "--list")[1]["trainers"].items()
    assert command == "srun /opt/python"
    run("trainer", "--use", "")
    assert run("trainer", "--use", name)[1]["command"] == "srun /opt/python"
    run("trainer", "--use", "srun /opt/python")
    assert list(run("trainer", "--list")[1]["trainers"]) == [name]  # once


# --- jobs ---------------------------------------------------------------------------------------


def hostile(program: Path, models: Path) -> dict[str, list[str]]:
    """Jobs that name a program, by every argument that ever took one, and by typed text."""
    bench = ["bench", "--target", str(models), "--prompts", "x"]
    train = ["train", "--target", str(models), "--data", "x", "--k", "4"]
    return {
        "a trainer": ["trainer", "--use", str(program)],
        "a trainer, added": ["trainer", "--add", "x", str(program)],
        "an engine": [*bench, "--engine", "launch", "--interpreter", str(program)],
        "an engine of a search": ["tune", *bench[1:], f"--interpreter={program}"],
        "an engine, added": ["engine", "--add", "x", str(program)],
        "a trainer of one run": [*train, "--trainer", str(program)],
        "a trainer to evaluate": [
            "draft-eval",
            str(models),
            "--target",
            "demo",
            "--features",
            "x",
            "--trainer",
            str(program),
        ],
        "typed as a draft": [*bench, "--draft", "a", f"--interpreter={program}"],
        "typed as a draft, short": [*bench, "--draft", "a", f"--interp={program}"],
        "typed as a folder of data": [*train, "--data", "a", f"--trainer={program}"],
        "an argument of a server": [
            *bench,
            "--engine",
            "launch",
            "--server-argument=--trust-remote-code",
        ],
        "a scheduler": ["count", "--tokenizer", "x", "--data", "a", "--cluster=tcp://evil.test:1"],
        "a database": ["optimize", "x", "--method", "tpe", "--storage=sqlite:////tmp/x.db"],
        "a header": [*bench, "--url", "http://evil.test", "--header", "A=HOME"],
    }


def test_no_job_starts_a_program_that_nobody_configured(spy):
    program, trace = spy
    for what, argv in hostile(program, ROOT).items():
        job = as_job(*argv)
        said = job.message
        assert job.state == "failed", what
        assert "There is no" in said or "from a shell only" in said, (what, said)
        assert "\n" not in said
        assert not trace.exists(), what
    assert all(not programs.configured(kind) for kind in KINDS)
    assert trainer_.trainer_command() == (sys.executable,)


def test_a_job_takes_a_name_at_run_time(spy, home):
    program, trace = spy
    programs.add(TRAINER, "mine", str(program))
    job = as_job("trainer", "--use", "mine")
    assert trace.exists()  # it was asked what it has
    assert "does not start" in job.message  # and is no trainer


@pytest.mark.parametrize(
    "out",
    [
        "/tmp/x/y.npz",
        "~/.bashrc",
        "../x.npz",
        "{home}/programs.json",
        "{home}/trainer.json",
        "{home}/counts/../trainer.json",
        "{home}",
        "{home}/link/x.npz",
    ],
)
def test_a_job_writes_in_folders_of_the_workspace_only(home, tmp_path, monkeypatch, out):
    monkeypatch.setenv("VOCABTRIM_JOB", str(home / "jobs" / "20260101-000000-x-ab"))
    (tmp_path / "elsewhere").mkdir()
    (home / "link").symlink_to(tmp_path / "elsewhere")
    from argparse import Namespace

    from vocabtrim_core.cli.as_job import check

    with pytest.raises(InputError, match="writes into folders of the workspace only"):
        check(Namespace(out=Path(out.format(home=home))))
    check(Namespace(out=home / "demo"))
    check(Namespace(out=home / "reports" / "x" / "report.html", figures=str(home / "a" / "b")))
    monkeypatch.delenv("VOCABTRIM_JOB")
    check(Namespace(out=Path("/tmp/x")))


def test_what_was_measured_elsewhere_does_not_bring_its_program(spy):
    from helpers.made_measurements import made

    program, trace = spy
    command = f"python -m vocabtrim_core bench --target x --prompts x --interpreter {program}"
    foreign = made(command=command)
    measurements.save(foreign)
    code, said = run("measurements", "replay", foreign.key)
    assert code == 2
    assert "no configured engine" in said["error"]
    assert "There is no engine" in as_job("measurements", "replay", foreign.key).message
    for more in ("--server-argument=--disable-cuda-graph", "--header A=HOME"):
        other = made(command=f"python -m vocabtrim_core bench --target x --prompts x {more}")
        measurements.save(other)
        assert "from a shell only" in as_job("measurements", "replay", other.key).message
    assert not trace.exists()


@pytest.mark.parametrize("address", ["-x", "--rdzv-endpoint=x", "a b", "host;id", "$(id)", "a/b"])
def test_the_first_nodes_address_is_no_option(address):
    with pytest.raises(InputError, match="host name or an IP address"):
        Deployment("cuda", 1, 2, 0, address)
    for good in ("gpu-1.cluster", "10.0.0.1", "fd00::5", "localhost"):
        Deployment("cuda", 1, 2, 0, good)


# --- pages --------------------------------------------------------------------------------------


def test_no_page_starts_a_process_or_names_a_program():
    forbidden = {"subprocess", "Popen", "system", "execv", "execvp", "spawn", "spawnv", "popen"}
    forbidden |= {"choose_trainer", "add_trainer", "add_engine", "command_of", "sglang_command"}
    for path in [*ROOT.glob("pages/**/*.py"), ROOT / "app.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = {getattr(node, "id", None), getattr(node, "attr", None)}
            if isinstance(node, ast.Import | ast.ImportFrom):
                names |= {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & forbidden, path
            # Flags that only a shell may give; --interpreter and --use take a configured name.
            if path.name == "fields.py":  # which only names them in sentences
                continue
            text = node.value if isinstance(node, ast.Constant) else None
            assert text not in ("--server-argument", "--header", "--cluster", "--trainer"), path
