"""PDF and PNG by an installed Chromium; without one they cannot be made."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import atomic, write_atomic

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
QUIET = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--hide-scrollbars",
    "--disable-extensions",
)
SECONDS = 120
PNG_WIDTH, PNG_SCALE = 720, 2  # CSS pixels of the page; pixels of the image per CSS pixel


def chromium() -> str | None:
    """Return the browser that prints: $CHROME, or the first of the usual names; else None."""
    named = os.environ.get("CHROME")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def required() -> str:
    """Find the browser that prints.

    Returns:
        Its path.

    Raises:
        InputError: There is none.
    """
    browser = chromium()
    if browser is None:
        raise InputError(
            "A PDF or PNG needs Chromium or Chrome, and none was found; install one, name it in "
            "CHROME, or print the HTML report from a browser."
        )
    return browser


def print_pdf(page: str | Path, out: str | Path) -> Path:
    """Print an HTML file as PDF, in the page size of its style.

    Args:
        page: The HTML file.
        out: The PDF to write.

    Returns:
        The path of the PDF.

    Raises:
        InputError: There is no Chromium, or it fails.
    """
    with atomic(out) as scratch:
        _run(
            "--no-pdf-header-footer",
            f"--print-to-pdf={scratch.resolve()}",
            Path(page).resolve().as_uri(),
        )
        _check(scratch)
    return Path(out)


def print_png(svg: str, out: str | Path) -> Path:
    """Print an SVG figure as PNG on white.

    Args:
        svg: SVG text with a viewBox.
        out: The PNG to write.

    Returns:
        The path of the PNG.

    Raises:
        InputError: There is no Chromium, or it fails.
    """
    head, _, _ = svg.partition(">")
    height = round(float(head.partition('viewBox="')[2].partition('"')[0].split()[3]))
    with tempfile.TemporaryDirectory() as home:
        page, shot = Path(home) / "figure.html", Path(home) / "figure.png"
        page.write_text(f"<!doctype html><style>body{{margin:0}}</style>{svg}", "utf-8")
        _run(
            f"--screenshot={shot}",
            f"--window-size={PNG_WIDTH},{height}",
            f"--force-device-scale-factor={PNG_SCALE}",
            page.as_uri(),
        )
        _check(shot)
        return write_atomic(out, shot.read_bytes())


def _run(*arguments: str) -> None:
    browser = required()
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *QUIET, *as_root, f"--user-data-dir={profile}", *arguments]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            raise InputError(
                f"{browser} could not print the report ({type(error).__name__}); print the HTML "
                "report from a browser instead."
            ) from error


def _check(path: Path) -> None:
    if not path.is_file() or not path.stat().st_size:
        raise InputError("Chromium printed nothing; print the HTML report from a browser instead.")
