"""Coverage by script and by detected language.

Scripts follow from the counted tokens. Languages are detected on a random sample of the counted
conversations, whose ids are decoded in memory; their text is not stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.generalization.domains import (
    UNLABELLED,
    DomainCoverage,
    coverage_by_domain,
    held_out_by_domain,
)
from vocabtrim_core.tokenizers.kinds import BYTES, PLAIN, WORD, TokenKinds

if TYPE_CHECKING:
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

SAMPLE = 2_000  # conversations whose language is detected
CHARACTERS = 1_500  # of a conversation that are looked at
CONFIDENCE = 0.5
FEWEST = 5  # conversations of a language that can be named as the worst
UNCLEAR = "unclear"  # code, formulas, names, or too short
LATIN = "latin, whole words"
# The languages that are told apart, by their ISO 639-1 code; rarer ones would take texts of these.
LANGUAGES = {
    "af": "Afrikaans",
    "am": "Amharic",
    "ar": "Arabic",
    "az": "Azerbaijani",
    "be": "Belarusian",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "cy": "Welsh",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "gl": "Galician",
    "gu": "Gujarati",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "is": "Icelandic",
    "it": "Italian",
    "ja": "Japanese",
    "ka": "Georgian",
    "kk": "Kazakh",
    "km": "Khmer",
    "kn": "Kannada",
    "ko": "Korean",
    "lo": "Lao",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mk": "Macedonian",
    "ml": "Malayalam",
    "mn": "Mongolian",
    "mr": "Marathi",
    "ms": "Malay",
    "my": "Burmese",
    "ne": "Nepali",
    "nl": "Dutch",
    "no": "Norwegian",
    "pa": "Punjabi",
    "pl": "Polish",
    "ps": "Pashto",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "si": "Sinhala",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "uz": "Uzbek",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
NO_LANGUAGE = "zxx"  # what the detector calls text without language, such as code


@dataclass(frozen=True, slots=True)
class ScriptCoverage:
    """Coverage of the tokens of one script.

    Attributes:
        script: The script; LATIN, or fragments of bytes, of which letters of any script are made.
        tokens: Counted tokens of it.
        share: Of all counted tokens, 0..1.
        coverage: Of its tokens, 0..1.
        distinct: Distinct tokens of it that occur.
        missing: Those of them that are not kept.
    """

    script: str
    tokens: int
    share: float
    coverage: float
    distinct: int
    missing: int


def coverage_by_script(
    counts: np.ndarray, kinds: TokenKinds, is_kept: np.ndarray
) -> list[ScriptCoverage]:
    """Measure the coverage of each script's tokens.

    Tokens of code, numbers, white space and specials belong to no script and are left out.

    Args:
        counts: int64[V].
        kinds: The kinds of the tokenizer's ids.
        is_kept: bool[V], the tokens kept.

    Returns:
        A row for each script that occurs, the most frequent first.
    """
    total, rows = int(counts.sum()), []
    names = [name for name in kinds.names if name not in PLAIN or name in (WORD, BYTES)]
    for name in names:
        ids = kinds.ids(name)
        own, in_it = counts[ids], is_kept[ids]
        if tokens := int(own.sum()):
            rows.append(
                ScriptCoverage(
                    LATIN if name == WORD else name,
                    tokens,
                    tokens / total,
                    float(own[in_it].sum() / tokens),
                    int((own > 0).sum()),
                    int(((own > 0) & ~in_it).sum()),
                )
            )
    return sorted(rows, key=lambda row: -row.tokens)


@cache
def _detector() -> Any:
    """Load the model, once per process; it comes with the package."""
    langid = import_module("py3langid.langid")
    detector = langid.LanguageIdentifier.from_model_file(
        langid.MODEL_FILE, norm_probs=True, min_confidence=CONFIDENCE
    )
    detector.set_languages([*LANGUAGES, NO_LANGUAGE])
    return detector


def language_of(text: str) -> str:
    """Detect the language of a text.

    Args:
        text: The text.

    Returns:
        A value of LANGUAGES, or UNCLEAR.

    Raises:
        ModuleNotFoundError: The package py3langid is not installed.
    """
    code, _ = _detector().classify(text[:CHARACTERS])
    return LANGUAGES.get(code, UNCLEAR)


def with_languages(
    responses: Responses, tokenizer: Tokenizer, *, sample: int = SAMPLE, seed: int = 0
) -> Responses:
    """Label conversations with the language of their responses, in place of their domains.

    Args:
        responses: The counted responses.
        tokenizer: Of their ids.
        sample: Conversations to look at, drawn at random where there are more.
        seed: Of the draw.

    Returns:
        The same responses; conversations that were not looked at have no label.

    Raises:
        ModuleNotFoundError: The package py3langid is not installed.
    """
    number = responses.conversations
    drawn = np.arange(number)
    if number > sample:
        drawn = np.sort(np.random.default_rng(seed).choice(number, sample, replace=False))
    offsets = responses.conversation_offsets()
    codes, names = np.full(number, -1, np.int16), dict[str, int]()
    for conversation in drawn:
        ids = responses.ids[offsets[conversation] : offsets[conversation + 1]][:CHARACTERS]
        name = language_of(tokenizer.backend.decode(ids.tolist()))
        codes[conversation] = names.setdefault(name, len(names))
    return replace(responses, domain=codes, domains=tuple(names))


def coverage_by_language(
    labelled: Responses,
    is_kept: np.ndarray,
    *,
    counts: np.ndarray | None = None,
    seed: int = 0,
) -> list[DomainCoverage]:
    """Measure the coverage of each language.

    Args:
        labelled: What `with_languages` returned.
        is_kept: bool[V], the tokens kept.
        counts: int64[V] of the whole corpus where the tokens are its own most frequent ones, so
            that coverage is measured held out; None for tokens chosen on other text.
        seed: Of the folds.

    Returns:
        A row for each language, the most frequent first.
    """
    if counts is None or labelled.conversations < 2:
        rows = coverage_by_domain(labelled, is_kept)
    else:
        rows = held_out_by_domain(labelled, int(is_kept.sum()), counts=counts, seed=seed)
    return sorted((row for row in rows if row.domain != UNLABELLED), key=lambda row: -row.tokens)


def worst_language(rows: Sequence[DomainCoverage]) -> DomainCoverage | None:
    """Find the language with the lowest coverage.

    Args:
        rows: The languages.

    Returns:
        The worst of those with FEWEST conversations or more; None where there is none.
    """
    known = [row for row in rows if row.domain != UNCLEAR and row.conversations >= FEWEST]
    return min(known, key=lambda row: row.coverage, default=None)
