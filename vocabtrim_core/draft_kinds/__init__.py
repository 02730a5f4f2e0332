"""Kinds of draft heads, a file each; `KINDS` lists them.

To add one: a subclass of `HeadKind` in a file here, an entry of `KINDS`, and how its config is
recognised in `recognise.py`.
"""

from __future__ import annotations

from vocabtrim_core.draft_kinds.dflash import DFlash
from vocabtrim_core.draft_kinds.dspark import DSpark
from vocabtrim_core.draft_kinds.eagle import Eagle
from vocabtrim_core.draft_kinds.eagle3 import Eagle3
from vocabtrim_core.draft_kinds.gemma_assistant import GemmaAssistant
from vocabtrim_core.draft_kinds.kind import HeadKind
from vocabtrim_core.draft_kinds.mtp import Mtp
from vocabtrim_core.draft_kinds.peagle import PEagle
from vocabtrim_core.draft_kinds.standalone import Standalone
from vocabtrim_core.errors import InputError

EAGLE3 = Eagle3.name
ALL = (Eagle3(), Eagle(), PEagle(), DFlash(), DSpark(), Mtp(), Standalone(), GemmaAssistant())
KINDS: dict[str, HeadKind] = {kind.name: kind for kind in ALL}
TRIMMED = tuple(name for name, kind in KINDS.items() if not kind.refusal)


def find_kind(name: str) -> HeadKind:
    """The kind of this name.

    Args:
        name: A key of KINDS.

    Returns:
        The kind.

    Raises:
        InputError: There is no such kind, or nothing can be trimmed of it.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise InputError(
            f"There is no kind of draft head {name!r}; choose one of {', '.join(TRIMMED)}."
        )
    if kind.refusal:
        raise InputError(f"{kind.title}: {kind.refusal}.")
    return kind
