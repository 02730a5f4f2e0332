"""Damaged workspaces: what is sound goes on, what is damaged is named, and nothing is deleted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers import filled_workspace
from helpers.training_folders import write_job

from vocabtrim_core.cli import main
from vocabtrim_core.counts_store import own_counts
from vocabtrim_core.drafts.runs import list_runs
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.records import DamagedError, NewerError

LISTS = (["jobs"], ["measurements"], ["trainer", "--list"], ["engine", "--list"], ["experiments"])
DAMAGES = (
    "empty",
    "truncated",
    "not JSON",
    "a list",
    "an object",
    "null",
    "a text",
    "deep",
    "a folder",
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A workspace with something of every kind in it."""
    home = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(home))
        filled_workspace.fill(home)
    return home


@pytest.fixture
def home(sound, tmp_path, monkeypatch) -> Path:
    """A copy of it."""
    copy = tmp_path / "home"
    shutil.copytree(sound, copy)
    monkeypatch.setenv("VOCABTRIM_HOME", str(copy))
    return copy


def damage_all(home: Path, damage: str) -> list[Path]:
    """Damage every file of the workspace in one way; returns the files."""
    damaged = []
    for file in filled_workspace.files(home):
        dict(filled_workspace.damages(file, fields=False))[damage]()
        damaged.append(file)
    return damaged


def checked(capsys, *options: str) -> tuple[int, dict]:
    """What `workspace` says."""
    code = main(["workspace", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_a_sound_workspace_has_nothing_damaged(home, capsys):
    code, result = checked(capsys)
    assert (code, result["damaged"]) == (0, [])
    assert result["files"]["counts"] == result["files"]["responses"] == 2
    assert result["files"]["jobs"] == 4


@pytest.mark.parametrize("damage", DAMAGES)
def test_lists_go_on_where_every_file_is_damaged(home, capsys, damage):
    damage_all(home, damage)
    for command in LISTS:
        assert main(command) in (0, 2), command
        assert "Unexpected" not in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["empty", "an object", "a folder"])
def test_quarantine_moves_what_is_damaged_and_deletes_nothing(home, capsys, damage):
    before = {file.name for file in damage_all(home, damage)}
    code, found = checked(capsys)
    assert code == 1
    assert found["damaged"]
    code, result = checked(capsys, "--quarantine")
    assert (code, result["damaged"]) == (0, [])
    assert len(result["actions"]) == len(found["damaged"])
    assert before <= {path.name for path in home.rglob("*")}


def test_one_damaged_item_does_not_hide_the_others(home):
    counts, run = own_counts()[0], home / "runs" / "a-run" / "run.json"
    counts.path.write_bytes(b"PK")
    job = jobs.list_jobs()[0]
    (job.folder / "spec.json").write_text("[]")
    run.write_text(json.dumps({**json.loads(run.read_text()), "target": 3}))
    assert len(own_counts()) == 1
    assert len(jobs.list_jobs()) == 3
    assert list_runs() == []
    named = {damage.path for damage in records.known_damage()}
    assert named == {counts.path, job.folder / "spec.json", run}
    with pytest.raises(DamagedError, match="`workspace` in a shell"):
        jobs.get(job.id)


@pytest.mark.parametrize(
    "file", ["runs/a-run/run.json", "features/f00d/features.json"], ids=["run", "features"]
)
def test_a_file_of_a_newer_version_says_so_and_is_left_alone(home, capsys, file):
    path = home / file
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "format": content["format"][:-1] + "2"}))
    code, result = checked(capsys, "--quarantine")
    assert code == 1
    (item,) = result["damaged"]
    assert "made by a newer version of this program" in item["reason"]
    assert path.is_file()
    with pytest.raises(NewerError, match="update the program to open it"):
        records.read_value(path, newest=content["format"])


def test_repair_writes_notes_and_states_anew(home, capsys):
    (note,) = (home / "corpora").glob("*/upload.json")
    note.write_text("")
    done = next(job for job in jobs.list_jobs() if job.argv[0] == "bench")
    (done.folder / "status.json").write_text("{")
    assert jobs.get(done.id).state == "done"  # as its result says
    code, result = checked(capsys, "--repair")
    assert (code, result["damaged"]) == (0, [])
    assert json.loads(note.read_text())["file"] == "data.jsonl"
    assert json.loads((done.folder / "status.json").read_text())["state"] == "done"


def test_a_job_without_its_state_is_resumable(home):
    job_id = write_job(["count"], "failed")
    (jobs.get(job_id).folder / "status.json").write_text('{"state": 3}')
    (jobs.get(job_id).folder / "process.json").write_text('{"pid": 1, "began": "x"}')
    assert jobs.get(job_id).state in ("queued", "running", "lost")


def test_a_copied_workspace_reads_at_its_new_place(home, tmp_path, monkeypatch, capsys):
    copy = tmp_path / "elsewhere"
    home.rename(copy)
    monkeypatch.setenv("VOCABTRIM_HOME", str(copy))
    code, result = checked(capsys)
    assert (code, result["damaged"]) == (0, [])
    (run,) = list_runs()
    assert all(draft.folder.is_relative_to(copy) for draft in run.drafts)


def test_formats_that_are_none_are_damage(tmp_path):
    for found in (None, "else-1", [], True, -1):
        with pytest.raises(InputError, match="its format is"):
            records.check_format(tmp_path / "f", found, "vocabtrim-run-1")
