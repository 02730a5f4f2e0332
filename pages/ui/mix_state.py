"""Tailor's controls in the session: their keys, and how a saved mix sets them."""

from __future__ import annotations

from typing import Any

from pages.ui.widgets import set_values
from vocabtrim_core.fields.kinds import percent_of
from vocabtrim_core.selection.protect import SETS
from vocabtrim_core.selection_spec.settings import NO_MIX, Mix

FLOOR_EVERY = "floor_every"
SCRIPTS = "scripts"
MOST = 100  # of a slider of weights


def weight_key(counts_key: str) -> str:
    """Key of the slider that weighs a counted set, named by the set's key.

    Args:
        counts_key: key of a counted set.
    """
    return f"mix_{counts_key[:8]}"


def protect_key(name: str) -> str:
    """Key of the toggle that keeps a named set of tokens.

    Args:
        name: name of the set of tokens, such as digits.
    """
    return f"keep_{name}"


def budget_key(script: str) -> str:
    """Key of the number of tokens kept of a script.

    Args:
        script: name of the script, such as cyrillic.
    """
    return f"room_{script}"


def restore(mix: Mix) -> None:
    """Set Tailor's controls to a saved mix, before they are drawn; without a mix they stay.

    Sliders hold whole numbers up to 100: other weights are scaled, the largest to 100.

    Args:
        mix: of an opened choice.
    """
    if mix == NO_MIX:
        return
    values: dict[str, Any] = {
        weight_key(key): weight
        for key, weight in zip(mix.sets, slider_weights(mix.weights), strict=True)
    }
    values |= {protect_key(name): name in mix.protect for name in SETS}
    values |= {budget_key(script): tokens for script, tokens in mix.scripts}
    values[SCRIPTS] = [script for script, _ in mix.scripts]
    values[FLOOR_EVERY] = percent_of(mix.floor_every or 0.0)
    set_values(values)


def slider_weights(weights: tuple[float, ...]) -> list[int]:
    """Weights as the sliders hold them.

    Args:
        weights: shares of the mix, 0 or more.

    Returns:
        Whole numbers in 0..100: the weights themselves where they are such, else scaled.
    """
    if all(weight == int(weight) and 0 <= weight <= MOST for weight in weights):
        return [int(weight) for weight in weights]
    largest = max(weights)
    return [round(MOST * weight / largest) for weight in weights]
