"""What the user looks at: a counted set, the settings of the trade-off, undo and pins.

The settings live in widgets bound to the URL, so a link reproduces the view; `Settings` is their
value, kept in the session for the pages that do not show the widgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.words import PRESET_SIZES, what_counts
from vocabtrim_core import workspace
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts, list_counts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_config import fitted, load_architecture, preset_of
from vocabtrim_core.draft_cost import PRESETS, DraftArchitecture
from vocabtrim_core.tradeoff import TradeOff

UNDO_STEPS = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """The trade-off's settings. floor in percent; k None follows the optimum, k_max None is V."""

    alpha: float = 0.5
    floor: float = 0.0
    k: int | None = None
    draft: str = "llama-3.1-8b"
    fusion: bool = True  # charged to every draft step, as the paper does
    kmin: int = 1
    kmax: int | None = None


NAMES = tuple(field.name for field in fields(Settings))


# --- counted sets -------------------------------------------------------------------------------


def counted_sets() -> list[StoredCounts]:
    """Counts of the workspace, newest first."""
    return list_counts()


def current_key(sets: list[StoredCounts]) -> str:
    """Key of the counted set in view: the session's, else the link's, else the newest."""
    keys = [stored.key for stored in sets]
    for wanted in (st.session_state.get("counts_key"), st.query_params.get("counts")):
        if wanted in keys:
            return wanted
    return keys[0]


def label(counts: TokenCounts) -> str:
    """A counted set in one line."""
    about = counts.provenance
    template = [] if about.template == "tokenizer" else [f"template {about.template}"]
    how = [about.tokenizer, what_counts(**asdict(about)), *template]
    return " · ".join([counts.name, *how, f"{counts.tokens:,} tokens"])


@st.cache_resource(max_entries=8, show_spinner=False)
def curve_of(key: str, _counts: TokenCounts) -> CoverageCurve:
    """The coverage curve of one counted set, by its content address."""
    return CoverageCurve.of(_counts)


# --- settings -----------------------------------------------------------------------------------


def default_draft(vocab_size: int) -> str:
    """The first preset whose model has this V, as in commands; else Llama's shapes over it."""
    return (preset_of(vocab_size) or PRESETS["llama-3.1-8b"]).name


def defaults(vocab_size: int) -> Settings:
    """Where a new visitor starts."""
    return Settings(draft=default_draft(vocab_size))


def from_widgets() -> Settings:
    """The settings as the widgets of this run hold them; remembered for the other pages."""
    settings = Settings(**{name: st.session_state[name] for name in NAMES})
    st.session_state.settings = settings
    return settings


def settings(vocab_size: int) -> Settings:
    """The settings on a page without the widgets: the session's, else the link's, else defaults."""
    kept = st.session_state.get("settings")
    return kept or replace(defaults(vocab_size), **_link(vocab_size)[0])


def _link(vocab_size: int) -> tuple[dict[str, Any], list[str]]:
    """What the address says of the settings, and the names of those it says wrongly."""
    found: dict[str, Any] = {}
    wrong = []
    for name, read in LINKED.items():
        if text := st.query_params.get(name):
            try:
                found[name] = read(text, vocab_size)
            except (KeyError, ValueError):
                wrong.append(name)
    return found, wrong


def _number(read: type, least: float, most: float | None) -> Callable[[str, int], Any]:
    def within(text: str, vocab_size: int) -> Any:
        value = read(text)
        if not least <= value <= (vocab_size if most is None else most):
            raise ValueError(text)
        return value

    return within


def _draft(text: str, _: int) -> str:
    if text not in PRESETS and text not in own_drafts():
        raise ValueError(text)
    return text


# How the address is read, per setting: (text, V) -> value; most None is V.
LINKED: dict[str, Callable[[str, int], Any]] = {
    "alpha": _number(float, 0, 1),
    "floor": _number(float, 0, 100),
    "k": _number(int, 1, None),
    "kmin": _number(int, 1, None),
    "kmax": _number(int, 1, None),
    "draft": _draft,
    "fusion": lambda text, _: {"true": True, "false": False}[text],
}


def not_followed(sets: list[StoredCounts], shown: StoredCounts) -> str:
    """What of the address cannot be followed and what is shown instead, once; else nothing."""
    instead = dict.fromkeys(_link(shown.counts.vocab_size)[1], "the default settings")
    if st.query_params.get("counts", shown.key) not in {stored.key for stored in sets}:
        instead = {"counts": shown.counts.name, **instead}
    told = st.session_state.setdefault("not_followed", set())
    wrong = [name for name in instead if name not in told]
    told.update(wrong)
    names, shows = ", ".join(wrong), " with ".join(dict.fromkeys(instead[name] for name in wrong))
    return f"Not followed in the link: {names}; shown instead: {shows}." if wrong else ""


def apply(settings: Settings) -> None:
    """Set every widget (from a callback, before they are drawn)."""
    elsewhere = ("draft", "fusion", "kmin", "kmax")
    if any(st.session_state[name] != getattr(settings, name) for name in elsewhere):
        st.session_state.redraw_page = True  # those widgets stand outside the fragment
    for name, value in asdict(settings).items():
        st.session_state[name] = value


def bring(settings: Settings) -> None:
    """Put settings in view from a page without the widgets; Explore draws them when it opens."""
    st.session_state.settings = st.session_state.brought = settings


def take_up() -> None:
    """First on the page with the widgets: the browser follows what is set in the run that draws."""
    brought = st.session_state.pop("brought", None)
    if brought and brought == st.session_state.settings:
        st.session_state.update(asdict(brought))


def load_draft(name: str) -> DraftArchitecture:
    """A preset, or a config.json uploaded to this workspace."""
    return load_architecture(
        name if name in PRESETS else workspace.folder("drafts") / Path(name).name
    )


def architecture_of(settings: Settings, vocab_size: int) -> DraftArchitecture:
    """The draft's shapes over the counted set's V, with the chosen way to charge the fusion."""
    shape, _ = fitted(load_draft(settings.draft), vocab_size)
    return replace(shape, fusion_per_step=settings.fusion)


def tradeoff_of(settings: Settings, curve: CoverageCurve) -> TradeOff:
    """The trade-off these settings describe; InputError for values out of range."""
    size = curve.vocab_size
    return TradeOff(
        curve,
        architecture_of(settings, size),
        settings.alpha,
        settings.floor / 100,
        min(settings.kmin, size),
        min(settings.kmax or size, size),
    )


def arguments(settings: Settings) -> list[str]:
    """The settings as arguments of `optimize`, defaults left out."""
    start = Settings()
    if settings.draft in PRESETS:
        found = ["--draft", settings.draft]
    else:
        found = ["--draft-config", str(draft_file(settings))]
    options = {
        "--alpha": (f"{settings.alpha:g}", settings.alpha != start.alpha),
        "--min-coverage": (f"{settings.floor / 100:g}", settings.floor != start.floor),
        "--k-min": (str(settings.kmin), settings.kmin != start.kmin),
        "--k-max": (str(settings.kmax), settings.kmax is not None),
    }
    for name, (value, wanted) in options.items():
        found += [name, value] if wanted else []
    return found if settings.fusion else [*found, "--fusion-per-cycle"]


def own_drafts() -> list[str]:
    """The config.json files of this workspace that are no presets, by name."""
    return sorted(path.name for path in workspace.folder("drafts").glob("*.json"))


def draft_file(settings: Settings) -> Path:
    """Where the config.json of a draft lies that is no preset."""
    return workspace.folder("drafts") / settings.draft


def clip(name: str, vocab_size: int) -> None:
    """Keep a size that was set for a larger vocabulary within this one (before its widget)."""
    if (st.session_state.get(name) or 0) > vocab_size:
        st.session_state[name] = vocab_size


# --- sizes --------------------------------------------------------------------------------------


@st.cache_data(show_spinner=False)
def slider_sizes(vocab_size: int) -> list[int]:
    """Stops of the size slider: 0 (the optimum), then 64 .. V on a log scale, with the presets."""
    steps = 160
    grid = {round(64 * (vocab_size / 64) ** (i / steps)) for i in range(steps + 1)}
    rounded = {round(k, 2 - len(str(k))) for k in grid if k < vocab_size}
    marks = {k for k, _ in presets(vocab_size)}
    return [0, *sorted({k for k in rounded if 64 <= k < vocab_size} | marks)]


def presets(vocab_size: int) -> list[tuple[int, str]]:
    """The marked sizes below V, and V itself."""
    return [(k, name) for k, name in PRESET_SIZES if k < vocab_size] + [(vocab_size, "all")]


def nearest_size(k: int | None, vocab_size: int) -> int:
    """The slider stop nearest to k on the log scale."""
    stops = slider_sizes(vocab_size)
    return min(stops[1:], key=lambda stop: abs(stop / k - 1)) if k else 0


# --- undo ---------------------------------------------------------------------------------------


def remember(settings: Settings) -> None:
    """Note the settings as the latest step; the last 20 are kept."""
    history = st.session_state.setdefault("history", [])
    if not history or history[-1] != settings:
        history.append(settings)
        del history[: -UNDO_STEPS - 1]


def undo() -> None:
    """Go one step back."""
    history = st.session_state.get("history", [])
    if len(history) > 1:
        history.pop()
        apply(history[-1])


def can_undo() -> bool:
    """Whether there is a step to go back to."""
    return len(st.session_state.get("history", [])) > 1
