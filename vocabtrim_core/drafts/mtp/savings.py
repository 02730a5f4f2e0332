"""What a smaller head of a draft inside a checkpoint saves: bytes, memory, time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core.drafts.mtp.heads import DraftHead
from vocabtrim_core.forecast.devices import Hardware
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True)
class HeadSavings:
    """A draft with a head of k rows against its head of V rows. Sizes are bytes.

    Attributes:
        k: Rows.
        head_bytes: Size of the smaller head.
        share: Its share of what a drafted token reads, 0..1.
        saved_bytes: Bytes that a drafted token no longer reads.
        memory_change: Memory taken, below 0 where it is freed: a head that is shared with the
            target stays whole beside the copy of its rows.
        seconds: Least and most time per drafted token that reading the saved bytes takes, by the
            range of the device's effective bandwidth; None without a device.
    """

    k: int
    head_bytes: int
    share: float
    saved_bytes: int
    memory_change: int
    seconds: tuple[float, float] | None


def savings(draft: DraftHead, k: int, hardware: Hardware | None = None) -> HeadSavings:
    """Compute what a head of k rows saves.

    Args:
        draft: The draft.
        k: Rows; more than the head has count as all of them.
        hardware: The device it runs on, for the time.

    Returns:
        The savings.
    """
    head = draft.head
    k = min(k, head.rows)
    smaller = head.bytes_of(k)
    saved = head.bytes - smaller
    seconds = None
    if hardware is not None:
        least, most = hardware.effective
        seconds = saved / (hardware.bandwidth * most), saved / (hardware.bandwidth * least)
    return HeadSavings(
        k, smaller, draft.share(k), saved, smaller - head.bytes if draft.own else smaller, seconds
    )


def padding_rows(model: Path, vocabulary: DraftVocabulary) -> int | None:
    """Count the tokens of a list that are rows by which a model is padded.

    Args:
        model: The folder of a checkpoint.
        vocabulary: The list.

    Returns:
        Ids that are no token of the model's tokenizer; None where the folder has no tokenizer.

    Raises:
        InputError: Its tokenizer cannot be read.
    """
    if not (model / "tokenizer.json").is_file():
        return None
    from vocabtrim_core.tokenizers.kinds import UNUSED, token_kinds
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    padding = token_kinds(load_tokenizer(str(model))).ids(UNUSED)
    return len(set(vocabulary.ids.tolist()) & set(padding.tolist()))
