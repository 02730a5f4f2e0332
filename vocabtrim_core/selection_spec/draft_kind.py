"""A draft architecture in commands, addresses and sessions: by name where it has one."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.draft_kinds import TRIMMED
from vocabtrim_core.draft_kinds.precision import WeightBytes
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import JSON, Kind, digits, json_of, number
from vocabtrim_core.fields.leaf import Leaf, ReadContext
from vocabtrim_core.selection_spec.draft_names import (
    default_draft,
    draft_name,
    is_unchosen,
    load_draft,
    own_drafts,
    preset_name,
    stated_bytes_of,
)

if TYPE_CHECKING:
    from vocabtrim_core.draft_cost import DraftArchitecture


# Bytes per weight of the target's layers, the draft's layers and head rows: parameters of an
# address and keys of widgets.
BYTES = ("target_bytes", "layer_bytes", "row_bytes")
LABEL = " · "  # between the kind of a preset and its name, in menus and the addresses they write


def draft_options(to: Any, default: str) -> Any:
    """Declare --draft and --draft-config, of which one may be given.

    Args:
        to: The parser, or a group of one.
        default: What is taken without either, in brackets, for the help.

    Returns:
        The group of the two, for others that exclude them.
    """
    group = to.add_mutually_exclusive_group()
    group.add_argument(
        "--draft", metavar="PRESET", help=f"draft architecture by name, see `drafts` {default}"
    )
    group.add_argument(
        "--draft-config",
        metavar="FILE",
        type=Path,
        help="draft architecture from the config.json of the draft, or of the target: then the "
        "dense one-layer draft that SpecForge derives from it, or what --draft-kind names",
    )
    to.add_argument(
        "--draft-kind",
        metavar="KIND",
        choices=TRIMMED,
        help=f"kind of draft head that --draft-config gives: {', '.join(TRIMMED)} (default: the "
        "draft's own; of a target eagle3)",
    )
    to.add_argument(
        "--weight-bytes",
        metavar=("TARGET", "LAYERS", "HEAD"),
        nargs=3,
        type=number,
        help="bytes per weight of the target's layers, the draft's layers and head rows, such as "
        "0.56 2 2 (default: as the config or preset says, else 2)",
    )
    return group


class Draft(Kind):
    """--draft or --draft-config, and whether a draft step is charged with the feature fusion."""

    def add(self, to: Any, leaf: Leaf, default: Any, omit_defaults: bool) -> None:
        """See `Kind.add`."""
        to.add_argument(
            "--fusion-per-cycle",
            action="store_true",
            default=None,
            help="charge the feature fusion to the cycle, as engines run it, instead of to every "
            "draft step, as the paper does",
        )
        draft_options(
            to,
            "(default: the only preset with the V of the counts; of Llama 3.1 "
            "the paper's, llama-3.1-8b)",
        )

    def dests(self, leaf: Leaf) -> list[str]:
        """See `Kind.dests`."""
        return ["draft", "draft_config", "draft_kind", "weight_bytes", "fusion_per_cycle"]

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """See `Kind.argv`."""
        name, file = preset_name(value), files.get("--draft-config", "DRAFT_CONFIG")
        words = ["--draft", name] if name else ["--draft-config", str(file)]
        if stored := stated_bytes_of(value):
            words += ["--weight-bytes", *(digits(part) for part in astuple(stored))]
        return words if value.fusion_per_step else [*words, "--fusion-per-cycle"]

    def from_argv(self, leaf: Leaf, arguments: Namespace, at: ReadContext) -> Any:
        """Read the named architecture, else the preset that V decides; notes go to stderr.

        Args:
            leaf: The field's leaf.
            arguments: The parsed command line.
            at: V of the counts.

        Returns:
            The architecture over V.

        Raises:
            InputError: None is named, and no preset has this V, or several have it.
        """
        from vocabtrim_core.draft_config import fitted, preset_of, presets_of

        named = named_draft(arguments) or preset_of(at.vocab_size)
        if named is None and (several := presets_of(at.vocab_size)):
            raise InputError(
                f"V = {at.vocab_size:,}, the vocabulary size of these counts, is that of several "
                f"drafts: name one with --draft ({', '.join(several)}), or give its config.json "
                "with --draft-config FILE."
            )
        if named is None:
            raise InputError(
                f"No draft preset has V = {at.vocab_size:,}, the vocabulary size of these counts; "
                "give the target's config.json with --draft-config FILE, or name a preset with "
                "--draft."
            )
        shape, note = fitted(named, at.vocab_size)
        if note:
            print(note, file=sys.stderr)
        per_cycle = getattr(arguments, "fusion_per_cycle", None)
        return replace(shape, fusion_per_step=False) if per_cycle else shape

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        """See `Kind.query`; other shapes than a preset's are written as JSON."""
        parameters = {} if is_unchosen(value) else {"draft": value.name}
        if not value.fusion_per_step:
            parameters["fusion"] = "false"
        if not preset_name(value):
            return parameters | {"shape": JSON.show(value)}
        stored = stated_bytes_of(value)
        texts = (digits(part) for part in astuple(stored)) if stored else ()
        return parameters | dict(zip(BYTES, texts, strict=False))

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: ReadContext) -> Any:
        """Read the architecture of an address: its shapes, its name, or the default for V.

        Args:
            leaf: The field's leaf.
            query: Parameter -> text.
            at: V of the counts.

        Returns:
            The architecture over V.

        Raises:
            InputError: The name is unknown, or a parameter cannot be read.
        """
        from vocabtrim_core.draft_config import fitted
        from vocabtrim_core.draft_cost import DraftArchitecture
        from vocabtrim_core.draft_presets import PRESETS

        if shape := query.get("shape"):
            return json_of(DraftArchitecture).link(Leaf(param="shape"), shape)
        name, fusion = query.get("draft") or None, query.get("fusion", "true")
        if name is not None:
            name = name.rpartition(LABEL)[2]
        if fusion not in ("true", "false"):
            raise InputError(f"The link's fusion must be true or false, not {fusion!r}.")
        if name is not None and name not in PRESETS and name not in own_drafts():
            raise InputError(f"The link's draft {name!r} is no draft architecture known by name.")
        known = default_draft(at.vocab_size) if name is None else load_draft(name)
        shape = replace(fitted(known, at.vocab_size)[0], fusion_per_step=fusion == "true")
        return _with_parts(shape, [_link_bytes(query, part) for part in BYTES])

    def session(self, leaf: Leaf, value: Any) -> dict[str, Any]:
        """See `Kind.session`."""
        name = None if is_unchosen(value) else draft_name(value)
        stored = stated_bytes_of(value)
        parts = astuple(stored) if stored else (None,) * len(BYTES)
        return {
            "draft": name,
            "fusion": value.fusion_per_step,
            **dict(zip(BYTES, parts, strict=True)),
        }

    def from_session(self, leaf: Leaf, session: Mapping[str, Any], at: ReadContext) -> Any:
        """See `Kind.from_session`."""
        from vocabtrim_core.draft_config import fitted

        name = session["draft"]
        known = default_draft(at.vocab_size) if name is None else load_draft(name)
        shape = replace(fitted(known, at.vocab_size)[0], fusion_per_step=session["fusion"])
        return _with_parts(shape, [session.get(part) for part in BYTES])


def _with_parts(shape: DraftArchitecture, parts: Sequence[float | None]) -> DraftArchitecture:
    """Bytes per weight of target, layers and head; None for what the shapes say themselves."""
    if all(part is None for part in parts):
        return shape
    stored = zip(parts, astuple(shape.part_bytes), strict=True)
    return _stating(shape, WeightBytes(*(own if part is None else part for part, own in stored)))


def _stating(shape: DraftArchitecture, stated: WeightBytes) -> DraftArchitecture:
    """The architecture with bytes per weight; None where all are its `bytes_per_weight`."""
    uniform = WeightBytes(*3 * (shape.bytes_per_weight,))
    return replace(shape, weight_bytes=None if stated == uniform else stated)


def _link_bytes(query: Mapping[str, str], name: str) -> float | None:
    try:
        return number(query[name]) if query.get(name) else None
    except ArgumentTypeError as error:
        raise InputError(f"The link's {name}: {error}.") from error


def named_draft(arguments: Namespace) -> DraftArchitecture | None:
    """Read the architecture of --draft or --draft-config; a note goes to stderr.

    Args:
        arguments: The parsed command line.

    Returns:
        The architecture, None where neither option is given.

    Raises:
        InputError: There is no such preset, or the file describes no draft.
    """
    from vocabtrim_core.draft_config import load_architecture, published
    from vocabtrim_core.draft_presets import PRESETS

    kind, stored = (getattr(arguments, name, None) for name in ("draft_kind", "weight_bytes"))
    if kind and not arguments.draft_config:
        raise InputError(
            "--draft-kind says how --draft-config FILE is read; give that file, or a preset of "
            "that kind with --draft."
        )
    if arguments.draft_config:
        shape = load_architecture(arguments.draft_config, kind)
        if note := published(shape):
            print(note, file=sys.stderr)
        return _stored_in(shape, stored)
    if stored and not arguments.draft:
        raise InputError("--weight-bytes is of a draft: name it with --draft or --draft-config.")
    if arguments.draft and arguments.draft not in PRESETS:
        raise InputError(
            f"There is no draft architecture {arguments.draft!r}; choose one of "
            f"{', '.join(PRESETS)}, or give --draft-config FILE."
        )
    return _stored_in(PRESETS[arguments.draft], stored) if arguments.draft else None


def _stored_in(shape: DraftArchitecture, stored: Sequence[float] | None) -> DraftArchitecture:
    return _stating(shape, WeightBytes(*stored)) if stored else shape


def draft_or_none(arguments: Namespace, vocab_size: int) -> DraftArchitecture | None:
    """Read the architecture where the command can do without one.

    Args:
        arguments: The parsed command line.
        vocab_size: V of the counts.

    Returns:
        The one that is named, else the preset that V decides, else None.

    Raises:
        InputError: The one that is named cannot be loaded.
    """
    try:
        return DRAFT.from_argv(Leaf(), arguments, ReadContext(vocab_size))
    except InputError:
        if arguments.draft or arguments.draft_config:
            raise
        return None


DRAFT = Draft()
