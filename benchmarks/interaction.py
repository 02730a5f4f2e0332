"""Time what a visitor of Explore feels, in headless Chromium over the running app.

    python benchmarks/interaction.py [--drags 12] [--moves 10]

drag: from the browser's time stamp of a pointer move on a slider to the curve's new path in the
document, and to the frame that shows it. release: from letting go to the new sentence, the new
table and the new address. Counts follow Zipf's law over the Llama 3.1 vocabulary (V = 128,256).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.browser import chromium, drag, serving
from benchmarks.report import write_report

WATCH = """() => {
  const all = [...document.querySelectorAll('*')];
  const host = all.find((node) => node.shadowRoot?.querySelector('.live'));
  const path = host.shadowRoot.querySelector('.curve.utility');
  const seen = (window.bench = { moves: 0, drag: [], shown: [], release: {} });
  let moved = null;
  document.addEventListener('pointermove', (event) => {
    if (event.buttons) { moved ??= event.timeStamp; seen.moves++; }
  }, true);
  new MutationObserver(() => {
    if (moved === null) return;
    const from = moved;
    moved = null;
    seen.drag.push(performance.now() - from);
    requestAnimationFrame(() => setTimeout(() => seen.shown.push(performance.now() - from)));
  }).observe(path, { attributes: true, attributeFilter: ['d'] });

  const reads = {
    sentence: () => [...document.querySelectorAll('[data-testid=stMarkdownContainer] p')]
      .find((p) => p.textContent.startsWith('Keeping'))?.textContent,
    table: () => document.querySelector('[data-testid=stTable] tbody')?.textContent,
    address: () => location.search,
  };
  let released = null;
  let before = {};
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
          (seen.release[name] ??= []).push(performance.now() - released);
        }
      }
    requestAnimationFrame(look);
  };
  look();
}"""


def synthetic_workspace(home: Path) -> None:
    """One counted set in a workspace of its own."""
    import os

    os.environ["VOCABTRIM_HOME"] = str(home)
    from vocabtrim_core.counts import Provenance, TokenCounts
    from vocabtrim_core.counts_store import save_counts
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    tokenizer = load_tokenizer("llama-3.1")
    size = tokenizer.vocab_size
    counts = (2e6 / (np.arange(1, size + 1) + 8) ** 1.15).astype(np.int64)
    about = Provenance(
        "assistant",
        "llama-3.1",
        tokenizer.fingerprint,
        "tokenizer",
        "none",
        corpora=({"name": "zipf", "sha256": "0" * 64, "conversations": 1},),
    )
    shuffled = np.random.default_rng(0).permutation(counts)
    save_counts(TokenCounts(shuffled, 1, 0, about))


def measure(address: str, drags: int, moves: int) -> dict:
    """The raw times of all drags, in milliseconds."""
    with chromium(viewport={"width": 1440, "height": 1300}) as context:
        page = context.new_page()
        page.goto(f"{address}/explore")
        page.wait_for_selector(".live[data-k]", timeout=60_000)
        page.wait_for_selector("[data-testid=stTable] tbody")
        page.wait_for_timeout(2000)
        page.evaluate(WATCH)
        for i in range(drags):
            drag(page, "alpha", 60 if i % 2 else -60, moves)
            page.wait_for_timeout(1500)
        return page.evaluate("window.bench")


def row(name: str, times: list[float], goal: str) -> dict[str, object]:
    """Median, 95th percentile and worst of one kind of time."""
    ordered = sorted(times)
    return {
        "what": name,
        "n": len(ordered),
        "median, ms": round(statistics.median(ordered), 1),
        "p95, ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        "max, ms": round(ordered[-1], 1),
        "goal": goal,
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drags", type=int, default=12)
    parser.add_argument("--moves", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        synthetic_workspace(home)
        with serving(home) as address:
            found = measure(address, options.drags, options.moves)
    release = found["release"]
    rows = [
        row("drag: pointer move to new curve", found["drag"], "< 50 ms"),
        row("drag: pointer move to the frame that shows it", found["shown"], "< 50 ms"),
        row("release to new sentence", release["sentence"], "< 300 ms"),
        row("release to new table", release["table"], "< 300 ms"),
        row("release to new address", release["address"], "< 300 ms"),
    ]
    note = f"{found['moves']} pointer moves, {len(found['drag'])} redraws; V = 128,256."
    write_report("interaction", "Explore in headless Chromium", rows, note)


if __name__ == "__main__":
    main()
