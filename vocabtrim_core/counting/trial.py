"""A trial before a count: renders some rows, and reports what the template refuses or omits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.corpora import Corpus, MessageBatch, SkipReport
from vocabtrim_core.corpora.skips import BROKEN, remedy_of
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import must_render, refused_report
from vocabtrim_core.counting.rendering import read_rows
from vocabtrim_core.errors import InputError

MOST, PER_BATCH = 600, 200  # conversations that are rendered
TRIED_BYTES = 8 * 2**20  # of files that are read before a count is begun
ERRORS = 2  # standard errors below an estimated share that still have to be above the limit


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

    def surely_refused(self, conversations: int) -> float:
        """The share of all conversations that the template refuses at least.

        Args:
            conversations: Conversations seen in all.

        Returns:
            The share (0..1), of a sample less `ERRORS` standard errors.
        """
        if not self.rendered or not conversations:
            return 0.0
        share = self.refused.skipped / self.rendered
        if self.rendered < self.needing:
            share -= ERRORS * math.sqrt(share * (1 - share) / self.rendered)
        return max(0.0, share) * self.needing / conversations


def require_few_refused(corpus: Corpus, recipe: CountConfig) -> None:
    """Refuse a corpus of whose first rows more are left out than a count allows.

    Args:
        corpus: The corpus; its first `TRIED_BYTES` are read.
        recipe: Template, rule and the largest share allowed (`most_refused`).

    Raises:
        InputError: The template refuses more of the conversations, or more of them are broken.
    """
    trial, skipped, done = TrialCount(recipe), SkipReport(), 0
    for block in (block for shard in corpus.shards() for block in corpus.blocks(shard)):
        batch = block.batch()
        skipped += SkipReport.of(batch)
        trial.add(batch)
        done += block.file_bytes
        if done > TRIED_BYTES:
            break
    read = skipped.conversations
    reasons = [r for r in skipped.reasons if r[0].startswith(BROKEN)]
    broken = sum(rows for _, rows, _ in reasons)
    share = (broken + trial.surely_refused(read) * read) / max(1, broken + read)
    if share <= recipe.most_refused:
        return
    causes = sorted((*reasons, *trial.refused.reasons))
    reason, _, places = max(causes, key=lambda counted: counted[1])
    roles = SkipReport(0, tuple(reasons)).unknown_roles()
    told = []
    if refused := trial.refused.skipped:
        told.append(
            f"the template refuses {refused:,} of {trial.rendered:,} conversations rendered"
        )
    if broken:
        told.append(f"{broken:,} of {broken + read:,} rows are broken")
    raise InputError(
        f"{corpus.name}: {' and '.join(told)} ({places[0]}: {reason}), more than the "
        f"{recipe.most_refused:.1%} that may be left out; "
        f"{remedy_of(reason, roles=roles) or 'choose another template'}, mend the rows, or allow a "
        "larger share (--max-refused)."
    )
