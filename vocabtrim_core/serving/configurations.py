"""The configurations of a measurement, from names of drafts, training runs and baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import SMALL_WHOLES, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.model_config import read_config
from vocabtrim_core.serving.measurement import Configuration

NO_SPECULATION = "no speculation"


@dataclass(frozen=True, slots=True)
class Drafting:
    """Settings of speculative decoding that all drafts share.

    Attributes:
        steps: Draft steps per cycle; of several, drafts are measured with each.
        topk: Branches per step, 1 for a chain.
        draft_tokens: Tokens verified per cycle, None for a chain's steps + 1.

    Raises:
        InputError: The settings do not fit together.
    """

    steps: Annotated[
        tuple[int, ...],
        Leaf(SMALL_WHOLES, "--steps", help="draft steps per cycle; several are compared: 1,2,3"),
    ] = (3,)
    topk: Annotated[int, Leaf(WHOLE, "--topk", help="branches per step")] = 1
    draft_tokens: Annotated[
        int | None,
        Leaf(WHOLE, "--draft-tokens", help="verified per cycle", unset="steps + 1"),
    ] = None

    def __post_init__(self) -> None:
        for name, smallest in (("steps", min(self.steps, default=0)), ("topk", self.topk)):
            if smallest < 1:
                raise InputError(f"{name} must be at least 1, but it is {smallest}.")
        for steps in self.steps:
            if self.topk == 1 and self.draft_tokens not in (None, steps + 1):
                raise InputError(
                    f"A chain (topk 1) of {steps} steps verifies {steps + 1} tokens, not "
                    f"{self.draft_tokens}; leave --draft-tokens out."
                )
        if self.topk > 1 and (self.draft_tokens or 0) < 2:
            raise InputError("A tree (topk above 1) needs --draft-tokens, 2 at least.")

    def configurations(
        self, folders: Sequence[Path], swept: Sequence[Path] = ()
    ) -> tuple[Configuration, ...]:
        """The configurations of some drafts, one per draft and number of steps.

        Args:
            folders: Folders of the drafts.
            swept: The drafts that are measured with every number of steps, the others with the
                most; empty for all.

        Returns:
            Configurations with unique labels: sizes, with the steps where there are several.

        Raises:
            InputError: The config.json of a draft does not state its size.
        """
        pairs = (
            (folder, steps)
            for folder in folders
            for steps in (self.steps if not swept or folder in swept else (max(self.steps),))
        )
        return with_unique_labels([self._of(folder, steps) for folder, steps in pairs])

    def _of(self, folder: Path, steps: int) -> Configuration:
        k = draft_size(folder)
        if k is None:
            raise InputError(
                f"{folder / 'config.json'} names neither draft_vocab_size nor vocab_size; is it a "
                "draft?"
            )
        tokens = self.draft_tokens or steps + 1
        return Configuration(f"{k:,}", k, str(folder), steps, self.topk, tokens)


def draft_size(folder: str | Path) -> int | None:
    """k of a draft, from its config.json.

    Args:
        folder: Folder of the draft.

    Returns:
        k; None where the file cannot be read or does not state it.
    """
    try:
        config = read_config(folder)
        return config.size("draft_vocab_size") or config.size("vocab_size")
    except InputError:
        return None


def baseline_drafts(
    folders: Sequence[Path], vocab_size: int | None
) -> tuple[list[Path], list[str]]:
    """Baselines: drafts of V and of 32,000 tokens from the training runs of these drafts.

    Only drafts of the same run are fair baselines, because they are trained in the same way on the
    same features.

    Args:
        folders: Folders of the drafts.
        vocab_size: V, None where unknown.

    Returns:
        Folders of the baselines, and a sentence for each one that is missing. Sizes that the
        drafts have already are in neither.
    """
    from vocabtrim_core.drafts.runs import list_runs

    sizes = [draft_size(folder) for folder in folders]
    runs = [
        {draft.k: draft.draft.resolve() for draft in run.drafts if draft.draft}
        for run in list_runs()
    ]
    alike = [drafts for drafts in runs if set(drafts.values()) & set(folders)]
    baselines, missing = [], []
    for k in (vocab_size, SHIPPED_K):
        if k is None or k in sizes or (vocab_size is not None and k > vocab_size):
            continue
        if baseline := next((drafts[k] for drafts in alike if k in drafts), None):
            baselines.append(baseline)
        else:
            missing.append(f"No draft with k = {k:,} is at hand, so that baseline is left out.")
    return baselines, missing


def with_unique_labels(configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """Make labels unique.

    Args:
        configurations: The configurations.

    Returns:
        The configurations in order. Where drafts differ in their steps, labels that are sizes get
        the steps added, as in "1,500 (n = 2)". Labels that are still equal get the name of their
        draft added, or their position from 1 where the names are equal too.
    """
    if len({c.steps for c in configurations if c.steps}) > 1:
        configurations = [
            _labelled(c, f"n = {c.steps}") if c.k and c.steps and c.label == f"{c.k:,}" else c
            for c in configurations
        ]
    labels = [configuration.label for configuration in configurations]
    unique = []
    for i, configuration in enumerate(configurations):
        label = configuration.label
        if labels.count(label) > 1:
            names = [_name(c.draft) for c in configurations if c.label == label]
            name = _name(configuration.draft)
            configuration = _labelled(configuration, name if names.count(name) == 1 else str(i + 1))
        unique.append(configuration)
    return tuple(unique)


def _labelled(configuration: Configuration, more: str) -> Configuration:
    """The configuration with something added to its label, in its parentheses where it has them."""
    label = configuration.label
    whole = f"{label[:-1]}, {more})" if label.endswith(")") else f"{label} ({more})"
    return replace(configuration, label=whole)


def _name(draft: str) -> str:
    """The name of a draft's folder, or of its run where the folder is called draft."""
    path = PurePosixPath(draft)
    return path.name if path.name != "draft" else path.parent.parent.name


def parse_k(name: str, vocab_size: int | None) -> int | None:
    """Read a name that states k.

    Args:
        name: The name, such as 13264, 13,264, full or V.
        vocab_size: V, None where unknown.

    Returns:
        k; None for any other name.
    """
    if name.lower() in ("full", "v"):
        return vocab_size
    digits = name.replace(",", "").replace("_", "")
    return int(digits) if digits.isdecimal() else None
