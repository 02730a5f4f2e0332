"""Hand over and Present in headless Chromium: a choice.json travels, a page is presented.

Screenshots go to tests/screenshots/, which git ignores.
"""

from __future__ import annotations

import os
from pathlib import Path

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
from helpers.talks import zipf

from benchmarks.browser import slider
from vocabtrim_core.counts_store import list_counts, save_counts
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace with two counted sets."""
    home = tmp_path_factory.mktemp("handover")
    before = os.environ.get("VOCABTRIM_HOME")
    os.environ["VOCABTRIM_HOME"] = str(home)
    for name, slope, seen in (("broad", 1.1, 50_000), ("narrow", 1.3, 6_000)):
        save_counts(zipf(name, slope, seen))
    yield home
    if before is not None:
        os.environ["VOCABTRIM_HOME"] = before


def saved() -> SelectionSpec:
    """A choice on the broad set, with settings of its own."""
    counts = next(s.counts for s in list_counts() if s.counts.name == "broad")
    return SelectionSpec.make(counts, Settings(PRESETS["llama-3.2-1b"], 0.61, 0.937, None, 20))


def test_a_choice_travels_and_is_presented(home, tmp_path):
    choice = saved()
    file = choice.save(tmp_path / "choice.json")
    with (
        serving(home) as app,
        browser(viewport={"width": 1440, "height": 900}) as context,
        tab(context) as page,
    ):
        page.goto(f"{app}/explore?alpha=0.3&k=4380")
        page.wait_for_selector(".live[data-k]")
        page.get_by_role("link", name="Hand over").first.click()
        page.locator("input[type=file]").set_input_files(file)
        page.get_by_text("the same tokens as when saved").wait_for()
        page.get_by_text(f"Keep {choice.k:,} of").first.wait_for()  # the report is of this choice
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Report, one HTML file").click()
        assert f"Keep {choice.k:,} of" in waiting.value.path().read_text("utf-8")
        page.screenshot(path=SCREENSHOTS / "handover.png")
        page.get_by_role("link", name="Explore").first.click()
        page.wait_for_selector(f'.live[data-k="{choice.k}"]')
        assert slider(page, "alpha").input_value() == "0.61"
        page.get_by_role("link", name="Hand over").first.click()
        page.get_by_role("button", name="Present").click()
        page.get_by_role("heading", name="Alternatives").wait_for()
        assert page.locator("[data-testid=stTopNavLink]").count() == 0
        page.locator(f'.live[data-k="{choice.k}"] .curve.utility[d^="M"]').wait_for()
        page.screenshot(path=SCREENSHOTS / "present.png")
        link = page.url
        page.keyboard.press("Escape")
        page.get_by_text("Opens the presentation").wait_for()
        # Somebody else opens the link, on a phone in a dark room.
        with_dark = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
        with another(context, **with_dark) as phone:
            phone.goto(link)
            phone.get_by_role("heading", name=f"Keep {choice.k:,} of").wait_for()
            settled(phone)
            phone.screenshot(path=SCREENSHOTS / "phone-present.png", full_page=True)
            assert overflow(phone) <= 0
