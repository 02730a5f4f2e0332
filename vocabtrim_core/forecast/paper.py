"""The paper's published measurements, as data: tables 2, 3, 4 and 6.

"Balancing Coverage and Draft Latency in Vocabulary Trimming for Faster Speculative Decoding"
(Ben Shoham): Llama-3.1-8B-Instruct, EAGLE-3, SGLang, one A100-80GB, three runs each.
"""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.draft_presets import PRESETS, PUBLISHED

FULL_K = 128_256
GENERAL_K, NER_K, FUNCTION_CALLING_K = 13_264, 6_521, 4_380
SHIPPED_K = 32_000  # size of published EAGLE-3 drafts, not of the paper
# Lists for the MTP head of models with V = 248,320 that people publish.
COMMUNITY = {
    248_320: (
        (32_768, "community MTP list"),
        (47_149, "community MTP list, English and code"),
        (65_536, "community MTP list"),
    )
}
KNOWN_SIZES = (
    (GENERAL_K, "paper, general"),
    (NER_K, "paper, NER"),
    (FUNCTION_CALLING_K, "paper, function calling"),
    (SHIPPED_K, "typical EAGLE-3 head"),
)


def known_sizes(vocab_size: int) -> tuple[tuple[int, str], ...]:
    """Select the known sizes below V, each with the tokenizer that it belongs to.

    Args:
        vocab_size: V.

    Returns:
        Rows (k, label): the paper's own at its V alone, typical EAGLE-3 heads, published drafts of
        presets with this V, and lists that people publish for it.
    """
    own = vocab_size == FULL_K
    rows = {k: label for k, label in KNOWN_SIZES if own or k == SHIPPED_K}
    for name, about in PUBLISHED.items():
        if about.draft_vocab_size and PRESETS[name].vocab_size == vocab_size:
            rows.setdefault(about.draft_vocab_size, f"published draft of {name}")
    rows |= dict(COMMUNITY.get(vocab_size, ()))
    return tuple((k, label) for k, label in rows.items() if k < vocab_size)


@dataclass(frozen=True, slots=True)
class PaperResult:
    """One task of the paper with the full and the trimmed draft.

    Throughput in output tokens/s.

    Attributes:
        task: Name of the task.
        k: Size of the trimmed vocabulary.
        coverage: Of the trimmed vocabulary on the task's responses, 0..1.
        length_full: Acceptance length at V.
        length_trimmed: Acceptance length at k.
        throughput_full: At V.
        throughput_full_ci: Half the width of its 95 % interval.
        throughput_trimmed: At k.
        throughput_trimmed_ci: Half the width of its 95 % interval.
    """

    task: str
    k: int
    coverage: float
    length_full: float
    length_trimmed: float
    throughput_full: float
    throughput_full_ci: float
    throughput_trimmed: float
    throughput_trimmed_ci: float

    @property
    def gain(self) -> float:
        """Relative throughput gain of the trimmed draft, 0.03 = +3 %."""
        return self.throughput_trimmed / self.throughput_full - 1


RESULTS = (
    PaperResult("MT-Bench", GENERAL_K, 0.932, 2.89, 2.65, 172.38, 0.67, 177.54, 0.52),
    PaperResult("GSM8K", GENERAL_K, 0.946, 2.75, 2.53, 155.47, 0.43, 160.51, 0.50),
    PaperResult("HumanEval", GENERAL_K, 0.970, 3.39, 3.09, 202.31, 0.72, 206.79, 0.62),
    PaperResult("MATH-500", GENERAL_K, 0.986, 3.45, 3.23, 206.74, 1.14, 217.22, 0.40),
    PaperResult("AIME", GENERAL_K, 0.986, 3.53, 3.35, 210.74, 0.69, 224.83, 1.30),
    PaperResult(
        "Function calling", FUNCTION_CALLING_K, 0.986, 3.86, 3.82, 192.90, 2.06, 212.21, 2.56
    ),
    PaperResult("NER", NER_K, 0.851, 1.69, 1.69, 146.50, 1.72, 175.18, 1.49),
)

# Table 3: seconds for the whole set with its +- 95 % CI, at V and with the trimmed draft.
SECONDS = {
    "Function calling": ((401.02, 4.28), (364.54, 4.36)),
    "NER": ((468.11, 5.50), (391.43, 3.33)),
}
