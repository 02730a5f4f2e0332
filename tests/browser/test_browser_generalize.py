"""Generalize and Forecast in headless Chromium: the mix follows its sliders, a size is picked."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from helpers.browser_kit import (
    NEEDS_BROWSER,
    PHONE,
    SCREENSHOTS,
    another,
    browser,
    changed,
    overflow,
    serving,
    settled,
    tab,
)
from helpers.real_data import new_home
from helpers.talks import talk

from benchmarks.browser import slider, thumb
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.selection.constrained import Problem, solve

pytestmark = NEEDS_BROWSER
LLAMA = PRESETS["llama-3.1-8b"]
ALPHA = 0.05


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace with three sets."""
    home = new_home(tmp_path_factory.mktemp("mix"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def sets(home):
    """Newest first, as the app lists the others after the chosen one."""
    assert os.environ["VOCABTRIM_HOME"] == str(home)
    return [
        talk(name, slope, i)
        for i, (name, slope) in enumerate((("chat", 1.25), ("code", 1.35), ("calls", 1.7)))
    ]


@pytest.fixture(scope="module")
def app(home, sets):
    with serving(home) as address:
        yield address


@pytest.fixture(scope="module")
def context():
    with browser(viewport={"width": 1440, "height": 1300}) as context:
        yield context


@pytest.fixture
def page(context):
    with tab(context) as page:
        yield page


def tailoring(page, app: str, sets) -> None:
    page.goto(f"{app}/generalize?counts={sets[0].key}&section=Tailor&alpha={ALPHA}")
    page.wait_for_selector(".live[data-k]:not([data-k=''])")
    page.get_by_text("of this mix").first.wait_for()


def shown(page) -> int:
    return int(page.locator(".live").get_attribute("data-k"))


def told(page) -> int:
    said = page.get_by_text("of this mix").first.inner_text()
    return int(re.match(r"([\d,]+) tokens cover", said)[1].replace(",", ""))


def weights(page, sets) -> list[int]:
    return [int(slider(page, f"mix_{counts.key[:8]}").input_value()) for counts in sets]


def test_the_mix_follows_its_sliders_exactly(page, app, sets):
    tailoring(page, app, sets)
    before = told(page)
    x, y = thumb(page, f"mix_{sets[2].key[:8]}")
    page.mouse.move(x, y)
    page.mouse.down()
    sizes, path = set(), page.locator(".curve.coverage").get_attribute("d")
    for step in range(1, 9):
        page.mouse.move(x + 9 * step, y)
        path = changed(page, ".curve.coverage", "d", path)
        sizes.add(shown(page))
    assert len(sizes) > 3
    assert told(page) == before
    page.mouse.up()
    page.get_by_text(f"{shown(page):,} tokens cover").first.wait_for()
    found = solve(Problem(sets, weights(page, sets), LLAMA, ALPHA))
    assert shown(page) == found.choice.k
    kept = [row.inner_text() for row in page.locator(".sets li output").all()]
    names = [row.inner_text() for row in page.locator(".sets li .name").all()]
    for row in found.coverages:
        assert kept[names.index(row.name)] == f"{row.coverage:.1%}"
    page.screenshot(path=SCREENSHOTS / "generalize.png")


def test_wishes_and_multiples_count_in_the_browser_too(page, app, sets):
    tailoring(page, app, sets)
    page.locator(".st-key-keep_numbers label").first.click()
    page.get_by_text("Without your constraints").first.wait_for()
    settled(page)
    assert shown(page) == told(page)
    page.locator(f".st-key-mix_{sets[1].key[:8]} input[type=range]").first.focus()
    for key in ("End", "ArrowLeft", "PageDown"):
        path = page.locator(".curve.coverage").get_attribute("d")
        page.keyboard.press(key)
        changed(page, ".curve.coverage", "d", path)
        page.get_by_text(f"{shown(page):,} tokens cover").first.wait_for()
        settled(page)
        assert shown(page) == told(page), key


def test_a_mix_that_is_covered_whole_reads_100_percent(page, app, sets):
    """Shares add up to almost one, which is no missing token: at alpha 1 all of them are kept."""
    page.goto(f"{app}/generalize?counts={sets[0].key}&section=Tailor&alpha=1")
    page.locator(".live[data-k]:not([data-k=''])").wait_for()
    tile = page.locator(".live [data-tile=coverage]")
    for counts in (sets[1], sets[2]):
        slider(page, f"mix_{counts.key[:8]}").focus()
        for key in ("End", "ArrowLeft", "PageDown"):
            path = page.locator(".curve.coverage").get_attribute("d")
            page.keyboard.press(key)
            changed(page, ".curve.coverage", "d", path)
            assert tile.locator("output").inner_text() == "100.00%", key
            assert tile.locator("p").inner_text() == "missing: 0.00% of its tokens", key
    page.get_by_text("tokens cover 100.0% of this mix").first.wait_for()


def test_a_size_of_the_forecast_goes_to_explore(page, app, sets):
    page.goto(f"{app}/forecast?counts={sets[0].key}")
    page.wait_for_selector(".live[data-recommended]")
    probe = page.locator(".probe")
    box = probe.bounding_box()
    probe.click(position={"x": box["width"] * 0.6, "y": 40})
    page.get_by_role("button", name="Back to the recommended size").wait_for()
    chosen = shown(page)
    probe.focus()
    page.keyboard.press("ArrowRight")
    assert "tokens per second against 128,256" in probe.get_attribute("aria-valuetext")
    page.screenshot(path=SCREENSHOTS / "forecast.png")
    page.get_by_role("button", name=f"Use {chosen:,} tokens").click()
    page.get_by_text(f"Keeping {chosen:,} of").first.wait_for()
    assert f"k={chosen}" in page.url


@pytest.mark.parametrize("name", ["generalize?section=Tailor", "forecast"])
def test_phones_and_dark_rooms(app, context, name):
    with another(context, **PHONE) as page:
        page.goto(f"{app}/{name}")
        page.wait_for_selector(".live.narrow[data-k]")
        settled(page)
        page.screenshot(path=SCREENSHOTS / f"phone-{name.partition('?')[0]}.png", full_page=True)
        assert overflow(page) <= 0
