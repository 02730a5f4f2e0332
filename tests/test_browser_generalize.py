"""Generalize and Forecast in headless Chromium: the mix follows its sliders, a size is picked."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from talks import talk

pytest.importorskip("playwright")

from benchmarks.browser import CHROMIUM, chromium, serving, slider, thumb
from vocabtrim_core.draft_cost import PRESETS
from vocabtrim_core.selection.tailored import Demand, tailor

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Chromium at /usr/bin/chromium"),
]
SCREENSHOTS = Path(__file__).parent / "screenshots"
LLAMA = PRESETS["llama-3.1-8b"]
ALPHA = 0.05


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace with three sets."""
    home = tmp_path_factory.mktemp("mix")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def sets(home):
    """Newest first, as the app lists the others after the chosen one."""
    assert os.environ["VOCABTRIM_HOME"] == str(home)
    return [talk(name, slope, i) for i, (name, slope) in enumerate(
        (("chat", 1.25), ("code", 1.35), ("calls", 1.7)))]  # fmt: skip


@pytest.fixture(scope="module")
def app(home, sets):
    with serving(home) as address:
        yield address


@pytest.fixture(scope="module")
def context():
    SCREENSHOTS.mkdir(exist_ok=True)
    with chromium(viewport={"width": 1440, "height": 1300}) as context:
        yield context


@pytest.fixture
def page(context):
    """A tab; an error of our own scripts fails the test."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors


def tailoring(page, app: str, sets) -> None:
    page.goto(f"{app}/generalize?counts={sets[0].key}&section=Tailor&alpha={ALPHA}")
    page.wait_for_selector(".live[data-k]:not([data-k=''])", timeout=60_000)
    page.get_by_text("of this mix").first.wait_for(timeout=30_000)


def shown(page) -> int:
    return int(page.locator(".live").get_attribute("data-k"))


def told(page) -> int:
    said = page.get_by_text("of this mix").first.inner_text()
    return int(re.match(r"([\d,]+) tokens keep", said)[1].replace(",", ""))


def weights(page, sets) -> list[int]:
    return [int(slider(page, f"mix_{counts.key[:8]}").input_value()) for counts in sets]


def test_the_mix_follows_its_sliders_exactly(page, app, sets):
    tailoring(page, app, sets)
    before = told(page)
    x, y = thumb(page, f"mix_{sets[2].key[:8]}")
    page.mouse.move(x, y)
    page.mouse.down()
    paths, sizes = set(), set()
    for step in range(1, 9):
        page.mouse.move(x + 9 * step, y)
        page.wait_for_timeout(40)
        paths.add(page.locator(".curve.coverage").get_attribute("d"))
        sizes.add(shown(page))
    assert len(paths) == 8
    assert len(sizes) > 3
    assert told(page) == before
    page.mouse.up()
    page.get_by_text(f"{shown(page):,} tokens keep").first.wait_for(timeout=20_000)
    found = tailor(Demand(sets, weights(page, sets), LLAMA, ALPHA))
    assert shown(page) == found.choice.k
    kept = [row.inner_text() for row in page.locator(".sets li output").all()]
    names = [row.inner_text() for row in page.locator(".sets li .name").all()]
    for row in found.coverages:
        assert kept[names.index(row.name)] == f"{row.coverage:.1%}"
    page.screenshot(path=SCREENSHOTS / "generalize.png")


def test_wishes_and_multiples_count_in_the_browser_too(page, app, sets):
    tailoring(page, app, sets)
    page.locator(".st-key-keep_numbers label").first.click()
    page.get_by_text("Without your wishes").first.wait_for(timeout=20_000)
    page.wait_for_timeout(500)
    assert shown(page) == told(page)
    page.locator(f".st-key-mix_{sets[1].key[:8]} input[type=range]").first.focus()
    for key in ("End", "ArrowLeft", "PageDown"):
        page.keyboard.press(key)
        page.wait_for_timeout(1500)
        assert shown(page) == told(page), key


def test_a_size_of_the_forecast_goes_to_explore(page, app, sets):
    page.goto(f"{app}/forecast?counts={sets[0].key}")
    page.wait_for_selector(".live[data-recommended]", timeout=60_000)
    probe = page.locator(".probe")
    box = probe.bounding_box()
    probe.click(position={"x": box["width"] * 0.6, "y": 40})
    page.get_by_role("button", name="Back to the recommended size").wait_for(timeout=20_000)
    chosen = shown(page)
    probe.focus()
    page.keyboard.press("ArrowRight")
    assert "tokens per second against 128,256" in probe.get_attribute("aria-valuetext")
    page.screenshot(path=SCREENSHOTS / "forecast.png")
    page.get_by_role("button", name=f"Use {chosen:,} tokens").click()
    page.get_by_text(f"Keeping {chosen:,} of").first.wait_for(timeout=30_000)
    assert f"k={chosen}" in page.url


@pytest.mark.parametrize("name", ["generalize?section=Tailor", "forecast"])
def test_phones_and_dark_rooms(app, context, name):
    small = context.browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", reduced_motion="reduce"
    )
    page = small.new_page()
    page.goto(f"{app}/{name}")
    page.wait_for_selector(".live.narrow[data-k]", timeout=60_000)
    page.wait_for_timeout(500)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    page.screenshot(path=SCREENSHOTS / f"phone-{name.partition('?')[0]}.png", full_page=True)
    small.close()
    assert wide <= 0
