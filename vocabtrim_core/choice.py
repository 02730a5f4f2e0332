"""The whole choice as one value: what was counted, every setting, the result. `choice.json`.

It reopens exactly: the same counts and settings give the same k and the same tokens, and both are
checked when they do. Stale counts are recognised, never used silently.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.id_runs import from_runs, to_runs
from vocabtrim_core.selection.selection import RuledCurve, Rules, apply_rules
from vocabtrim_core.tradeoff import Choice, TradeOff
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import write_atomic

FORMAT = "vocabtrim-choice-1"
NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class CountsNote:
    """Which counts a choice was made on: the key decides, the rest says what differs."""

    key: str
    name: str
    tokens: int
    vocab_size: int
    tokenizer: str
    tokenizer_sha256: str
    rule: str
    template: str
    template_sha256: str

    @classmethod
    def of(cls, counts: TokenCounts) -> CountsNote:
        """The note of these counts."""
        made = counts.provenance
        return cls(
            counts.key, counts.name, counts.tokens, counts.vocab_size, made.tokenizer,
            made.tokenizer_sha256, made.rule, made.template, made.template_sha256,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What is weighed and where it is searched. Shares in 0..1; k None is the optimum, k_max V."""

    architecture: DraftArchitecture
    alpha: float = 0.5
    floor: float = 0.0
    k: int | None = None
    k_min: int = 1
    k_max: int | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """A choice kept for comparison: counts by key and name, and its settings."""

    counts: str
    name: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """What a forecast assumes. full_length: acceptance length of the full-vocabulary draft, None
    for no forecast. measured: (k, acceptance length). cycles: (k, seconds), instead of hardware.
    width: branches per draft step. verified: tokens verified per cycle, None for all drafted."""

    full_length: float | None = None
    depth: int = 3
    measured: tuple[tuple[int, float], ...] = ()
    hardware: str = "a100-80g"
    batch: int = 1
    cycles: tuple[tuple[int, float], ...] = ()
    baseline_k: int | None = None
    width: int = 1
    verified: int | None = None


NO_FORECAST = ForecastSettings()


@dataclass(frozen=True, slots=True)
class OwnTokens:
    """Tokens that no size and no rule gives: tailored to a mix, imported, grown by hand.

    about: how they were chosen, in a few words.  ids: as runs, '3,10-19'.
    """

    about: str
    ids: str

    @classmethod
    def of(cls, vocabulary: DraftVocabulary, about: str) -> OwnTokens:
        """The tokens of a vocabulary."""
        return cls(about, to_runs(vocabulary.ids.tolist()))

    def vocabulary(self, vocab_size: int) -> DraftVocabulary:
        """The tokens again; InputError for ids that are none of V."""
        return DraftVocabulary.of(from_runs(self.ids, "The choice's own ids"), vocab_size)


@dataclass(frozen=True, slots=True)
class SavedChoice:
    """A choice on paper. k and vocabulary_sha256: the result, to be found again when reopened.

    own: the tokens themselves, where settings and rules did not choose them; settings.k is then
    their number, and there are no rules.
    """

    counts: CountsNote
    settings: Settings
    k: int
    vocabulary_sha256: str
    rules: Rules = NO_RULES
    pins: tuple[Pin, ...] = ()
    note: str = ""
    forecast: ForecastSettings = NO_FORECAST
    own: OwnTokens | None = None
    format: Literal["vocabtrim-choice-1"] = FORMAT

    @classmethod
    def make(
        cls,
        counts: TokenCounts,
        settings: Settings,
        *,
        rules: Rules = NO_RULES,
        pins: tuple[Pin, ...] = (),
        note: str = "",
        forecast: ForecastSettings = NO_FORECAST,
        own: OwnTokens | None = None,
    ) -> SavedChoice:
        """The choice that these settings make on these counts, or that `own` is."""
        opened = _open(counts, settings, rules, own)
        k = len(opened.vocabulary)
        if own:
            settings, rules = replace(settings, k=k), NO_RULES
        return cls(
            CountsNote.of(counts), settings, k, opened.vocabulary.sha256, rules, pins, note,
            forecast, own,
        )  # fmt: skip

    def open(self, counts: TokenCounts) -> Opened:
        """The choice again, on the counts it was made on.

        InputError, saying what differs, for any other counts and for a result that is not found
        again.
        """
        self.check(counts)
        opened = _open(counts, self.settings, self.rules, self.own)
        if opened.vocabulary.sha256 != self.vocabulary_sha256:
            raise InputError(
                f"The choice names {self.k:,} tokens with sha256 {self.vocabulary_sha256[:12]}, "
                f"but its settings give {len(opened.vocabulary):,} others on {counts.name}; it was "
                "edited, or made by another version. Choose again."
            )
        return opened

    def check(self, counts: TokenCounts) -> None:
        """InputError unless these are the counts the choice was made on."""
        ours, theirs = self.counts, CountsNote.of(counts)
        if ours.key == theirs.key:
            return
        for field, name in (("tokenizer_sha256", "tokenizer"), ("vocab_size", "V"),
                            ("rule", "rule"), ("template_sha256", "template")):  # fmt: skip
            mine, its = getattr(ours, field), getattr(theirs, field)
            if mine != its:
                if name in ("tokenizer", "template"):
                    mine = f"{getattr(ours, name)} ({mine[:8]})"
                    its = f"{getattr(theirs, name)} ({its[:8]})"
                raise InputError(
                    f"The choice was made with {name} {mine}, but {counts.name} was counted with "
                    f"{its}; give the counts {ours.key}."
                )
        raise InputError(
            f"The choice was made on {ours.name} ({ours.tokens:,} tokens, key {ours.key}), but "
            f"these counts are {theirs.name} ({theirs.tokens:,} tokens, key {theirs.key}); choose "
            "again on them, or give the counts it was made on."
        )

    def save(self, path: str | Path) -> Path:
        """Write choice.json, atomically; equal choices give equal bytes."""
        return write_atomic(path, self.dumps().encode())

    def dumps(self) -> str:
        """The text of choice.json."""
        text = msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2)
        return text.decode() + "\n"

    @classmethod
    def load(cls, path: str | Path) -> SavedChoice:
        """Read what `save` wrote; InputError names the file and the field otherwise."""
        path = Path(path)
        try:
            text = path.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a readable choice.json ({error}).") from error
        return cls.loads(text, str(path))

    @classmethod
    def loads(cls, text: str, where: str = "choice.json") -> SavedChoice:
        """From the text of a choice.json."""
        try:
            raw = msgspec.json.decode(text)
            if not isinstance(raw, dict) or raw.get("format") != FORMAT:
                raise InputError(f'{where} is no choice: it lacks "format": "{FORMAT}".')
            choice = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:  # ValidationError is one, and names the field
            raise InputError(f"{where} is not a choice that can be read ({error}).") from error
        if unknown := _unknown(raw, msgspec.json.decode(msgspec.json.encode(choice))):
            raise InputError(f"{where}: {unknown} is no field of a choice.")
        return choice


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A choice at work. tradeoff runs over the rules' order of tokens; of own tokens, which have no
    place in it, choice says what they cover.
    """

    tradeoff: TradeOff
    ruled: RuledCurve
    choice: Choice
    vocabulary: DraftVocabulary


def _open(
    counts: TokenCounts, settings: Settings, rules: Rules, own: OwnTokens | None = None
) -> Opened:
    ruled = apply_rules(counts.counts, rules)
    tradeoff = TradeOff(
        ruled.curve, settings.architecture, settings.alpha, settings.floor, settings.k_min,
        settings.k_max,
    )  # fmt: skip
    if own:
        vocabulary = own.vocabulary(counts.vocab_size)
        return Opened(tradeoff, ruled, _as_it_is(vocabulary, counts, tradeoff), vocabulary)
    wanted = settings.k if settings.k is not None else tradeoff.optimum.k
    k = ruled.padded(ruled.curve.check_k(wanted))
    return Opened(tradeoff, ruled, tradeoff.at(k), ruled.vocabulary(k))


def _as_it_is(vocabulary: DraftVocabulary, counts: TokenCounts, tradeoff: TradeOff) -> Choice:
    """The trade-off of tokens in no order of frequency."""
    coverage, plain = coverage_on(vocabulary, counts).coverage, tradeoff.at(len(vocabulary))
    utility = plain.utility + tradeoff.alpha * (coverage - plain.coverage)
    return replace(plain, coverage=coverage, utility=utility)


# --- reading ------------------------------------------------------------------------------------


def _unknown(raw: Any, made: Any, at: str = "") -> str | None:
    """Path of the first JSON field that `made`, as JSON, has no place for."""
    if isinstance(raw, dict) and isinstance(made, dict):
        for name, item in raw.items():
            path = f"{at}.{name}" if at else name
            found = path if name not in made else _unknown(item, made[name], path)
            if found:
                return found
    if isinstance(raw, list) and isinstance(made, list):
        pairs = enumerate(zip(raw, made, strict=False))
        return next((p for i, (x, y) in pairs if (p := _unknown(x, y, f"{at}[{i}]"))), None)
    return None
