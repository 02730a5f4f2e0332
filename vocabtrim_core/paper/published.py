"""The paper's figures 1 to 3, tables 1, 4 and 5, and the examples of section 4.1.

Tables 2, 3 and 6 are `forecast.paper.RESULTS` and `SECONDS`.
"""

from __future__ import annotations

from dataclasses import dataclass

ALPHA = 0.5  # of the released code; the text does not say which was used
TRIALS = 100

# Figure 2: share of the draft's FLOPs saved, and coverage.
SMALLEST = (0.64, 0.60)
OPTIMUM = (0.575, 0.937)
NEARLY_ALL = (0.39, 0.99)

# Figure 3: conversations -> k* of them.
STABILITY = {1_000: 11_199, 25_000: 13_298, 500_000: 13_054}

# Table 1: FLOPs of a draft step, in millions, by component.
TABLE_1 = {
    "Feature fusion": 100.7,
    "Attention": 436.2,
    "Feed-forward": 50.3,
    "LM head": 1050.7,
}
LM_HEAD_SHARE = 0.642

# Table 4: tokens of the target's answers, share of them and of their distinct tokens covered.
TABLE_4 = {
    "GSM8K": (117_613, 0.946, 0.690),
    "MT-Bench": (59_439, 0.932, 0.704),
    "HumanEval": (61_056, 0.970, 0.756),
    "MATH-500": (295_210, 0.986, 0.783),
    "AIME": (40_850, 0.986, 0.873),
}
COMBINED = (574_168, 0.971)

# Table 5: domain of a benchmark, and that domain's share of the training conversations.
TABLE_5 = {
    "GSM8K": ("math", 0.394),
    "MATH-500": ("math", 0.394),
    "AIME": ("math", 0.394),
    "HumanEval": ("code", 0.389),
    "MT-Bench": ("chat", 0.176),
}


@dataclass(frozen=True, slots=True)
class MissingExample:
    """A token that section 4.1 names as missing from the 13,264.

    Attributes:
        text: As the paper prints it.
        benchmark: The benchmark whose answers hold it.
        ids: Ids of the Llama 3.1 tokenizer whose text it is, alone or after a space.
        searched: The shipped sets in which it is looked for.
    """

    text: str
    benchmark: str
    ids: tuple[int, ...]
    searched: tuple[str, ...]


_GSM8K, _HUMANEVAL = ("GSM8K", "GSM8K reference"), ("HumanEval", "HumanEval reference")
_MATH = ("MATH-500", "AIME")
MISSING = (
    MissingExample("<<", "GSM8K", (2_501, 1_134), _GSM8K),
    MissingExample("mashed", "GSM8K", (96_234,), _GSM8K),
    MissingExample("fries", "GSM8K", (53_031,), _GSM8K),
    MissingExample("laundry", "GSM8K", (35_189,), _GSM8K),
    MissingExample(">>>", "HumanEval", (20_761, 12_382), _HUMANEVAL),
    MissingExample("_shift", "HumanEval", (23_022,), _HUMANEVAL),
    MissingExample("enumerate", "HumanEval", (77_669, 13_555), _HUMANEVAL),
    MissingExample("asympt", "MATH-500 and AIME", (97_354,), _MATH),
    MissingExample("cyclic", "MATH-500 and AIME", (77_102,), _MATH),
    MissingExample("diamond", "MATH-500 and AIME", (89_676, 22_996), _MATH),
    MissingExample("Wars", "MT-Bench", (100_070, 15_317), ("MT-Bench",)),
    MissingExample("Britain", "MT-Bench", (91_838, 13_527), ("MT-Bench",)),
    MissingExample("Socrates", "MT-Bench", (), ("MT-Bench",)),
    MissingExample("seismic", "MT-Bench", (72_579,), ("MT-Bench",)),
    MissingExample("settlement", "MT-Bench", (17_516,), ("MT-Bench",)),
)
