"""A trial before a count: renders some rows, and reports what the template refuses or omits."""

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
    """Renders a sample of the conversations that a count would render.

    Attributes:
        recipe: Template and rule.
        needing: Conversations seen that a count would render.
        rendered: Those rendered, some of each batch, the same in every run.
        refused: Those that the template refused, with reasons and first places.
        unwritten: What the template does not write, with first places.
    """

    recipe: CountConfig
    needing: int = 0
    rendered: int = 0
    refused: SkipReport = field(default_factory=SkipReport)
    unwritten: SkipReport = field(default_factory=SkipReport)

    def add(self, batch: MessageBatch) -> None:
        """Render a sample of a batch.

        Args:
            batch: Messages of a block.
        """
        if batch.preformatted:
            return  # nothing of it is rendered
        rows = np.flatnonzero(must_render(batch, self.recipe))
        self.needing += len(rows)
        most = min(PER_BATCH, MOST - self.rendered, len(rows))
        # A random sample: rows of one kind may come at regular intervals.
        rows = np.sort(np.random.default_rng(self.needing).choice(rows, most, replace=False))
        rendered = read_rows(batch, self.recipe, rows)
        self.rendered += len(rows)
        self.refused += refused_report(batch, rendered.refused)
        self.unwritten += rendered.notes(batch)

    def refused_share(self, conversations: int) -> float:
        """Estimate the share of all conversations that the template refuses.

        Conversations that need no rendering are never refused.

        Args:
            conversations: Conversations seen in all.

        Returns:
            The share, 0..1.
        """
        if not self.rendered or not conversations:
            return 0.0
        return self.refused.skipped / self.rendered * self.needing / conversations
