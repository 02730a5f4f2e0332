"""The app in headless Chromium: a server of its own, a browser, a page that is ready."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(
    home: Path, seconds: float = 60, script: str = "app.py", **environment: str
) -> Iterator[str]:
    """The app's address while the block runs, over the workspace `home`.

    It has `seconds` to start, and as many to stop.
    """
    port = free_port()
    argv = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, "VOCABTRIM_HOME": str(home), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                try:
                    urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                raise TimeoutError((home / "server.log").read_text("utf-8", "replace")[-2000:])
            yield address
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):  # it waits for connections that stay open
                server.wait(timeout=10)
            server.kill()  # does nothing to one that has ended
            server.wait()


@contextmanager
def chromium(*arguments: str, **context):
    """A browser context of Chromium, started with `arguments` beside the usual ones.

    context: goes to Playwright's `new_context`.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, *arguments])
        try:
            yield browser.new_context(**context)
        finally:
            browser.close()


def slider(page, key: str):
    """The range input of a Streamlit slider (visually hidden, so only attached)."""
    found = page.locator(f".st-key-{key} input[type=range]").first
    found.wait_for(state="attached")
    return found


def thumb(page, key: str) -> tuple[float, float]:
    """Middle of a slider's handle, in page pixels."""
    x, y = slider(page, key).evaluate(
        "input => { const r = input.parentElement.parentElement.getBoundingClientRect();"
        " return [r.x + r.width / 2, r.y + r.height / 2]; }"
    )
    return x, y


def drag(page, key: str, pixels: float, steps: int) -> None:
    """Grab a slider's handle, move it sideways in `steps` moves, let go."""
    x, y = thumb(page, key)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, steps + 1):
        page.mouse.move(x + pixels * step / steps, y)
        page.wait_for_timeout(30)
    page.mouse.up()
