"""V, the model's vocabulary size: the rows of its head and of every mapping.

Models are often padded beyond their tokenizer, so V is the model's to say: its config.json, else
a number given by hand, else what the tokenizer holds, which is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import LARGEST, read_config

if TYPE_CHECKING:
    import tokenizers

# Where V comes from, as counts, exports and people are told.
CONFIG_JSON, BY_HAND, PRESET, ASSUMED = (
    "the model's config.json",
    "given by hand",
    "the bundled model",
    "the tokenizer's own size",
)

# (ordinary tokens, a special token where that number is not enough) -> V of the models that have
# this tokenizer, by their published config.json.
PADDED: dict[tuple[int, str], tuple[int, ...]] = {
    (128_000, "<|eot_id|>"): (128_256,),  # Llama 3, 3.1, 3.2, 3.3
    (128_000, "<\uff5cend\u2581of\u2581sentence\uff5c>"): (129_280,),  # DeepSeek V3, R1
    (151_643, ""): (151_936, 152_064),  # Qwen 2, 2.5 and 3; Qwen 2.5 from 7B on
    (199_998, ""): (201_088,),  # gpt-oss
    (200_000, ""): (202_048,),  # Llama 4
    (248_044, ""): (248_320,),  # Qwen 3.5 to 3.8
    (262_144, ""): (262_208,),  # Gemma 3 with images
}


@dataclass(frozen=True, slots=True)
class VocabSize:
    """size: V.  origin: one of the words above.  warnings: what to know about it."""

    size: int
    origin: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says of V: a config.json, or the number itself; nothing where both are None."""

    config: str | Path | None = None
    vocab_size: int | None = None

    def of(
        self,
        backend: tokenizers.Tokenizer,
        source: str,
        *,
        beside: Path | None = None,
        preset: int | None = None,
    ) -> VocabSize:
        """V for a tokenizer called `source`: as given, else by the config.json `beside` it, else
        the `preset` model's, else what the tokenizer holds.

        Text must never become an id that the model has no row for, so ordinary tokens past V are
        an InputError, and past a V given by hand added ones too. Added tokens past the V of a
        config.json are a warning: such models exist (a text-only Gemma 3 lacks the row of the
        image token), and the ids appear only where a text spells the token out.
        """
        if self.vocab_size is not None:
            return _by_hand(self.vocab_size, backend)
        if self.config is not None:
            path = Path(self.config).expanduser()
            if not path.exists():
                raise InputError(f"There is no config file {path}; give the path of a config.json.")
            return _of_config(path, backend, source)
        if beside is not None and beside.is_file():
            return _of_config(beside, backend, source)
        if preset is not None:
            return VocabSize(preset, PRESET)
        return _assumed(backend)


def least(backend: tokenizers.Tokenizer) -> int:
    """The smallest V that has a row for every id of a tokenizer: its largest id + 1."""
    return max(_ordinary(backend), max(backend.get_added_tokens_decoder(), default=-1)) + 1


def padded(backend: tokenizers.Tokenizer) -> tuple[int, ...]:
    """V of the models known to have this tokenizer, ascending; none for a tokenizer not known."""
    ordinary = backend.get_vocab_size(with_added_tokens=False)
    found = (
        sizes
        for (count, marker), sizes in PADDED.items()
        if count == ordinary and (not marker or backend.token_to_id(marker) is not None)
    )
    return tuple(size for size in next(found, ()) if size >= least(backend))


def _ordinary(backend: tokenizers.Tokenizer) -> int:
    """The largest id of a token that is not an added one."""
    return max(backend.get_vocab(with_added_tokens=False).values(), default=-1)


def _by_hand(size: int, backend: tokenizers.Tokenizer) -> VocabSize:
    needed = least(backend)
    if not needed <= size <= LARGEST:
        raise InputError(
            f"V must lie within {needed:,}..{LARGEST:,}, since the tokenizer has ids up to "
            f"{needed - 1:,}, but it is given as {size:,}; give the vocab_size of the model's "
            "config.json."
        )
    known = padded(backend)
    doubt = f"V is {size:,}, given by hand; models known with this tokenizer have {_listed(known)}."
    return VocabSize(size, BY_HAND, (doubt,) if known and size not in known else ())


def _of_config(path: Path, backend: tokenizers.Tokenizer, source: str) -> VocabSize:
    size = read_config(path).required("vocab_size")
    length = backend.get_vocab_size(with_added_tokens=True)
    added = max(backend.get_added_tokens_decoder(), default=-1)
    warnings = []
    if size <= (ordinary := _ordinary(backend)):
        raise InputError(
            f"{source}: config.json says vocab_size {size:,}, but tokenizer.json has ids up to "
            f"{ordinary:,}; the two files are of different models."
        )
    if size <= added:
        warnings.append(
            f"Added tokens have ids up to {added:,}, past the model's vocab_size {size:,}; "
            "a text that spells one of them out cannot be counted."
        )
    if size != length:
        warnings.append(
            f"V is {size:,}, the vocab_size of config.json; the tokenizer has {length:,} tokens; "
            "models are often padded, and the mapping must have the model's size."
        )
    return VocabSize(size, CONFIG_JSON, tuple(warnings))


def _assumed(backend: tokenizers.Tokenizer) -> VocabSize:
    size = max(backend.get_vocab_size(with_added_tokens=True), least(backend))
    known = padded(backend)
    models = (
        f"models known with this tokenizer have {_listed(known)}"
        if known
        else ("models are often padded to more")
    )
    return VocabSize(
        size,
        ASSUMED,
        (
            f"V is {size:,}, what the tokenizer holds, as no config.json stands beside it; {models}"
            ", and the mapping must have the model's size: add that file, "
            "or give V (--vocab-size).",
        ),
    )


def _listed(sizes: tuple[int, ...]) -> str:
    return " or ".join(f"{size:,}" for size in sizes)
