"""kill -9 of a bench: no process and no scratch is left, and what was measured is not repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from helpers import ROOT
from helpers.model_folders import H, V, write_draft
from helpers.sglang_server import write_interpreter, write_nvidia_smi
from helpers.tokenizer_makers import byte_level, write_folder
from helpers.training_folders import SPECIALS

from vocabtrim_core.templates.presets import NAMED

SECONDS = 120.0


@pytest.fixture
def argv(tmp_path) -> list[str]:
    """A bench of two servers with two runs each, on an engine that answers slowly."""
    target = tmp_path / "target"
    write_folder(target, byte_level(SPECIALS, V - len(SPECIALS)), NAMED["llama3"].jinja)
    config = {"model_type": "llama", "hidden_size": H, "vocab_size": V, "intermediate_size": 2 * H}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 4}
    (target / "config.json").write_text(json.dumps(config))
    write_draft(tmp_path / "draft", range(100))
    rows = [json.dumps({"prompt": f"word {n} .", "response": "a"}) for n in range(3)]
    (tmp_path / "asked.jsonl").write_text("\n".join(rows))
    write_nvidia_smi(tmp_path, "0x0")
    words = ["bench", "--interpreter", str(write_interpreter(tmp_path, "slow"))]
    words += ["--target", str(target), "--draft", str(tmp_path / "draft")]
    words += ["--prompts", str(tmp_path / "asked.jsonl"), "--limit", "3"]
    return [*words, "--runs", "2", "--warm-up", "0", "--max-new-tokens", "12", "--json"]


def started(argv: list[str], tmp_path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "VOCABTRIM_HOME": str(tmp_path / "home")}
    environment |= {"PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return subprocess.Popen(
        [sys.executable, "-m", "vocabtrim_core", *argv],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "log.txt").open("ab"),
        text=True,
        start_new_session=True,
    )


def stored(tmp_path: Path) -> list[dict]:
    """The runs of the journal."""
    for path in (tmp_path / "home" / "journals").glob("*.json"):
        return json.loads(path.read_bytes())["runs"]
    return []


def launched(tmp_path: Path) -> int:
    calls = tmp_path / "calls.jsonl"
    return len(calls.read_text().splitlines()) if calls.is_file() else 0


def test_a_killed_bench_leaves_nothing_behind_and_goes_on(argv, tmp_path):
    child = started(argv, tmp_path)
    until = time.monotonic() + SECONDS
    while not (stored(tmp_path) and launched(tmp_path) == 2):  # the second server is under way
        assert child.poll() is None, (tmp_path / "log.txt").read_text()
        assert time.monotonic() < until
        time.sleep(0.05)
    own = psutil.Process(child.pid).children(recursive=True)
    groups = {os.getpgid(process.pid) for process in own}
    assert os.getpgid(child.pid) not in groups  # the kill does not reach them
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = stored(tmp_path)
    assert 1 <= len(before) < 4
    while any(map(of_group, groups)):
        assert time.monotonic() < until
        time.sleep(0.1)

    again = started(argv, tmp_path)
    result = json.loads(again.communicate(timeout=SECONDS)[0])
    assert again.returncode == 0, (tmp_path / "log.txt").read_text()
    assert [row["runs"] for row in result["rows"]] == [2, 2]
    (saved,) = (tmp_path / "home" / "measurements").glob("*.json")
    runs = json.loads(saved.read_bytes())["runs"]
    by_place = {(r["configuration"], r["concurrency"], r["index"]): r for r in runs}
    assert len(runs) == len(by_place) == 4
    for run in before:  # as they were measured before the kill, times included
        assert by_place[run["configuration"], run["concurrency"], run["index"]] == run
    home = tmp_path / "home"
    assert not list((home / "journals").iterdir())
    assert not [path for path in home.rglob("*") if path.name.endswith(".tmp")]


def of_group(group: int) -> bool:
    """Whether a process of a group runs."""
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                return True
        except OSError:
            continue
    return False
