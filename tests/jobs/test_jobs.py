"""Jobs: real processes, whose only state is their folder."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from helpers import TESTS

from vocabtrim_core import workspace
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs import job as job_module
from vocabtrim_core.jobs import processes
from vocabtrim_core.jobs.processes import Process
from vocabtrim_core.jobs.progress import Progress, Status, duration, stopping_on_sigterm

STEPS = TESTS / "helpers" / "steps_command.py"
WAIT = 30.0  # generous: the machine may be busy


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(jobs, "COMMAND", (sys.executable, "-P", str(STEPS)))
    yield tmp_path / "home"
    for job in jobs.list_jobs():
        if job.process:
            job.process.signal_group(signal.SIGKILL)
    for job in jobs.list_jobs():
        jobs.wait(job.id, WAIT)


def start(file: Path, steps=3, seconds=0.01, *more: str, **options):
    return jobs.start(
        ["steps", str(steps), str(seconds), "--file", str(file), *more], "t", **options
    )


def until(condition, seconds=WAIT):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def running(job):
    return until(lambda: (now := jobs.get(job.id)).state == "running" and now.done > 0 and now)


# --- a job's life -------------------------------------------------------------------------------


def test_a_job_runs_detached_and_leaves_its_story(tmp_path):
    job = start(tmp_path / "f")
    assert job.active
    done = jobs.wait(job.id, WAIT)
    assert (done.state, done.done, done.total, done.share) == ("done", 3, 3, 1.0)
    assert done.result() == {"steps": 3, "first": 0}
    assert "step 0" in done.log()
    assert done.elapsed > 0
    assert done.eta is None
    assert done.command == f"python -m vocabtrim_core steps 3 0.01 --file {tmp_path / 'f'}"
    assert [j.id for j in jobs.list_jobs()] == [job.id]
    assert not [p for p in job.folder.iterdir() if p.suffix == ".tmp"]
    pid = (tmp_path / "f").read_text().split()[1]
    assert int(pid) == done.process.pid != os.getpid()


def test_progress_rates_and_eta_are_seen_while_it_runs(tmp_path):
    job = start(tmp_path / "f", 200, 0.05)
    now = running(job)
    assert now.total == 200
    assert now.rates == {"steps_per_s": 1.0}
    assert now.eta is not None
    assert 0 < now.share < 1
    assert now.result() is None


def test_it_survives_the_process_that_started_it(tmp_path, home):
    code = (
        "import sys; from vocabtrim_core.jobs import control as jobs\n"
        "jobs.COMMAND = (sys.executable, '-P', sys.argv[1])\n"
        "print(jobs.start(['steps', '40', '0.05', '--file', sys.argv[2]], 't').id)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(STEPS), str(tmp_path / "f")],
        capture_output=True,
        text=True,
        check=True,
    )
    job_id = out.stdout.strip()
    assert jobs.get(job_id).active
    assert jobs.wait(job_id, WAIT).state == "done"


def test_a_failed_job_says_why_and_a_bug_leaves_its_traceback_in_the_log(tmp_path):
    bad = jobs.wait(jobs.start(["steps", "many", "0", "--file", "f"], "t").id, WAIT)
    assert bad.state == "failed"
    assert "invalid int value: 'many'" in bad.message
    assert bad.result() == {"error": bad.message}
    bug = jobs.wait(start(tmp_path / "f", 1, 0, "--bug").id, WAIT)
    assert bug.state == "failed"
    assert "Unexpected RuntimeError: a bug" in bug.message
    assert "Traceback" in bug.log()


def test_a_command_that_cannot_even_start_is_lost_not_running(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "COMMAND", (sys.executable, "-c", "import nothing_like_this"))
    job = jobs.wait(start(tmp_path / "f").id, WAIT)
    assert job.state == "lost"
    assert "nothing_like_this" in job.log()


def test_an_interpreter_that_is_not_there_leaves_no_job(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "COMMAND", (str(tmp_path / "no-python"),))
    with pytest.raises(InputError, match=r"cannot be started.*no-python"):
        start(tmp_path / "f")
    assert jobs.list_jobs() == []


def test_a_process_that_cannot_be_noted_does_not_run(tmp_path, monkeypatch):
    def full(path, content):
        raise InputError("The disk is full.")

    monkeypatch.setattr(processes, "write_atomic", full)
    before = set(psutil.Process().children())
    with pytest.raises(InputError, match="full"):
        start(tmp_path / "f", 600, 0.1)
    assert jobs.list_jobs() == []
    assert set(psutil.Process().children()) <= before


def test_relative_paths_start_where_the_job_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = start(Path("relative"), 1, 0)
    assert jobs.wait(job.id, WAIT).state == "done"
    assert (tmp_path / "relative").exists()


# --- two tabs -----------------------------------------------------------------------------------


def test_the_same_command_twice_at_once_is_one_job(tmp_path):
    """Eight threads, as many browser tabs: one process, and everybody gets its job."""
    found, gate = [], threading.Barrier(8)

    def tab():
        gate.wait()
        found.append(start(tmp_path / "f", 20, 0.05).id)

    tabs = [threading.Thread(target=tab) for _ in range(8)]
    [t.start() for t in tabs]
    [t.join() for t in tabs]
    assert len(set(found)) == 1
    assert jobs.wait(found[0], WAIT).state == "done"
    assert len({line.split()[1] for line in (tmp_path / "f").read_text().splitlines()}) == 1
    again = start(tmp_path / "f", 20, 0.05)  # it has ended: the same command is a new job
    assert again.id != found[0]


def test_two_processes_at_once_are_one_job_too(tmp_path):
    code = (
        "import sys; from vocabtrim_core.jobs import control as jobs\n"
        "jobs.COMMAND = (sys.executable, '-P', sys.argv[1])\n"
        "print(jobs.start(['steps', '40', '0.05', '--file', sys.argv[2]], 't').id)"
    )
    line = [sys.executable, "-c", code, str(STEPS), str(tmp_path / "f")]
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({process.communicate()[0] for process in both}) == 1
    assert len(jobs.list_jobs()) == 1


# --- killed, cancelled, resumed -----------------------------------------------------------------


def test_a_killed_job_is_lost_and_resumes_without_redoing(tmp_path):
    job = start(tmp_path / "f", 6, 0.01, "--die", "3")
    lost = jobs.wait(job.id, WAIT)
    assert (lost.state, lost.resumable) == ("lost", True)
    until(lambda: "SIGKILL" in jobs.get(job.id).message)
    lines = len((tmp_path / "f").read_text().splitlines())
    assert lines == 3
    resumed = jobs.resume(job.id)
    assert resumed.id == job.id
    done = jobs.wait(job.id, WAIT)
    assert done.state == "done"
    assert done.result() == {"steps": 6, "first": 3}
    assert len((tmp_path / "f").read_text().splitlines()) == 6
    with pytest.raises(InputError, match="nothing to resume"):
        jobs.resume(job.id)


def test_cancel_stops_at_the_next_report_and_resume_continues(tmp_path):
    job = start(tmp_path / "f", 400, 0.02)
    running(job)
    jobs.cancel(job.id)
    assert jobs.get(job.id).stopping or not jobs.get(job.id).active
    cancelled = jobs.wait(job.id, WAIT)
    assert (cancelled.state, cancelled.stopping) == ("cancelled", False)
    assert cancelled.result() == {"error": cancelled.message}
    assert not cancelled.process.is_running()
    before = len((tmp_path / "f").read_text().splitlines())
    resumed = jobs.resume(job.id)
    assert resumed.active
    assert until(lambda: len((tmp_path / "f").read_text().splitlines()) > before)
    assert jobs.resume(job.id).process == resumed.process  # already running: nothing is started
    jobs.cancel(job.id).join(WAIT)
    assert jobs.get(job.id).state == "cancelled"
    assert jobs.cancel(job.id) is None


def test_cancel_presses_on_until_a_stubborn_group_is_gone(tmp_path, monkeypatch):
    """Deaf to the cancel file and SIGTERM, with a child: both end by SIGKILL, shown until then."""
    monkeypatch.setattr(jobs, "TERM_SECONDS", 0.2)
    monkeypatch.setattr(jobs, "KILL_SECONDS", 1.0)
    job = start(tmp_path / "f", 600, 0.1, "--stubborn", "--child")
    until(lambda: (tmp_path / "f").exists() and (tmp_path / "f").read_text())
    child = int((tmp_path / "f.child").read_text())
    pressing = jobs.cancel(job.id)
    time.sleep(0.5)
    assert jobs.get(job.id).stopping
    pressing.join(WAIT)
    assert jobs.get(job.id).state == "cancelled"
    assert not jobs.get(job.id).process.is_running()
    until(lambda: not psutil.pid_exists(child) or _zombie(child))


def _zombie(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_job_resumed_at_once_is_not_stopped_by_the_old_cancel(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "TERM_SECONDS", 0.5)
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0.4)  # the old cancel looks only now and then
    job = start(tmp_path / "f", 600, 0.02)
    running(job)
    pressing = jobs.cancel(job.id)
    until(lambda: not jobs.get(job.id).active)
    jobs.resume(job.id)
    pressing.join(WAIT)
    time.sleep(0.3)
    assert running(job).state == "running"


def test_resume_ends_what_a_killed_parent_left_behind(tmp_path):
    job = start(tmp_path / "f", 600, 0.05, "--child")
    running(job)
    child = int((tmp_path / "f.child").read_text())
    os.kill(job.process.pid, signal.SIGKILL)
    assert jobs.wait(job.id, WAIT).state == "lost"
    assert job.process.orphans() == [child]
    jobs.resume(job.id)
    until(lambda: not psutil.pid_exists(child) or _zombie(child))


def test_remove_refuses_an_active_job_and_unknown_ids(tmp_path):
    job = start(tmp_path / "f", 400, 0.05)
    with pytest.raises(InputError, match="cancel it before"):
        jobs.remove(job.id)
    jobs.cancel(job.id).join(WAIT)
    jobs.remove(job.id)
    assert jobs.list_jobs() == []
    for unknown in (job.id, "..", "../../home", "", "20260101-000000-x/.."):
        with pytest.raises(InputError, match="There is no job"):
            jobs.get(unknown)


# --- taking turns -------------------------------------------------------------------------------


def test_jobs_that_share_a_resource_run_one_after_the_other_in_order(tmp_path):
    names = [tmp_path / name for name in "abc"]
    started = [start(name, 5, 0.05, resources=["gpu"]) for name in names]
    free = start(tmp_path / "free", 5, 0.01)
    until(lambda: any(jobs.get(job.id).state == "queued" for job in started))
    assert jobs.wait(free.id, WAIT).state == "done"
    assert all(jobs.wait(job.id, WAIT).state == "done" for job in started)
    spans = [[float(line.split()[0]) for line in name.read_text().splitlines()] for name in names]
    assert spans[0][-1] < spans[1][0] < spans[1][-1] < spans[2][0]


def test_a_waiting_job_can_be_cancelled_and_a_killed_holder_frees_the_resource(tmp_path):
    holder = start(tmp_path / "holder", 600, 0.05, resources=["gpu"])
    running(holder)
    waiting = start(tmp_path / "waiting", 1, 0, resources=["gpu"])
    until(lambda: "gpu" in jobs.get(waiting.id).message)
    assert jobs.get(waiting.id).state == "queued"
    jobs.cancel(waiting.id).join(WAIT)
    assert jobs.get(waiting.id).state == "cancelled"
    assert not (tmp_path / "waiting").exists()
    os.kill(holder.process.pid, signal.SIGKILL)
    assert jobs.wait(jobs.resume(waiting.id).id, WAIT).state == "done"


# --- processes ----------------------------------------------------------------------------------


def test_a_zombie_and_a_reused_pid_are_dead():
    child = subprocess.Popen([sys.executable, "-c", ""])
    began = psutil.Process(child.pid).create_time()
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert not Process(child.pid, began).is_running()
    child.wait()
    assert not Process(child.pid, began).is_running()
    mine = psutil.Process().create_time()
    assert Process(os.getpid(), mine).is_running()
    assert not Process(os.getpid(), mine - 60).is_running()
    Process(os.getpid(), mine - 60).signal_group(signal.SIGKILL)  # not ours: we live on


@pytest.mark.skipif(not processes.Process.of(os.getpid()).boot, reason="needs /proc")
@pytest.mark.parametrize("step", [5.0, -5.0, 3600.0])
def test_a_step_of_the_clock_changes_nothing(tmp_path, monkeypatch, step):
    """psutil counts start times from a boot time that moves with the clock."""
    job = start(tmp_path / "f", 600, 0.02)
    running(job)
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + step)
    now = jobs.get(job.id)
    assert now.state == "running"
    assert jobs.resume(job.id).process == now.process  # not doubled
    jobs.cancel(job.id).join(WAIT)
    assert jobs.get(job.id).state == "cancelled"
    assert not now.process.is_running()


def test_a_note_of_an_earlier_version_is_read(tmp_path):
    note = tmp_path / "process.json"
    note.write_text(json.dumps({"pid": os.getpid(), "began": psutil.Process().create_time()}))
    assert Process.read(note).is_running()
    note.write_text(json.dumps({"pid": os.getpid(), "began": 1.0}))
    assert not Process.read(note).is_running()


def test_another_boot_is_another_process():
    mine = Process.of(os.getpid())
    assert mine.is_running()
    if mine.boot:
        assert not replace(mine, boot="another").is_running()
        assert not replace(mine, ticks=mine.ticks + 1).is_running()


def test_a_running_job_whose_note_is_damaged_is_found_by_its_environment(tmp_path):
    job = running(start(tmp_path / "f", 600, 0.02))
    (job.folder / "process.json").write_text("{")
    now = jobs.get(job.id)
    assert (now.state, now.process.pid) == ("running", job.process.pid)
    jobs.cancel(job.id).join(WAIT)
    assert not job.process.is_running()


def test_the_exit_code_belongs_to_its_process(tmp_path):
    note = tmp_path / "process.json"
    (tmp_path / "process.exit").write_text("7 -9")
    assert processes.exit_code(Process(7, 0.0), note) == -9
    assert processes.exit_code(Process(8, 0.0), note) is None


def test_a_job_whose_starter_died_early_is_not_queued_for_ever(tmp_path, monkeypatch):
    job = jobs.wait(start(tmp_path / "f").id, WAIT)
    Status("queued").write(job.folder)
    (job.folder / "process.json").unlink()
    assert jobs.get(job.id).state == "queued"
    monkeypatch.setattr(job_module, "BIRTH_SECONDS", -1.0)
    assert jobs.get(job.id).state == "lost"


# --- progress -----------------------------------------------------------------------------------


def test_status_files_are_throttled_but_the_end_is_always_written(tmp_path, monkeypatch):
    clock, written = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(Status, "write", lambda self, folder: written.append(self))
    progress = Progress(tmp_path)
    progress.enter("running")
    for step in range(1000):
        clock[0] = step / 1000
        progress(step, 1000)
    assert len(written) == 1 + 4
    progress.enter("done")
    assert (written[-1].state, written[-1].done, written[-1].total) == ("done", 999, 1000)


def test_eta_counts_from_where_this_run_began(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    progress = Progress()
    progress(600, 1000)  # resumed: 600 were there before
    assert progress.status.eta is None
    clock[0] = 10.0
    progress(700, 1000)
    assert progress.status.eta == pytest.approx(30.0)
    progress(0, 50, "another stage")
    assert progress.status.eta is None
    progress(5, None, "no total")
    assert progress.status.eta is None


def test_lines_are_plain_throttled_text(monkeypatch):
    clock, stream = [0.0], io.StringIO()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    progress = Progress(stream=stream)
    for step in range(0, 5000, 100):
        clock[0] = step / 1000
        progress(step, 10_000, "Counting", rows_per_s=1234.5, regret=0.001)
    assert stream.getvalue().splitlines() == [
        "Counting, 0 of 10,000 (0%), 1,234 rows/s, regret 0.001",
        "Counting, 2,000 of 10,000 (20%), 1,234 rows/s, regret 0.001, 8 s left",
        "Counting, 4,000 of 10,000 (40%), 1,234 rows/s, regret 0.001, 6 s left",
    ]


def test_cancel_file_and_sigterm_raise_cancelled(tmp_path):
    progress = Progress(tmp_path)
    progress(1, 2)
    (tmp_path / "cancel").touch()
    with pytest.raises(Cancelled):
        progress(2, 2)
    again = Progress()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Cancelled), stopping_on_sigterm(again):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(Cancelled):
        again(1, 2)  # also for whoever swallowed the first one


def test_sigterm_within_a_library_is_a_cancel_not_its_error():
    """Loading a tokenizer catches whatever the library raises."""

    def load():
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception as error:
            raise InputError("holds no tokenizer") from error

    with pytest.raises(Cancelled), stopping_on_sigterm(Progress()):
        load()


def test_the_last_word_reaches_the_folder_on_a_full_disk(tmp_path, monkeypatch):
    progress = Progress(tmp_path)
    progress.enter("running", "a long message " * 20)

    def full(path, content, **options):
        raise InputError("full")

    monkeypatch.setattr("vocabtrim_core.jobs.progress.write_atomic", full)
    progress(1, 2)
    progress.enter("failed", "The disk is full.")
    status = json.loads((tmp_path / "status.json").read_text())
    assert (status["state"], status["message"]) == ("failed", "The disk is full.")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_workspace_of_a_job_is_that_of_its_starter(tmp_path):
    job = jobs.wait(start(tmp_path / "f", 1, 0).id, WAIT)
    assert job.folder.parent == workspace.folder("jobs")
