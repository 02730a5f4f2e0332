"""Dynamic headroom on Generalize: its command runs, and what it prints is drawn."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from helpers import APP
from helpers.lazy import Lazy
from helpers.real_data import OWN, new_home

from vocabtrim_core.cli import main
from vocabtrim_core.counts_store import find_counts
from vocabtrim_core.jobs import control as jobs

testing = Lazy("streamlit.testing.v1")
K = 60
COUNT = ["count", "--tokenizer", "llama-3.1", "--data", str(OWN / "tools.jsonl")]
ONLY_COUNT = ["--max-length", "4000", "--max-refused", "1"]


@dataclass
class Done:
    """A job of this workspace that has ended well."""

    argv: tuple[str, ...]
    printed: dict[str, Any]
    state: str = "done"
    active: bool = False

    def result(self) -> dict[str, Any]:
        return self.printed


@pytest.fixture
def printed(capsys):
    """`printed(argv)` -> the job of a command, which is run."""

    def call(argv: list[str]) -> Done:
        assert main([*argv, "--json"]) == 0
        return Done(tuple(argv), json.loads(capsys.readouterr().out))

    return call


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(new_home(tmp_path / "home")))


@pytest.fixture
def workspace(home, monkeypatch):
    """Its jobs, and the commands that pages start."""
    known, started = [], []
    monkeypatch.setattr(jobs, "list_jobs", lambda: known)
    monkeypatch.setattr(jobs, "start", lambda argv, title, **more: started.append(list(argv)))
    return known, started


def opened(key: str) -> testing.AppTest:
    app = testing.AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["counts"] = key
    app.session_state["section"] = "Dynamic headroom"
    app.query_params["k"] = str(K)
    app.run()
    app.switch_page("pages/generalize.py").run()
    assert not app.exception
    return app


def words(app: testing.AppTest) -> str:
    return "\n".join(each.value for each in (*app.markdown, *app.info)).replace("\\", "")


def values(packed: Any) -> np.ndarray:
    """Numbers of a figure as Plotly sends them."""
    if isinstance(packed, dict):
        return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"])
    return np.array(packed)


def test_the_conversations_of_a_counting_job_are_looked_at(workspace, printed):
    known, started = workspace
    counted = printed([*COUNT, *ONLY_COUNT])
    known.append(counted)
    key = counted.printed["key"]
    app = opened(key)
    app.button(key="context_start").click().run()
    (argv,) = started
    assert argv == ["context", *COUNT[1:], "--counts", key, "--k", str(K)]
    known.append(printed(argv))
    app = opened(key)
    counts = np.sort(find_counts(key).counts)[::-1]
    missing, tokens = counts[K:].sum(), counts.sum()
    said = words(app)
    assert f"{missing:,} of {tokens:,} tokens are missing" in said
    assert f"cover {counts[:K].sum() / tokens:.2%} :red-badge[in sample]" in said
    (chart,) = app.get("plotly_chart")
    line = json.loads(chart.proto.spec)["data"][0]
    curve = known[-1].printed["curve"]
    assert values(line["x"]) == pytest.approx([point["window"] for point in curve])
    assert values(line["y"]) == pytest.approx([100 * point["share"] for point in curve])


def test_counts_that_no_job_made_show_a_command_to_fill_in(workspace, printed):
    key = printed(COUNT).printed["key"]
    app = opened(key)
    assert "no job of this workspace counted tools." in words(app)
    assert not [button for button in app.button if button.key == "context_start"]
    argv = shlex.split(app.code[0].value)[3:]
    found = printed([str(OWN / "tools.jsonl") if a == "CONVERSATIONS" else a for a in argv])
    assert found.printed["in_sample"]
