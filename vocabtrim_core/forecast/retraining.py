"""What becomes of acceptance when a draft gives up tokens: the fitted terms of the model.

Per draft position j, with a the acceptance of the full draft and m = 1 - C the share of the served
text that is not kept:

    a(k) = min((a - theta * m) * exp(delta), C)        theta = sigmoid(logit(a) - rarity)

theta is how often the full draft proposed right where the token is now missing. Rare tokens are
harder, by `rarity` in log odds: rarity 0 would be independence, a large one says that missing
tokens were missed anyway. delta is what training the draft again changes at every position; it
can have either sign. `benchmarks/forecast_fit.py` fits both on the paper's seven tasks and the
public pairs of known coverage, leaving out one at a time, and prints what these constants are
rounded from.
"""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.errors import InputError

# Standard deviation of the logarithm of one measured acceptance length where no runs tell it: two
# measurements of one draft on other prompts differ by about 2.5 %, each by a root of 2 less.
LENGTH_NOISE = 0.018

# Mean and standard deviation, log odds. Wider than the fit, which few cases decide.
RARITY = (1.0, 1.4)
# Per-position acceptance falls along a draft: 0.98 per position reproduces the lengths that
# SpecBundle measured on MT-Bench at K = 3, 5 and 7 from the one at K = 3.
DECAY = 0.98
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Retraining:
    """How the trimmed draft is made, and the effect on every position.

    Attributes:
        title: For menus.
        shift: Mean of delta, in log acceptance per position.
        spread: Standard deviation of delta between tasks.
        noise: Standard deviation of the log acceptance length between two trainings of the same
            draft; applies between two trimmed drafts, where delta cancels.
        source: What the figures are based on, a sentence.
    """

    title: str
    shift: float
    spread: float
    noise: float
    source: str


RETRAININGS = {
    "other-text": Retraining(
        "Trained again; serves other text",
        -0.035,
        0.014,
        0.01,
        "Trained again at the paper's budget and served other text than it was trained on: "
        "3.5 % less per position, fitted on the paper's five benchmarks.",
    ),
    "same-text": Retraining(
        "Trained again; serves such text",
        0.01,
        0.02,
        0.01,
        "Trained again and served the kind of text it was trained on: hardly a change, from the "
        "paper's two domain tasks.",
    ),
    "short": Retraining(
        "Trained again for minutes",
        0.06,
        0.05,
        0.02,
        "Equally short training of every size: a small head learns faster than a full one. From "
        "drafts for SmolLM2 after 250 steps.",
    ),
    "sliced": Retraining(
        "Rows cut out, not trained again",
        -0.008,
        0.010,
        0.0,
        "The rows of a trained head are cut out and nothing is trained. Public runs of such heads "
        "still differ by 1 % per position from what their coverage explains.",
    ),
}


def retraining(name: str) -> Retraining:
    """The terms of one way to make a trimmed draft.

    Args:
        name: A key of RETRAININGS.

    Returns:
        The terms.

    Raises:
        InputError: There is no such name.
    """
    if name not in RETRAININGS:
        raise InputError(
            f"There is no way {name!r} to make a trimmed draft; choose one of "
            f"{', '.join(RETRAININGS)}."
        )
    return RETRAININGS[name]
