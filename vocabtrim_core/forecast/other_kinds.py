"""What a forecast says for draft heads on which its constants were not fitted."""

from __future__ import annotations

from dataclasses import replace

from vocabtrim_core.draft_kinds import EAGLE3, KINDS
from vocabtrim_core.forecast.inputs import Acceptance


def of_kind(acceptance: Acceptance, kind: str) -> Acceptance:
    """Say that the acceptance of other heads follows constants that were fitted on EAGLE-3.

    Args:
        acceptance: The acceptance on a text.
        kind: Kind of the draft head, a key of KINDS.

    Returns:
        The same with a sentence more for other kinds than EAGLE-3.
    """
    if kind == EAGLE3:
        return acceptance
    head = KINDS[kind]
    text = (
        f"Acceptance on {head.title}: what a trimmed draft loses beyond its coverage, how its "
        "acceptance falls along the drafted tokens, and the length taken where none is given were "
        "fitted on EAGLE-3 drafts alone; give measured lengths of this head."
    )
    if head.parallel:
        text += " A block drafted in parallel also loses more at its later tokens."
    return replace(acceptance, assumed=(*acceptance.assumed, text))
