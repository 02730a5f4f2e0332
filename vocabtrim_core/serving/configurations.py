"""What is compared, from what people name: drafts, training runs, baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.serving.measurement import Configuration
from vocabtrim_core.serving.sglang_server_info import draft_size

NO_SPECULATION = "no speculation"


@dataclass(frozen=True, slots=True)
class Drafting:
    """How drafts are used. draft_tokens: verified per cycle, None for a chain's steps + 1."""

    steps: Annotated[int, Leaf(WHOLE, "--steps", help="draft steps per cycle")] = 3
    topk: Annotated[int, Leaf(WHOLE, "--topk", help="branches per step")] = 1
    draft_tokens: Annotated[
        int | None,
        Leaf(WHOLE, "--draft-tokens", help="verified per cycle", unset="steps + 1"),
    ] = None

    def __post_init__(self) -> None:
        for name in ("steps", "topk"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, but it is {getattr(self, name)}.")
        chain = self.steps + 1
        if self.topk == 1 and self.draft_tokens not in (None, chain):
            raise InputError(
                f"A chain (topk 1) of {self.steps} steps verifies {chain} tokens, not "
                f"{self.draft_tokens}; leave --draft-tokens out."
            )
        if self.topk > 1 and (self.draft_tokens or 0) < 2:
            raise InputError("A tree (topk above 1) needs --draft-tokens, 2 at least.")

    def of(self, folder: Path) -> Configuration:
        """The draft in a folder. InputError when its config.json does not say its size."""
        k = draft_size(folder)
        if k is None:
            raise InputError(
                f"{folder / 'config.json'} names neither draft_vocab_size nor vocab_size; is it a "
                "draft?"
            )
        tokens = self.draft_tokens or self.steps + 1
        return Configuration(f"{k:,}", k, str(folder), self.steps, self.topk, tokens)


def found_drafts(specs: Sequence[str]) -> list[Path]:
    """Draft folders by path, RUN/K, or RUN for all drafts of a training run, each once."""
    from vocabtrim_core.serving.torch_loop.loop import draft_folder

    folders = []
    for spec in specs:
        if drafts := list(_of_run(spec)):
            folders += drafts
        else:
            folders.append(draft_folder(spec).resolve())
    return list(dict.fromkeys(folders))


def _of_run(spec: str) -> Iterator[Path]:
    from vocabtrim_core.drafts.runs import list_runs

    for run in list_runs():
        if run.name == spec and not Path(spec).exists():
            yield from (draft.draft.resolve() for draft in run.drafts if draft.draft)


def baseline_drafts(
    folders: Sequence[Path], vocab_size: int | None
) -> tuple[list[Path], list[str]]:
    """Drafts of V and of 32,000 tokens from the runs of these drafts, and what is missing.

    Only drafts of the same run are fair baselines: trained alike, on the same features.
    """
    from vocabtrim_core.drafts.runs import list_runs

    sizes = [draft_size(folder) for folder in folders]
    runs = [
        {draft.k: draft.draft.resolve() for draft in run.drafts if draft.draft}
        for run in list_runs()
    ]
    alike = [drafts for drafts in runs if set(drafts.values()) & set(folders)]
    found, missing = [], []
    for k in (vocab_size, SHIPPED_K):
        if k is None or k in sizes or (vocab_size is not None and k > vocab_size):
            continue
        if at_hand := next((drafts[k] for drafts in alike if k in drafts), None):
            found.append(at_hand)
        else:
            missing.append(f"No draft with k = {k:,} is at hand, so that baseline is left out.")
    return found, missing


def told_apart(configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """Equal labels get the names of their drafts, or their places."""
    labels = [each.label for each in configurations]
    found = []
    for i, each in enumerate(configurations):
        if labels.count(each.label) > 1:
            names = [_name(c.draft) for c in configurations if c.label == each.label]
            name = _name(each.draft)
            by = name if names.count(name) == 1 else str(i + 1)
            each = replace(each, label=f"{each.label} ({by})")
        found.append(each)
    return tuple(found)


def _name(draft: str) -> str:
    """What tells a draft from others: its folder, or its run where that is called draft."""
    path = PurePosixPath(draft)
    return path.name if path.name != "draft" else path.parent.parent.name


def asked_k(name: str, vocab_size: int | None) -> int | None:
    """The k that a name stands for: 13264, 13,264 or full; None for any other name."""
    if name.lower() in ("full", "v"):
        return vocab_size
    digits = name.replace(",", "").replace("_", "")
    return int(digits) if digits.isdecimal() else None
