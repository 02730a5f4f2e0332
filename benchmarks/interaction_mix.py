"""Time the mix of Generalize in headless Chromium over the running app.

    python benchmarks/interaction_mix.py [--drags 8] [--moves 10]

Eight counted sets over V = 151,936, by Zipf's law, in which together every token occurs, are mixed,
ranked and searched in the browser at every pointer move. drag: from the browser's time stamp of the
move to the new curve in the document, and to the frame that shows it. release: to the new sentence,
which the exact vocabulary in Python precedes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.browser import chromium, drag, serving
from benchmarks.interaction import WATCH, row
from benchmarks.report import write_report

SIZE, SETS = 151_936, 8
WATCH_MIX = WATCH.replace(
    "p.textContent.startsWith('Keeping')", "p.textContent.includes('of this mix')"
)


def synthetic_workspace(home: Path) -> list[str]:
    """Eight counted sets in a workspace of its own; their keys."""
    os.environ["VOCABTRIM_HOME"] = str(home)
    from vocabtrim_core.counts import Provenance, TokenCounts
    from vocabtrim_core.counts_store import save_counts

    keys = []
    for i in range(SETS):
        rng = np.random.default_rng(i)
        ranks = np.arange(1, SIZE + 1)
        counts = (3e6 / (ranks + 8) ** (1.1 + 0.03 * i)).astype(np.int64)
        about = Provenance(
            "assistant",
            "synthetic",
            "0" * 64,
            "tokenizer",
            "none",
            corpora=({"name": f"set {i}", "sha256": str(i), "conversations": 1},),
        )
        # Half of the order is shared, as between corpora of one language.
        order = np.argsort(np.argsort(ranks + rng.permutation(SIZE)))
        made = TokenCounts(counts[order], 1, 0, about)
        save_counts(made)
        keys.append(made.key)
    return keys


def measure(address: str, keys: list[str], drags: int, moves: int) -> dict:
    """The raw times of all drags, in milliseconds."""
    with chromium(viewport={"width": 1440, "height": 1300}) as context:
        page = context.new_page()
        page.goto(f"{address}/generalize?counts={keys[0]}&section=Tailor")
        page.wait_for_selector(".live[data-k]:not([data-k=''])", timeout=120_000)
        page.get_by_text("of this mix").first.wait_for(timeout=60_000)
        page.get_by_role("button", name="Equal").click()
        page.wait_for_timeout(4000)
        page.evaluate(WATCH_MIX)
        for i in range(drags):
            drag(page, f"mix_{keys[1 + i % (SETS - 1)][:8]}", 60, moves)
            page.wait_for_timeout(2500)
        return page.evaluate("window.bench")


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drags", type=int, default=8)
    parser.add_argument("--moves", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        keys = synthetic_workspace(home)
        with serving(home) as address:
            found = measure(address, keys, options.drags, options.moves)
    rows = [
        row("drag: pointer move to new curve", found["drag"], "< 50 ms"),
        row("drag: pointer move to the frame that shows it", found["shown"], "< 50 ms"),
        row("release to new sentence", found["release"]["sentence"], "< 1 s"),
    ]
    note = (
        f"{found['moves']} pointer moves, {len(found['drag'])} redraws; V = {SIZE:,}, {SETS} sets."
    )
    write_report("interaction_mix", "The mix of Generalize in headless Chromium", rows, note)


if __name__ == "__main__":
    main()
