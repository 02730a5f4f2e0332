"""The visitor's path in headless Chromium: demo, drag, preset, pin, search, export.

Screenshots go to tests/screenshots/, which git ignores.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zstandard
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

from benchmarks.browser import drag, slider, thumb
from pages.ui.router import PAGES
from vocabtrim_core import exports
from vocabtrim_core.counts_store import list_counts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.tradeoff import TradeOff

pytestmark = NEEDS_BROWSER
DRAFT = PRESETS["smollm2-135m"]  # of the bundled target, whose tokenizer the demo is counted with


def demo_files(folder: Path, words: list[str]) -> None:
    """A demo like the real one, quickly counted: words by Zipf's law, few or many of them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, slope in (("python-assistant", 1.15), ("tool-calls", 1.6)):
        chosen = np.array(words)[rng.zipf(slope, (6000, 120)) % len(words)]
        rows = (
            {
                "conversations": [
                    {"role": "user", "content": "Go on"},
                    {"role": "assistant", "content": "".join(row)},
                ]
            }
            for row in chosen
        )
        lines = "\n".join(map(json.dumps, rows)).encode()
        (folder / f"{name}.jsonl.zst").write_bytes(zstandard.compress(lines))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace with the demo's conversations, not counted yet, and the tokenizer converted."""
    home = new_home(tmp_path_factory.mktemp("browser"))
    before = os.environ.get("VOCABTRIM_HOME")
    os.environ["VOCABTRIM_HOME"] = str(home)
    tokens = load_tokenizer("smollm2").tokens(range(DRAFT.vocab_size))
    demo_files(home / "demo", [text for text in tokens if re.fullmatch(" [a-z]+", text)])
    yield home
    if before is not None:
        os.environ["VOCABTRIM_HOME"] = before


@pytest.fixture(scope="module")
def app(home):
    """The running app's address. Nobody has opened it yet."""
    with serving(home) as address:
        yield address


@pytest.fixture(scope="module")
def context():
    """One browser for all tests."""
    with browser(viewport={"width": 1440, "height": 1000}, accept_downloads=True) as context:
        yield context


@pytest.fixture
def page(context):
    with tab(context) as page:
        yield page


def text(page) -> str:
    """What the page says."""
    return page.inner_text("[data-testid=stMain]")


def wait_for(page, words: str) -> None:
    """Until the page says it."""
    page.get_by_text(words).first.wait_for()


def explore(page, app: str, link: str = "") -> None:
    """Explore, drawn and at rest."""
    page.goto(f"{app}/explore{link}")
    page.wait_for_selector(".live[data-k]")
    wait_for(page, "Keeping")


def chosen(page) -> int:
    """The size the chart shows."""
    return int(page.locator(".live").get_attribute("data-k"))


def told(page) -> int:
    """The size Python's sentence tells."""
    return int(re.search(r"Keeping ([\d,]+) of", text(page))[1].replace(",", ""))


def wait_until_told(page, size: int) -> None:
    """Until Python agrees with the chart."""
    page.get_by_text(f"Keeping {size:,} of").first.wait_for()


def exact(name: str, alpha: float) -> int:
    """The library's optimum for one counted set of the workspace."""
    stored = next(s for s in list_counts() if s.counts.name == name)
    return TradeOff(CoverageCurve.of(stored.counts), DRAFT, alpha).optimum.k


def key_of(name: str) -> str:
    """Key of one counted set."""
    return next(s.key for s in list_counts() if s.counts.name == name)


def test_first_visit_shows_shipped_counts_and_counts_the_demo_on_demand(page, app, home):
    page.goto(f"{app}/explore")
    wait_for(page, "Keeping 11,160 of 128,256")
    assert page.locator("[data-testid=stTopNavLink]").count() == len(PAGES)
    page.goto(app)
    wait_for(page, "against 11,160 for Public blend")
    assert not list((home / "jobs").glob("*/spec.json"))
    settled(page)
    page.screenshot(path=SCREENSHOTS / "first-visit.png", full_page=True)
    page.locator(".st-key-build_demo button").click()
    wait_for(page, "for tool-calls against")
    assert f"of {DRAFT.vocab_size:,}" in text(page)
    page.locator(".st-key-domains .scatterlayer .trace").first.wait_for()
    settled(page)
    page.screenshot(path=SCREENSHOTS / "overview.png", full_page=True)


def test_the_chart_follows_the_slider_while_it_moves(page, app):
    explore(page, app, f"?counts={key_of('python-assistant')}")
    address, before = page.url, told(page)
    x, y = thumb(page, "alpha")
    page.mouse.move(x, y)
    page.mouse.down()
    seen, path = set(), page.locator(".curve.utility").get_attribute("d")
    for step in range(1, 11):
        page.mouse.move(x + 12 * step, y)
        path = changed(page, ".curve.utility", "d", path)
        seen.add(chosen(page))
    assert len(seen) > 3
    assert told(page) == before
    assert page.url == address
    page.mouse.up()
    wait_until_told(page, chosen(page))
    assert "alpha=" in page.url
    alpha = float(slider(page, "alpha").input_value())
    assert chosen(page) == exact("python-assistant", alpha)
    page.screenshot(path=SCREENSHOTS / "explore.png")


def test_the_browser_finds_the_exact_optimum(page, app):
    explore(page, app, f"?counts={key_of('tool-calls')}")
    slider(page, "alpha").focus()
    for key in ("Home", "ArrowRight", "PageUp", "PageUp", "PageUp", "End"):
        page.keyboard.press(key)
        alpha = float(slider(page, "alpha").input_value())
        assert chosen(page) == exact("tool-calls", alpha), alpha


def test_sizes_can_be_chosen_in_every_way(page, app):
    explore(page, app)
    best = chosen(page)
    page.locator(".st-key-preset").get_by_text("32,000", exact=True).click()
    wait_until_told(page, 32_000)
    assert chosen(page) == 32_000
    page.get_by_role("button", name="Back to the optimum").click()
    wait_until_told(page, best)
    probe = page.locator(".probe")
    box = probe.bounding_box()
    probe.click(position={"x": box["width"] * 0.5, "y": 20})
    clicked = chosen(page)
    wait_until_told(page, clicked)
    assert f"k={clicked}" in page.url
    probe.focus()
    page.keyboard.press("ArrowRight")
    assert probe.get_attribute("aria-valuetext").startswith(f"{round(clicked * 1.02):,} token")
    page.keyboard.press("Enter")
    wait_until_told(page, round(clicked * 1.02))
    slider(page, "size").focus()
    page.keyboard.press("Home")
    wait_until_told(page, best)


def test_the_floor_rules_sizes_out(page, app):
    explore(page, app, f"?counts={key_of('python-assistant')}")
    drag(page, "floor", 400, 6)
    page.get_by_text("below the floor").wait_for()
    assert page.locator(".infeasible").get_attribute("visibility") == "visible"
    assert page.locator("#chart-title").text_content().startswith(f"{chosen(page):,} tokens of")


def test_nothing_under_the_chart_moves(page, app):
    explore(page, app, f"?counts={key_of('python-assistant')}&kmax=1000&floor=10")
    tall = page.locator(".live").bounding_box()["height"]
    page.get_by_text("linear", exact=True).click()
    page.get_by_text("(linear scale)").wait_for()
    assert page.locator(".live").bounding_box()["height"] == tall
    drag(page, "floor", 400, 6)
    page.get_by_text("floor out of reach").wait_for()
    assert page.locator(".live").bounding_box()["height"] == tall


def test_the_crosshairs_box_covers_no_dot(page, app):
    explore(page, app, f"?counts={key_of('python-assistant')}&k=32000")
    probe = page.locator(".probe")
    area = probe.bounding_box()
    for share in np.linspace(0.05, 0.95, 13):
        probe.hover(position={"x": area["width"] * share, "y": area["height"] / 2})
        box = page.locator(".readout").bounding_box()
        for dot in page.locator(".manual circle, .hover circle").all():
            at = dot.bounding_box()
            across, down = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
            inside = 0 < across - box["x"] < box["width"] and 0 < down - box["y"] < box["height"]
            assert not inside, share


def test_the_header_is_not_clipped_in_a_narrow_window(app, context):
    with another(context, viewport={"width": 900, "height": 1000}) as page:
        explore(page, app)
        settled(page)
        for key in ("draft_menu", "provenance"):
            label = page.locator(f".st-key-{key} button p").first
            assert label.evaluate("node => node.scrollWidth <= node.clientWidth"), key
        page.screenshot(path=SCREENSHOTS / "narrow.png")


def test_pin_compare_undo_and_share(page, app, context):
    explore(page, app, f"?counts={key_of('python-assistant')}&alpha=0.3")
    first = chosen(page)
    page.get_by_role("button", name="Pin").click()
    drag(page, "alpha", 60, 4)
    wait_until_told(page, chosen(page))
    second = chosen(page)
    assert second != first
    page.get_by_role("button", name="Pin").click()
    page.get_by_text(f"Pinned {second:,} on python-assistant").wait_for()
    assert page.get_by_role("heading", name="Explore").is_visible()
    page.screenshot(path=SCREENSHOTS / "pinned.png")
    page.get_by_role("tab", name="Pinned choices").click()
    wait_for(page, "Compared with")
    settled(page)
    page.screenshot(path=SCREENSHOTS / "pins.png", full_page=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    other = context.new_page()
    other.goto(link)
    other.wait_for_selector(".live[data-k]")
    assert chosen(other) == second
    other.close()
    page.get_by_role("button", name="Undo").click()
    wait_until_told(page, first)
    assert chosen(page) == first


def test_a_point_of_the_frontier_chooses_its_size(page, app):
    explore(page, app, f"?counts={key_of('python-assistant')}")
    page.get_by_role("tab", name="Pareto frontier").click()
    point = page.locator(".js-plotly-plot .scatterlayer .trace .point").nth(30)
    point.wait_for()
    point.click(force=True)
    page.get_by_role("button", name="Back to the optimum").wait_for()
    wait_until_told(page, chosen(page))
    page.screenshot(path=SCREENSHOTS / "frontier.png", full_page=True)


def start_search(page, app, name: str, trials: str) -> None:
    page.goto(f"{app}/search?counts={key_of(name)}")
    wait_for(page, "Start the search")
    field = page.locator(".st-key-tpe_trials input")
    field.fill(trials)
    field.press("Enter")
    page.get_by_role("button", name="Start the search").click()


def test_the_search_runs_live_against_the_exact_answer(page, app):
    start_search(page, app, "python-assistant", "15")
    wait_for(page, "After 15 trials")
    settled(page)
    page.screenshot(path=SCREENSHOTS / "search.png", full_page=True)
    assert "TPE, 15 trials" in text(page)


def test_a_cancelled_search_is_followed_again_when_it_goes_on(page, app):
    start_search(page, app, "tool-calls", "120")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Resume").click()
    wait_for(page, "After 120 trials")
    page.get_by_text("done in").wait_for()


def test_the_export_downloads_intact(page, app, tmp_path):
    explore(page, app, f"?counts={key_of('tool-calls')}")
    size = chosen(page)
    page.get_by_role("link", name="Export").first.click()
    button = page.get_by_role("button", name=re.compile("Download .* files"))
    button.wait_for()
    with page.expect_download() as waiting:
        button.click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        archive.extractall(tmp_path)
    manifest = exports.verify(tmp_path / f"draft-vocabulary-{size}")
    assert manifest.k == size
    page.screenshot(path=SCREENSHOTS / "export.png", full_page=True)


@pytest.mark.parametrize("name", ["", "corpus", "explore", "search", "export"])
def test_phones_and_dark_rooms(app, context, name):
    with another(context, **PHONE) as page:
        page.goto(f"{app}/{name}")
        page.get_by_role("heading").first.wait_for()
        settled(page)
        page.screenshot(path=SCREENSHOTS / f"phone-{name or 'overview'}.png", full_page=True)
        assert overflow(page) <= 0


def test_numbers_in_bars_stay_within_them_on_a_phone(app, context):
    """Of the pictures of a step and of a cycle: a number without room in its bar is left out."""
    with another(context, **PHONE) as page:
        page.goto(f"{app}/explore")
        page.locator(".live[data-k]:not([data-k=''])").wait_for(state="attached")
        settled(page)
        page.get_by_role("tab", name="Cost per component").click()
        page.get_by_text("one cycle, to scale").wait_for()
        settled(page)
        page.wait_for_function("document.querySelectorAll('.barlayer .bartext').length > 8")
        bars = page.evaluate(
            """() => [...document.querySelectorAll('.barlayer .point')].map(point => {
                const bar = point.querySelector('path').getBoundingClientRect();
                const text = point.querySelector('.bartext')?.getBoundingClientRect();
                return [bar.left, bar.right, text?.left ?? 0, text?.right ?? 0, text?.width ?? 0];
            })"""
        )
        page.screenshot(path=SCREENSHOTS / "phone-cost.png", full_page=True)
    shown = [bar for bar in bars if bar[4] > 0]
    assert len(shown) > 4
    assert len(shown) < len(bars)
    for left, right, text_left, text_right, _ in shown:
        assert left - 1 <= text_left
        assert text_right <= right + 1
