"""Time the first screen of a fresh start: an empty workspace, a server just started, no job.

    python -m benchmarks.first_screen [--starts 5]

Per start a server and a browser of their own. Measured from the request of the page to the last
of: the gain, k* with its interval, the curves, the domains. Writes
benchmarks/results/first_screen.json and .md.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.browser import chromium, serving
from benchmarks.report import write_report

SHOWN = {
    "tokens per second": "[data-testid=stMetricValue] >> nth=0",
    "k* with its interval": "text=95% interval >> nth=0",
    "coverage curves": ".js-plotly-plot .main-svg >> nth=0",
    "domains": "[data-testid=stDataFrame] canvas >> nth=0",
}
PATIENCE = 60_000  # milliseconds


def start() -> dict[str, float]:
    """Seconds from the request until each part is seen, on a fresh start."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home)) as address,
        chromium(viewport={"width": 1440, "height": 900}) as context,
    ):
        page = context.new_page()
        begun = time.perf_counter()
        page.goto(address)
        seconds = {}
        for name, selector in SHOWN.items():
            page.locator(selector).wait_for(timeout=PATIENCE)
            seconds[name] = time.perf_counter() - begun
        assert not (Path(home) / "jobs").exists() or not any((Path(home) / "jobs").iterdir())
        begun = time.perf_counter()
        page.reload()
        for selector in SHOWN.values():
            page.locator(selector).wait_for(timeout=PATIENCE)
        return {**seconds, "the second visit, all of it": time.perf_counter() - begun}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    starts = [start() for _ in range(arguments.starts)]
    rows = [
        {
            "seen": name,
            "median s": round(statistics.median(one[name] for one in starts), 2),
            "slowest s": round(max(one[name] for one in starts), 2),
        }
        for name in starts[0]
    ]
    write_report("first_screen", "The first screen of a fresh start", rows)


if __name__ == "__main__":
    main()
