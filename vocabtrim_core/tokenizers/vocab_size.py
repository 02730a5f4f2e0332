"""V, the model's vocabulary size: the rows of its head and of every mapping.

Models are often padded beyond their tokenizer. So V is what the user gives (a number or a
config.json), else the vocab_size of the model's config.json, else the size of the tokenizer, with a
warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import LARGEST, read_config

if TYPE_CHECKING:
    import tokenizers

# Where V comes from, in the words of counts, exports and pages.
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
    """The vocabulary size of a model, and where it comes from.

    Attributes:
        size: V.
        origin: CONFIG_JSON, BY_HAND, PRESET or ASSUMED.
        warnings: Sentences for the user.
    """

    size: int
    origin: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestedSize:
    """What the user gives for V: a config.json, or the number itself.

    Attributes:
        config: Path of a config.json; None for none.
        vocab_size: V; None for none.
    """

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
        """Return V for a tokenizer.

        V is what was given, else the one of the config.json `beside` the tokenizer, else the
        `preset` model's, else the size of the tokenizer. Text must never become an id that the
        model has no row for. So ordinary tokens past V are an error, and past a V given by hand
        added tokens too. Added tokens past the V of a config.json give a warning: such models exist
        (a text-only Gemma 3 lacks the row of the image token), and the ids appear only where a text
        spells the token out.

        Args:
            backend: The tokenizer.
            source: Its name, for messages.
            beside: Path of the config.json in its folder, which may be absent.
            preset: V of the bundled model, for a preset.

        Returns:
            V with its origin and warnings.

        Raises:
            InputError: V is too small for the tokenizer or out of range, or a config is unusable.
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
        return _assumed(backend, source)


def smallest_vocab_size(backend: tokenizers.Tokenizer) -> int:
    """Return the smallest V that has a row for every id of `backend`: its largest id + 1."""
    return max(_ordinary(backend), max(backend.get_added_tokens_decoder(), default=-1)) + 1


def known_vocab_sizes(backend: tokenizers.Tokenizer) -> tuple[int, ...]:
    """List the V of the models known to have this tokenizer.

    Args:
        backend: The tokenizer.

    Returns:
        Sizes by their published config.json, ascending; () for an unknown tokenizer.
    """
    ordinary = backend.get_vocab_size(with_added_tokens=False)
    matches = (
        sizes
        for (count, marker), sizes in PADDED.items()
        if count == ordinary and (not marker or backend.token_to_id(marker) is not None)
    )
    return tuple(size for size in next(matches, ()) if size >= smallest_vocab_size(backend))


def _ordinary(backend: tokenizers.Tokenizer) -> int:
    """Return the largest id of a token that is not an added one."""
    return max(backend.get_vocab(with_added_tokens=False).values(), default=-1)


def _by_hand(size: int, backend: tokenizers.Tokenizer) -> VocabSize:
    needed = smallest_vocab_size(backend)
    if not needed <= size <= LARGEST:
        raise InputError(
            f"V must lie within {needed:,}..{LARGEST:,}, since the tokenizer has ids up to "
            f"{needed - 1:,}, but it is given as {size:,}; give the vocab_size of the model's "
            "config.json."
        )
    known_sizes = known_vocab_sizes(backend)
    warning = (
        f"V is {size:,}, given by hand; models known with this tokenizer have "
        f"{_listed(known_sizes)}."
    )
    return VocabSize(size, BY_HAND, (warning,) if known_sizes and size not in known_sizes else ())


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


def _assumed(backend: tokenizers.Tokenizer, source: str) -> VocabSize:
    size = max(backend.get_vocab_size(with_added_tokens=True), smallest_vocab_size(backend))
    if size > LARGEST:
        raise InputError(
            f"{source}: tokenizer.json has ids up to {size - 1:,}, and {LARGEST:,} tokens are the "
            "most that can be counted; check the file."
        )
    known_sizes = known_vocab_sizes(backend)
    models = (
        f"models known with this tokenizer have {_listed(known_sizes)}"
        if known_sizes
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
