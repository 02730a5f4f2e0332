"""Some rows rendered before a count: what the template would refuse and what it does not write."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.corpora import MessageBatch, SkipReport
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import must_render, refused_report
from vocabtrim_core.counting.rendering import read_rows

MOST, PER_BATCH = 600, 200  # conversations that are rendered


@dataclass(slots=True)
class TrialCount:
    """Renders conversations batch by batch, only those that a count would render.

    needing: conversations seen that a count would render.  rendered: those that were, some of each
    batch, the same in every run.  refused, unwritten: what came of them, with the first places.
    """

    recipe: CountConfig
    needing: int = 0
    rendered: int = 0
    refused: SkipReport = field(default_factory=SkipReport)
    unwritten: SkipReport = field(default_factory=SkipReport)

    def add(self, batch: MessageBatch) -> None:
        """Render some conversations of a batch."""
        if batch.preformatted:
            return  # nothing of it is rendered
        rows = np.flatnonzero(must_render(batch, self.recipe))
        self.needing += len(rows)
        most = min(PER_BATCH, MOST - self.rendered, len(rows))
        # A random sample: rows of one kind may come at regular intervals.
        rows = np.sort(np.random.default_rng(self.needing).choice(rows, most, replace=False))
        found = read_rows(batch, self.recipe, rows)
        self.rendered += len(rows)
        self.refused += refused_report(batch, found.refused)
        self.unwritten += found.notes(batch)

    def refused_share(self, conversations: int) -> float:
        """Estimated share of all conversations that the template refuses, 0..1: those that need no
        rendering are never refused."""
        if not self.rendered or not conversations:
            return 0.0
        return self.refused.skipped / self.rendered * self.needing / conversations
