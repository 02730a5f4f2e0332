"""The checks before a mapping is written."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import offsets_to_ids
from vocabtrim_core.vocabulary import DraftVocabulary


def check_export(
    vocabulary: DraftVocabulary, exporters: Iterable[Exporter], context: ExportContext
) -> None:
    """Check everything that can be wrong with an export, before a byte is written.

    Args:
        vocabulary: The tokens to export.
        exporters: The formats to write.
        context: Where the vocabulary comes from.

    Raises:
        InputError: The first problem: d2t and t2d disagree, the counts or the draft belong to
            another V, a format lacks a draft's weights, or k is above what a format supports.
    """
    k, size = len(vocabulary), vocabulary.vocab_size
    ids = offsets_to_ids(vocabulary.d2t, vocabulary.t2d, where="The draft vocabulary")
    if not np.array_equal(ids, vocabulary.ids):
        raise InputError("The draft vocabulary's d2t does not give its own ids; build it again.")
    for name, value in (
        ("counts", context.counts),
        ("draft architecture", context.architecture),
    ):
        if value is not None and value.vocab_size != size:
            raise InputError(
                f"The vocabulary belongs to V = {size:,}, but the {name} {value.name} to "
                f"V = {value.vocab_size:,}; choose the {name} of the same model."
            )
    for exporter in exporters:
        if exporter.needs_draft and context.draft is None:
            raise InputError(
                f"{exporter.title} needs a draft's weights to cut: name the folder of a draft "
                "checkpoint (--draft-folder)."
            )
        if exporter.max_k is not None and k > exporter.max_k:
            raise InputError(
                f"k = {k:,} is above what {exporter.title} can use, {exporter.max_k:,}; "
                "choose a smaller k or another format."
            )
