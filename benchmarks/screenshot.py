"""Take the picture of the README, of the Explore page over the shipped counts.

    python benchmarks/screenshot.py

The app runs over an empty workspace of its own; the page is photographed at 1440 pixels.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.browser import ROOT, chromium, serving

OUT = ROOT / "docs" / "explore.png"
WIDTH, HEIGHT = 1440, 1010
PATIENCE = 60_000  # milliseconds for the page to be drawn
COLOURS = 128  # the page has few


def main() -> None:
    """Serve, wait, photograph."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home)) as address,
        chromium(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light") as context,
    ):
        page = context.new_page()
        page.goto(f"{address}/explore")
        page.get_by_text("Keeping").first.wait_for(timeout=PATIENCE)
        page.locator(".live .curve.utility").first.wait_for(state="attached")
        page.wait_for_timeout(3000)  # for what still moves
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(OUT, optimize=True)
    print(f"{OUT}: {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
