"""The app's theme, from which its own charts take their colours, names the palette's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from vocabtrim_core.palette import DARK, LIGHT

THEME = tomllib.loads(
    (Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text("utf-8")
)["theme"]


@pytest.mark.parametrize(("name", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_the_theme_is_the_palette(name, palette):
    theme = THEME[name]
    assert (theme["textColor"], theme["grayColor"], theme["orangeColor"]) == (
        palette.ink,
        palette.muted,
        palette.warn,
    )
    assert theme["backgroundColor"] == palette.ground
    accent, ink, *others = theme["chartCategoricalColors"]
    assert (accent, ink, [accent, *others]) == (palette.accent, palette.ink, [*palette.series])
    assert set(palette.scale[2:5]) < {*theme["chartSequentialColors"]}
