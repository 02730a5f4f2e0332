"""A selection as one value: the counts, every setting and the result; the content of choice.json.

The same counts and settings give the same k and the same tokens when it is opened again. Both are
checked then, and counts that have changed are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields import codec
from vocabtrim_core.fields.kinds import KEYS, TEXT, json_of
from vocabtrim_core.fields.leaf import Leaf, ReadContext
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
SERVED = (
    "counts of the evaluation traffic, the text that is forecast (same tokenizer and rule); of "
    "several the one that gains least decides (default: the counts that choose, held out)"
)

Keys = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class SelectionSpec:
    """Everything that decides a vocabulary, and the result.

    Attributes:
        counts: The counts it was made on.
        settings: What is weighed and where it is searched.
        k: Size of the vocabulary.
        vocabulary_sha256: Hash of the vocabulary, checked when the choice is opened.
        rules: What must and must not be in the vocabulary.
        pins: Choices kept for comparison.
        note: A line of the user's.
        forecast: Assumptions of the forecast.
        own: The tokens themselves where settings and rules did not choose them; settings.k is then
            their number, there are no rules, and mix says how they were tailored.
        mix: How own tokens were tailored.
        on: Keys of the counts it is measured on, None for all in the workspace.
        served: Keys of the counts that the forecast is about; none for those the choice was made
            on.
        format: Name and version of the file format.
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
    served: Annotated[
        tuple[str, ...], Leaf(KEYS, "--served", "served", SERVED, "served", later=True)
    ] = ()
    format: Literal["vocabtrim-choice-1"] = FORMAT

    @classmethod
    def make(cls, counts: TokenCounts, settings: Settings, **other_fields: Any) -> SelectionSpec:
        """Make the choice that these settings give on these counts, or that `own` is.

        Args:
            counts: The counts.
            settings: What is weighed.
            **other_fields: Any of the fields from rules to served.

        Returns:
            The choice with its result.

        Raises:
            InputError: The settings allow no size.
        """
        from vocabtrim_core.selection_spec.opened import opened

        own = other_fields.get("own")
        selection = opened(counts, settings, other_fields.get("rules", NO_RULES), own)
        k = len(selection.vocabulary)
        if own:
            settings, other_fields["rules"] = replace(settings, k=k), NO_RULES
        return cls(CountsNote.of(counts), settings, k, selection.vocabulary.sha256, **other_fields)

    def open(self, counts: TokenCounts) -> Opened:
        """Apply the choice again to the counts it was made on.

        Args:
            counts: The counts.

        Returns:
            The choice on its counts.

        Raises:
            InputError: The counts are others, or the result is not the same again; the sentence
                names the difference.
        """
        from vocabtrim_core.selection_spec.opened import opened

        check_counts(self.counts, counts)
        selection = opened(counts, self.settings, self.rules, self.own)
        if selection.vocabulary.sha256 != self.vocabulary_sha256:
            raise InputError(
                f"The choice names {self.k:,} tokens with sha256 {self.vocabulary_sha256[:12]}, "
                f"but its settings give {len(selection.vocabulary):,} others on {counts.name}; "
                "it was edited, or made by another version. Choose again."
            )
        return selection

    # --- addresses and commands

    def query(self) -> dict[str, str]:
        """Return the parameters of a link; those at their default are left out."""
        parameters = {"counts": self.counts.key, **codec.to_query(self)}
        return parameters | {"ids": self.vocabulary_sha256[:16]}

    @classmethod
    def from_query(cls, query: Mapping[str, str], counts: TokenCounts) -> SelectionSpec:
        """Make the choice of a link again.

        Args:
            query: Parameter -> text.
            counts: The counts that the link names.

        Returns:
            The choice.

        Raises:
            InputError: A parameter cannot be read, or counts or result are not those of the link.
        """
        key = query.get("counts", "")
        if key != counts.key:
            raise InputError(f"The link is about the counts {key or '(none)'}, not {counts.key}.")
        at = ReadContext(counts.vocab_size, counts)
        spec = cls.make(counts, **codec.from_query(cls, query, at))
        if not spec.vocabulary_sha256.startswith(query.get("ids", "")):
            raise InputError(
                f"The link names other tokens than its settings give ({spec.k:,} of them); it was "
                "edited, or made by another version. Choose again."
            )
        return spec

    def argv(self, files: Mapping[str, str | Path] | None = None) -> list[str]:
        """Write the options of `choice save`.

        Left out is what no option takes: pins without a k or on other counts, the mix of own tokens
        (an option of `select`) with their search bounds, and a forecast's baseline.

        Args:
            files: Option -> path, as in `fields.codec.to_argv`.

        Returns:
            Words of a command line.
        """
        leave = ("k", "k_min", "k_max") if self.own else ()
        return codec.to_argv(self, files, leave=leave, stated=True)

    # --- choice.json

    def save(self, path: str | Path) -> Path:
        """Write choice.json, atomically.

        Args:
            path: The file.

        Returns:
            The path.
        """
        return write_atomic(path, self.dumps().encode())

    def dumps(self) -> str:
        """Return the text of choice.json; equal choices give equal texts."""
        content = codec.builtins_of(self)
        return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"

    @classmethod
    def load(cls, path: str | Path) -> SelectionSpec:
        """Read a choice.json.

        Args:
            path: The file.

        Returns:
            The choice.

        Raises:
            InputError: The file cannot be read, or a field is wrong or unknown.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a readable choice.json ({error}).") from error
        return cls.loads(text, str(path))

    @classmethod
    def loads(cls, text: str, where: str = "choice.json") -> SelectionSpec:
        """Read the text of a choice.json.

        Args:
            text: The text.
            where: Name of the file, for sentences on errors.

        Returns:
            The choice.

        Raises:
            InputError: The text is no choice, or a field is wrong or unknown.
        """
        try:
            raw = msgspec.json.decode(text)
            if not isinstance(raw, dict) or raw.get("format") != FORMAT:
                raise InputError(f'{where} is no choice: it lacks "format": "{FORMAT}".')
            if isinstance(served := raw.get("served"), str):  # one key, as it once was
                raw["served"] = [served] if served else []
            choice = msgspec.convert(raw, type=cls)
        except msgspec.DecodeError as error:  # ValidationError is one, and names the field
            raise InputError(f"{where} is not a choice that can be read ({error}).") from error
        if unknown := _unknown(raw, msgspec.to_builtins(choice)):
            raise InputError(f"{where}: {unknown} is no field of a choice.")
        return choice


def _unknown(raw: Any, known: Any, at: str = "") -> str | None:
    """Return the path of the first JSON field that `known`, as JSON, does not have."""
    if isinstance(raw, dict) and isinstance(known, dict):
        for name, item in raw.items():
            path = f"{at}.{name}" if at else name
            unknown = path if name not in known else _unknown(item, known[name], path)
            if unknown:
                return unknown
    if isinstance(raw, list) and isinstance(known, list | tuple):
        pairs = enumerate(zip(raw, known, strict=False))
        return next((p for i, (x, y) in pairs if (p := _unknown(x, y, f"{at}[{i}]"))), None)
    return None
