"""Train in headless Chromium: a training is found again, its curves grow, cancelling is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from helpers.browser_kit import (
    NEEDS_BROWSER,
    SCREENSHOTS,
    another,
    browser,
    overflow,
    serving,
    settled,
    tab,
)
from helpers.training_folders import SIZE, write_bundled_target, write_job, write_run, write_trainer

from vocabtrim_core import workspace

pytestmark = NEEDS_BROWSER
POINTS = ".st-key-{} .js-plotly-plot .scatterlayer .point"
ARGV = ["train", "--target", "smollm2", "--k", "full", "--k", "100", "--name", "demo-1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace with the bundled target and a run: one draft finished, one on its way."""
    home = tmp_path_factory.mktemp("train")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(home))
        write_trainer()
        write_bundled_target()
        write_run("demo-1", {SIZE: 1.8}, {100: 50})
        yield home


@pytest.fixture(scope="module")
def job(home) -> Path:
    """Its job: a process that sleeps in the place of the training."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    folder = workspace.folder("jobs") / write_job(
        ARGV,
        "running",
        done=150,
        total=200,
        message="k = 100, loss 6.5, held-out 1.33",
        rates={"steps_per_s": 2.0},
    )
    began = psutil.Process(child.pid).create_time()
    (folder / "process.json").write_text(json.dumps({"pid": child.pid, "began": began}))
    yield folder
    child.kill()
    child.wait()


@pytest.fixture(scope="module")
def context():
    with browser(viewport={"width": 1440, "height": 1300}) as context:
        yield context


@pytest.fixture
def page(context):
    with tab(context) as page:
        yield page


def points(page, chart: str) -> int:
    """Marks drawn in a chart."""
    return page.locator(POINTS.format(chart)).count()


def drawn(page) -> None:
    page.locator(".st-key-train_rate .js-plotly-plot .scatterlayer").first.wait_for()


def test_a_training_is_found_again_and_watched(page, home, job):
    with serving(home) as app:
        page.goto(f"{app}/train")
        drawn(page)
        page.get_by_text("Train 50%").wait_for()
        page.screenshot(path=SCREENSHOTS / "train-runs.png", full_page=True)
    with serving(home) as app:  # another server: the first one is gone
        page.goto(f"{app}/train")
        drawn(page)
        before = points(page, "train_length")
        metrics = home / "runs" / "demo-1" / "k-100" / "metrics.jsonl"
        line = {
            "step": 100,
            "kind": "eval",
            "time": 2.0,
            "eval/simulated_acc_len": 0.7,
            "eval/per_position_acc/0": 0.5,
        }
        metrics.write_text(f"{metrics.read_text()}\n{json.dumps(line)}")
        page.locator(POINTS.format("train_length")).nth(before).wait_for()  # untouched
        _cancel(page, job)
        _small(page, app)


def _cancel(page, job: Path) -> None:
    """The state is shown until the process is really gone."""
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Stopping").first.wait_for()
    assert (job / "cancel").exists()
    os.kill(json.loads((job / "process.json").read_text())["pid"], 9)
    page.get_by_role("button", name="Resume").wait_for()
    page.screenshot(path=SCREENSHOTS / "train-cancelled.png", full_page=True)


def _small(page, app: str) -> None:
    """A narrow dark window and a phone: nothing is wider than the window, on any view."""
    with another(page.context, color_scheme="dark", reduced_motion="reduce") as other:
        for width in (1280, 390):
            other.set_viewport_size({"width": width, "height": 900})
            other.goto(f"{app}/train")
            opened = other.get_by_role("tab", name="Experiment", selected=True)
            opened.wait_for()  # nothing is trained now, and nothing has failed
            for view in ("Experiment", "Set up", "Runs", "Own answers"):
                other.get_by_role("tab", name=view).click()
                other.get_by_text("Show the command").first.wait_for()
                settled(other)
                other.screenshot(path=SCREENSHOTS / f"train-{width}-{view[:3]}.png", full_page=True)
                assert overflow(other) <= 0, (width, view)
