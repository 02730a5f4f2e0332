"""Throughput in headless Chromium: the verdict and its figures, an import, narrow and dark."""

from __future__ import annotations

import json

import pytest
from helpers.browser_kit import (
    NEEDS_BROWSER,
    PHONE,
    SCREENSHOTS,
    another,
    browser,
    overflow,
    serving,
    settled,
    tab,
)
from helpers.made_measurements import made

from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.verdict import verdict

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A workspace with one measurement."""
    home = tmp_path_factory.mktemp("throughput")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(home))
        measurements.save(made(concurrencies=(1, 8)))
        yield home


def test_from_a_verdict_to_an_import(home, tmp_path):
    found = made(concurrencies=(1, 8))
    with (
        serving(home) as app,
        browser(viewport={"width": 1440, "height": 1100}) as context,
        tab(context) as page,
    ):
        page.goto(f"{app}/throughput")
        page.get_by_text(verdict(found, "13,264", 1)).wait_for()
        page.locator(".st-key-rates .bars .point").nth(3).wait_for()
        assert page.locator(".st-key-rates .bars .point").count() == 4
        page.locator(".st-key-measured_at").get_by_text("8", exact=True).click()
        page.get_by_text(verdict(found, "13,264", 8)).wait_for()
        settled(page)
        page.get_by_role("tab", name="Concurrency").click()
        page.locator(".st-key-concurrency .scatterlayer .trace").nth(3).wait_for()
        page.screenshot(path=SCREENSHOTS / "throughput.png", full_page=True)

        file = tmp_path / "result.jsonl"
        file.write_text(
            json.dumps(
                {
                    "average_acceptance_length": None,
                    "backend": "sglang",
                    "dataset": "mine",
                    "latency_seconds": 10.0,
                    "output_tokens": 1000,
                    "samples": 8,
                    "spec_verify_count": None,
                    "throughput_tokens_per_second": 100.0,
                }
            )
        )
        settled(page)
        page.locator(".st-key-attached input").click()
        page.get_by_role("option", name="Nothing: import results").click()
        page.locator(".st-key-result_files input[type=file]").set_input_files(str(file))
        settled(page)
        page.get_by_role("button", name="Import 1").click()
        page.get_by_text("No draft was measured on mine").wait_for()
        with another(context, **PHONE) as phone:
            phone.goto(f"{app}/throughput")
            phone.locator(".st-key-rates .main-svg").first.wait_for()
            settled(phone)
            phone.screenshot(path=SCREENSHOTS / "phone-throughput.png", full_page=True)
            assert overflow(phone) <= 0
