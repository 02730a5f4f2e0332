"""A campaign against the command line: changed files, kills, and two processes at once.

    python -m benchmarks.campaign [--inputs N] [--kills N] [--seed N] [--dry]

Everything is drawn from --seed. A changed file must end in exit code 0 or 2, with one sentence and
without a traceback; a killed count, run again, must give the counts of one that was not. Writes
benchmarks/results/reliability.md, and exits with 1 where anything failed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import campaign_inputs
from benchmarks.campaign_inputs import Kind
from benchmarks.report import write_report
from vocabtrim_core.cli import main as command_line
from vocabtrim_core.counts import TokenCounts

BATCH = 100  # inputs of one process
MEMORY = 12 * 2**30  # bytes of address space of such a process
SLOW_SECONDS = 20.0
GROWTH = 300 * 2**20  # bytes that one input may add to the most memory of a process
DATA_FOLDERS = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def judge(kind: Kind, content: bytes, folder: Path) -> tuple[int, str]:
    """Run the command on a file; its exit code, and what is wrong with that ("" for nothing)."""
    path = folder / "case"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    if kind.file in DATA_FOLDERS:
        shutil.copytree(folder / "in" / "tok", path, dirs_exist_ok=True)
    (path / kind.file).write_bytes(content)
    place = path if kind.file in DATA_FOLDERS else path / kind.file
    argv = [
        str(word).replace("PATH", str(place)).replace("IN/", f"{folder}/in/") for word in kind.argv
    ]
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command_line(argv)
    said = err.getvalue()
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if code not in (0, 2):
        return code, f"exit code {code}: {(said.strip().splitlines() or [''])[-1][:300]}"
    if "Traceback" in said:
        return code, "a traceback"
    if code == 2 and not said.strip().endswith((".", "…")):
        return code, f"no sentence: {said!r:.200}"
    if time.monotonic() - began > SLOW_SECONDS:
        return code, f"{time.monotonic() - began:.0f} s"
    if code == 2 and grown > GROWTH:
        return code, f"{grown / 2**20:,.0f} MB more memory"
    return code, ""


def batch(seed: int, first: int, count: int, folder: str, answers: Any) -> None:
    """Judge some inputs in this process; what is being judged is on disk, should it die."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries in Rust write to it themselves
    home = Path(folder)
    os.environ["VOCABTRIM_HOME"] = str(home / "home")
    os.chdir(home)
    kinds = campaign_inputs.kinds()
    for number in range(first, first + count):
        chance = random.Random(f"{seed}-{number}")
        kind = kinds[number % len(kinds)]
        content = campaign_inputs.changed(kind, chance)
        (home / "current").write_bytes(content)
        (home / "number").write_text(f"{number} {kind.name}")
        try:
            code, wrong = judge(kind, content, home)
        except BaseException as error:
            code, wrong = 1, f"{type(error).__name__} escaped: {str(error)[:200]}"
        answers.put((kind.name, number, code, wrong))


def changed_files(inputs: int, seed: int) -> tuple[Counter[tuple[str, int]], list[str]]:
    """Judge many changed files; (kind, exit code) -> how many, and the failures."""
    codes: Counter[tuple[str, int]] = Counter()
    failures: list[str] = []
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        os.chdir(folder)
        for name, content in campaign_inputs.helpers().items():
            path = Path(folder) / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for first in range(0, inputs, BATCH):
            answers = context.Queue()
            arguments = (seed, first, min(BATCH, inputs - first), folder, answers)
            process = context.Process(target=batch, args=arguments)
            process.start()
            while process.is_alive() or not answers.empty():
                with contextlib.suppress(Exception):
                    name, number, code, wrong = answers.get(timeout=0.5)
                    codes[name, code] += 1
                    if wrong:
                        failures.append(f"{name}, input {number}: {wrong}")
                        print(failures[-1], file=sys.stderr)
            if process.exitcode:
                note = Path(folder) / "number"
                number = note.read_text() if note.is_file() else f"{first}, or before it"
                failures.append(f"input {number}: ended its process ({process.exitcode})")
            print(f"{min(first + BATCH, inputs)} inputs, {len(failures)} failures", file=sys.stderr)
    return codes, failures


def counted(data: Path, out: Path) -> list[str]:
    """The command line of a count."""
    return [
        *(sys.executable, "-m", "vocabtrim_core", "count", "--tokenizer", "smollm2"),
        *("--data", str(data), "--out", str(out), "--json"),
    ]


def killed_counts(kills: int, seed: int) -> tuple[int, list[str]]:
    """Kill counts at random moments and run them again; how many, and the failures."""
    chance, failures = random.Random(seed), []
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        data = Path(folder) / "chat.jsonl"
        with data.open("w") as file:
            for n in range(60_000):
                row = json.loads(json.dumps(campaign_inputs.ROWS[n % 6]))
                row["messages"][1]["content"] += f" {n}"
                row["messages"][4]["content"] += " ".join(map(str, range(n % 97)))
                file.write(json.dumps(row) + "\n")
        environment = {**os.environ, "VOCABTRIM_HOME": f"{folder}/golden"}
        golden, began = Path(folder) / "golden.npz", time.monotonic()
        subprocess.run(counted(data, golden), env=environment, check=True, capture_output=True)
        took = time.monotonic() - began
        expected = TokenCounts.load(golden).counts
        for number in range(kills):
            home = Path(folder) / f"home{number}"
            environment["VOCABTRIM_HOME"] = str(home)
            out = Path(folder) / f"out{number}.npz"
            command = counted(data, out)
            for _ in range(2):
                process = subprocess.Popen(
                    command,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0.0, took))
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if left := _members(process.pid):
                    failures.append(f"kill {number}: processes {left} are left")
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode or (TokenCounts.load(out).counts != expected).any():
                failures.append(f"kill {number}: other counts ({done.stderr[-200:]})")
            if scratch := [str(p) for p in Path(folder).rglob("*.tmp")]:
                failures.append(f"kill {number}: scratch is left ({scratch[0]})")
            shutil.rmtree(home)
        print(f"{kills} kills, {len(failures)} failures", file=sys.stderr)
    return kills, failures


def _members(group: int) -> list[int]:
    """Running processes of a process group."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members


def two_at_once(times: int) -> tuple[int, list[str]]:
    """Count the same corpus twice at the same time in one workspace."""
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        data = Path(folder) / "chat.jsonl"
        rows = (json.dumps(campaign_inputs.ROWS[n % 6]) + "\n" for n in range(20_000))
        data.write_text("".join(rows))
        for number in range(times):
            environment = {**os.environ, "VOCABTRIM_HOME": f"{folder}/home{number}"}
            outs = [Path(folder) / f"{number}-{n}.npz" for n in range(2)]
            processes = [
                subprocess.Popen(
                    counted(data, out),
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                for out in outs
            ]
            errors = [process.communicate()[1] for process in processes]
            if any(process.returncode for process in processes):
                failures.append(f"pair {number}: {errors!r:.300}")
            elif (TokenCounts.load(outs[0]).counts != TokenCounts.load(outs[1]).counts).any():
                failures.append(f"pair {number}: two counts of one corpus differ")
    print(f"{times} pairs, {len(failures)} failures", file=sys.stderr)
    return times, failures


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args(argv)
    here, began = Path.cwd(), time.monotonic()  # counts are written beside the changed files
    codes, failures = changed_files(options.inputs, options.seed)
    os.chdir(here)
    kills, lost = killed_counts(options.kills, options.seed)
    pairs, raced = two_at_once(options.pairs)
    failures += lost + raced
    if not options.dry:
        rows = [
            {
                "kind of file": kind.name,
                "read": codes[kind.name, 0],
                "refused in a sentence": codes[kind.name, 2],
            }
            for kind in campaign_inputs.kinds()
        ]
        note = (
            f"Seed {options.seed}: {sum(codes.values()):,} changed files, {kills} counts killed "
            f"twice and run again, {pairs} pairs of counts at once, in "
            f"{time.monotonic() - began:,.0f} s: {len(failures)} failures."
        )
        note += "".join(f"\n- {failure}" for failure in failures)
        write_report("reliability", "A campaign against the command line", rows, note)
    return int(bool(failures))


if __name__ == "__main__":
    raise SystemExit(main())
