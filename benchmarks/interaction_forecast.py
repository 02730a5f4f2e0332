"""Time what a visitor of Forecast feels, in headless Chromium over the running app.

    python benchmarks/interaction_forecast.py [--releases 12]

From letting go of a slider to the new numbers on the page: the tiles over the chart, and the
sentence below it. Answers of 3 million tokens by Zipf's law over the Llama 3.1 vocabulary; their
ceiling is found once, before the first release, as for any set that was looked at before. The
acceptance length moves the forecast alone; the depth takes another row of the ceiling too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.browser import chromium, drag, serving
from benchmarks.interaction import row
from benchmarks.report import write_report

SIZE, TOKENS, CONVERSATIONS = 128_256, 3_000_000, 10_000
WATCH = """() => {
  const inside = (selector) => [...document.querySelectorAll('*')]
    .map((node) => node.shadowRoot?.querySelector(selector)).find(Boolean);
  const reads = {
    tiles: () => inside('[data-tile=full] output')?.textContent,
    sentence: () => [...document.querySelectorAll('[data-testid=stMarkdownContainer] p')]
      .find((p) => p.textContent.includes('are predicted to change'))?.textContent,
  };
  const seen = (window.bench = {});
  let released = null;
  const before = {};
  document.addEventListener('pointerdown', () => {
    released = null;
    for (const name in reads) before[name] = reads[name]();
  }, true);
  document.addEventListener('pointerup', (event) => { released = event.timeStamp; }, true);
  const look = () => {
    if (released !== null)
      for (const name in reads) {
        const now = reads[name]();
        if (now && now !== before[name]) {
          before[name] = now;
          (seen[name] ??= []).push(performance.now() - released);
        }
      }
    requestAnimationFrame(look);
  };
  look();
}"""


def synthetic_workspace(home: Path) -> str:
    """One counted set with its answers in a workspace of its own; its key."""
    os.environ["VOCABTRIM_HOME"] = str(home)
    from vocabtrim_core.counting.response_files import keep_responses
    from vocabtrim_core.counting.responses import Responses
    from vocabtrim_core.counts import Provenance, TokenCounts
    from vocabtrim_core.counts_store import save_counts

    rng = np.random.default_rng(0)
    ids = rng.permutation(SIZE)[rng.zipf(1.25, TOKENS) % SIZE].astype(np.uint32)
    offsets = np.linspace(0, TOKENS, CONVERSATIONS + 1).astype(np.int64)
    responses = Responses(
        ids, offsets, np.arange(CONVERSATIONS), np.full(CONVERSATIONS, -1, np.int16), (), SIZE
    )
    about = Provenance(
        "assistant",
        "synthetic",
        "0" * 64,
        "tokenizer",
        "none",
        corpora=({"name": "zipf", "sha256": "0" * 64, "conversations": CONVERSATIONS},),
    )
    counts = TokenCounts(responses.counts(), CONVERSATIONS, 0, about)
    save_counts(counts)
    keep_responses(counts.key, responses)
    return counts.key


def measure(address: str, key: str, releases: int) -> dict[str, dict[str, list[float]]]:
    """Slider -> what changed -> milliseconds after each release."""
    found = {}
    with chromium(viewport={"width": 1440, "height": 1300}) as context:
        page = context.new_page()
        page.goto(f"{address}/forecast?counts={key}")
        page.get_by_text("are predicted to change").first.wait_for(timeout=120_000)
        page.wait_for_timeout(2500)
        for name in ("tau", "depth"):
            page.evaluate(WATCH)
            for i in range(releases):
                drag(page, name, 30 if i % 2 else -30, 4)
                page.wait_for_timeout(1500)
            found[name] = page.evaluate("window.bench")
    return found


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--releases", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        key = synthetic_workspace(home)
        with serving(home) as address:
            found = measure(address, key, options.releases)
    names = {"tau": "acceptance length", "depth": "depth"}
    rows = [
        row(f"{names[slider]} released to new {what}", found[slider][what], "< 300 ms")
        for slider in names
        for what in ("tiles", "sentence")
    ]
    note = f"V = {SIZE:,}; the ceiling of {TOKENS / 1e6:.0f} million tokens was found before."
    write_report("interaction_forecast", "Forecast in headless Chromium", rows, note)


if __name__ == "__main__":
    main()
