"""What tests in headless Chromium share. They wait for what the app says, never for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import TESTS

pytest.importorskip("playwright")

from benchmarks.browser import CHROMIUM, chromium
from benchmarks.browser import serving as started

SCREENSHOTS = TESTS / "screenshots"  # git ignores it
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Chromium at /usr/bin/chromium"),
]
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "reduced_motion": "reduce",
}
AT_REST = (
    "[data-testid=stApp][data-test-script-state=notRunning][data-test-connection-state=CONNECTED]"
)


@contextmanager
def browser(*arguments: str, **context) -> Iterator:
    """A patient browser context; arguments as those of `chromium`."""
    SCREENSHOTS.mkdir(exist_ok=True)
    with chromium(*arguments, **context) as made:
        made.set_default_timeout(patience())
        yield made


def patience() -> float:
    """Milliseconds until a wait is given up: a minute, and up to five while processes queue."""
    queue = os.getloadavg()[0] / (os.cpu_count() or 1)
    return 60_000 * min(max(queue, 1), 5)


@contextmanager
def serving(home: Path, **environment: str) -> Iterator[str]:
    """The running app's address; a stack trace in the server's log fails the test."""
    with started(home, patience() / 1000, **environment) as address:
        yield address
    log = (home / "server.log").read_text("utf-8", "replace")
    assert "most recent call last" not in log, log[-4000:]


@contextmanager
def another(context, **options) -> Iterator:
    """Another visitor's tab in the same browser."""
    made = context.browser.new_context(**options)
    made.set_default_timeout(patience())
    yield made.new_page()
    made.close()


@contextmanager
def tab(context) -> Iterator:
    """A tab; an error of our own scripts fails the test."""
    page = context.new_page()
    page.set_default_timeout(patience())
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors, errors


def settled(page) -> None:
    """Until Streamlit says that the page's script has run to its end and all is drawn.

    In place of a widget whose code is still being loaded it draws a grey box.
    """
    page.locator(AT_REST).wait_for(state="attached")
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def changed(page, selector: str, attribute: str, before: str) -> str:
    """An attribute's value once it is another than `before`."""
    from playwright.sync_api import expect

    found = page.locator(selector).first
    expect(found).not_to_have_attribute(attribute, before, timeout=patience())
    return found.get_attribute(attribute)


def overflow(page) -> int:
    """Pixels by which the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
