"""A choice as arguments of `choice save`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vocabtrim_core.choice import NO_FORECAST, ForecastSettings, SavedChoice
from vocabtrim_core.draft_cost import PRESETS


def choice_flags(choice: SavedChoice, files: Mapping[str, str | Path] | None = None) -> list[str]:
    """Everything that decides the tokens, and the forecast; defaults left out.

    files: flag -> path, of --draft-config, --vocabulary, --protect and --exclude; what is not there
    stands as a name in capitals, to be filled in.
    """
    settings, rules, files = choice.settings, choice.rules, files or {}
    preset = settings.architecture.name in PRESETS

    def file(flag: str, wanted: object) -> str:
        name = flag.strip("-").replace("-", "_").upper()
        return str(files.get(flag, name)) if wanted else ""

    options = {
        "--draft": settings.architecture.name if preset else "",
        "--draft-config": file("--draft-config", not preset),
        "--alpha": f"{settings.alpha:g}",
        "--min-coverage": f"{settings.floor:g}" if settings.floor else "",
        "--vocabulary": file("--vocabulary", choice.own),
        "--k": str(settings.k or "") if not choice.own else "",
        "--k-min": str(settings.k_min) if settings.k_min != 1 and not choice.own else "",
        "--k-max": str(settings.k_max or "") if not choice.own else "",
        "--protect": file("--protect", rules.protected),
        "--exclude": file("--exclude", rules.excluded),
        "--multiple": str(rules.multiple) if rules.multiple != 1 else "",
    }
    found = [part for flag, value in options.items() if value for part in (flag, value)]
    found += [] if settings.architecture.fusion_per_step else ["--fusion-per-cycle"]
    return found + forecast_flags(choice.forecast)


def forecast_flags(settings: ForecastSettings) -> list[str]:
    """What a forecast assumes; nothing without one."""
    plain = NO_FORECAST
    if settings.full_length is None:
        return []
    found = ["--accept-length", f"{settings.full_length:g}", "--depth", str(settings.depth)]
    if settings.measured:
        found += ["--measured-length", *(f"{k}={length:g}" for k, length in settings.measured)]
    if settings.cycles:
        return [*found, "--measured", *(f"{k}={seconds:g}" for k, seconds in settings.cycles)]
    found += ["--hardware", settings.hardware]
    for flag, value, usual in (("--batch", settings.batch, plain.batch),
                               ("--tree-width", settings.width, plain.width),
                               ("--verified", settings.verified, None)):  # fmt: skip
        found += [flag, str(value)] if value != usual else []
    return found
