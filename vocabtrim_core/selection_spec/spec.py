"""A whole selection as one value: what was counted, every setting, the result. `choice.json`.

It reopens exactly: the same counts and settings give the same k and the same tokens, and both are
checked when they do. Stale counts are recognised, never used silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields import leaf as codec
from vocabtrim_core.fields.kinds import KEY, KEYS, TEXT, json_of
from vocabtrim_core.fields.leaf import At, Leaf
from vocabtrim_core.forecast.settings import NO_FORECAST, ForecastSettings
from vocabtrim_core.selection.rules import NO_RULES, Rules
from vocabtrim_core.selection_spec.counts_note import CountsNote, check_counts
from vocabtrim_core.selection_spec.kinds import OWN, PINS
from vocabtrim_core.selection_spec.settings import NO_MIX, Mix, OwnTokens, Pin, Settings
from vocabtrim_core.workspace.files import write_atomic

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.selection_spec.opened import Opened

FORMAT = "vocabtrim-choice-1"
FORECAST = Leaf(
    json_of(ForecastSettings),
    "",
    "forecast",
    "the forecast; left out without an acceptance length",
    "forecast_settings",
    part=ForecastSettings,
)
PIN = "another k to compare with"
NOTE = "a line kept with the choice"
VOCABULARY = "the tokens of what `select` wrote, or of a mapping that `compare` reads"
ON = "counts of other corpora, to show what the choice covers there"
SERVED = "counts of the text to be served, where that is another"

Keys = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class SelectionSpec:
    """Everything that decides a vocabulary, on paper. k and vocabulary_sha256: the result, to be
    found again when reopened.

    own: the tokens themselves, where settings and rules did not choose them; settings.k is then
    their number, there are no rules, and mix says how they were tailored.  on: keys of the counts
    it is measured on, None for all that are at hand.  served: key of the counts that a forecast is
    about, "" for those the choice was made on.
    """

    counts: CountsNote
    settings: Annotated[Settings, Leaf(part=Settings, help="the choice")]
    k: int
    vocabulary_sha256: str
    rules: Annotated[Rules, Leaf(part=Rules, key="rules")] = NO_RULES
    pins: Annotated[tuple[Pin, ...], Leaf(PINS, "--pin", "pins", PIN)] = ()
    note: Annotated[str, Leaf(TEXT, "--note", "note", NOTE, metavar="TEXT")] = ""
    forecast: Annotated[ForecastSettings, FORECAST] = NO_FORECAST
    own: Annotated[OwnTokens | None, Leaf(OWN, "--vocabulary", "own", VOCABULARY)] = None
    mix: Annotated[Mix, Leaf(json_of(Mix), "", "mix", later=True)] = NO_MIX
    on: Annotated[Keys, Leaf(KEYS, "--on", "on", ON, "measured_on", later=True)] = None
    served: Annotated[str, Leaf(KEY, "--served", "served", SERVED, later=True)] = ""
    format: Literal["vocabtrim-choice-1"] = FORMAT

    @classmethod
    def make(cls, counts: TokenCounts, settings: Settings, **more: Any) -> SelectionSpec:
        """The choice that these settings make on these counts, or that `own` is.

        more: any of the fields from rules to served.
        """
        from vocabtrim_core.selection_spec.opened import opened

        own = more.get("own")
        found = opened(counts, settings, more.get("rules", NO_RULES), own)
        k = len(found.vocabulary)
        if own:
            settings, more["rules"] = replace(settings, k=k), NO_RULES
        return cls(CountsNote.of(counts), settings, k, found.vocabulary.sha256, **more)

    def open(self, counts: TokenCounts) -> Opened:
        """The choice again, on the counts it was made on.

        InputError, saying what differs, for any other counts and for a result that is not found
        again.
        """
        from vocabtrim_core.selection_spec.opened import opened

        check_counts(self.counts, counts)
        found = opened(counts, self.settings, self.rules, self.own)
        if found.vocabulary.sha256 != self.vocabulary_sha256:
            raise InputError(
                f"The choice names {self.k:,} tokens with sha256 {self.vocabulary_sha256[:12]}, "
                f"but its settings give {len(found.vocabulary):,} others on {counts.name}; it was "
                "edited, or made by another version. Choose again."
            )
        return found

    # --- addresses and commands

    def query(self) -> dict[str, str]:
        """The parameters of a link; those at their default are left out."""
        found = {"counts": self.counts.key, **codec.to_query(self)}
        return found | {"ids": self.vocabulary_sha256[:16]}

    @classmethod
    def from_query(cls, query: Mapping[str, str], counts: TokenCounts) -> SelectionSpec:
        """The choice of a link, made again on the counts it names.

        InputError, naming the parameter, for anything that is no such link, and when the counts or
        the result are not those of the link.
        """
        key = query.get("counts", "")
        if key != counts.key:
            raise InputError(f"The link is about the counts {key or '(none)'}, not {counts.key}.")
        at = At(counts.vocab_size, counts)
        found = cls.make(counts, **codec.from_query(cls, query, at))
        if not found.vocabulary_sha256.startswith(query.get("ids", "")):
            raise InputError(
                f"The link names other tokens than its settings give ({found.k:,} of them); it was "
                "edited, or made by another version. Choose again."
            )
        return found

    def argv(self, files: Mapping[str, str | Path] | None = None) -> list[str]:
        """The options of `choice save`; files as in `fields.leaf.to_argv`.

        They leave out what no option says: pins without a k or on other counts, the mix of own
        tokens (an option of `select`) and their search bounds, a forecast's baseline.
        """
        leave = ("k", "k_min", "k_max") if self.own else ()
        return codec.to_argv(self, files, leave=leave, stated=True)

    # --- choice.json

    def save(self, path: str | Path) -> Path:
        """Write choice.json, atomically; equal choices give equal bytes."""
        return write_atomic(path, self.dumps().encode())

    def dumps(self) -> str:
        """The text of choice.json."""
        whole = msgspec.to_builtins(self, order="deterministic")
        for field, about in codec.table(type(self)):
            if about.later and getattr(self, field.name) == field.default:
                del whole[field.name]
        return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"

    @classmethod
    def load(cls, path: str | Path) -> SelectionSpec:
        """Read what `save` wrote; InputError names the file and the field otherwise."""
        path = Path(path)
        try:
            text = path.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a readable choice.json ({error}).") from error
        return cls.loads(text, str(path))

    @classmethod
    def loads(cls, text: str, where: str = "choice.json") -> SelectionSpec:
        """From the text of a choice.json."""
        try:
            raw = msgspec.json.decode(text)
            if not isinstance(raw, dict) or raw.get("format") != FORMAT:
                raise InputError(f'{where} is no choice: it lacks "format": "{FORMAT}".')
            choice = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:  # ValidationError is one, and names the field
            raise InputError(f"{where} is not a choice that can be read ({error}).") from error
        if unknown := _unknown(raw, msgspec.to_builtins(choice)):
            raise InputError(f"{where}: {unknown} is no field of a choice.")
        return choice


def _unknown(raw: Any, made: Any, at: str = "") -> str | None:
    """Path of the first JSON field that `made`, as JSON, has no place for."""
    if isinstance(raw, dict) and isinstance(made, dict):
        for name, item in raw.items():
            path = f"{at}.{name}" if at else name
            found = path if name not in made else _unknown(item, made[name], path)
            if found:
                return found
    if isinstance(raw, list) and isinstance(made, list | tuple):
        pairs = enumerate(zip(raw, made, strict=False))
        return next((p for i, (x, y) in pairs if (p := _unknown(x, y, f"{at}[{i}]"))), None)
    return None
