"""Measurements of trimmed drafts: facts with their sources, in CSV files.

`evidence.csv` beside this module holds the public ones; `evidence_check` puts the forecast beside
each.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import msgspec

from vocabtrim_core.errors import InputError

CLASSES = {
    "P": "one draft, its vocabulary changed",
    "L": "one draft, its list of tokens changed",
    "Q": "one draft, its head stored in fewer bits",
    "F": "one configuration, nothing to compare with",
    "D": "different drafts",
    "C": "confounded",
}
# Standard deviation of a measured ratio where the source gives no interval, from the pairs that
# sources ran twice: `benchmarks/forecast_fit.py` prints what it is rounded from.
UNSTATED_NOISE = 0.045
UNKNOWN = "unknown"
POSITIVE = 1e-9  # the least that a rate or a time may be
RANGES = (
    ("vocab_size", 0, 10_000_000),
    ("hidden_size", 0, 1_000_000),
    ("depth", 0, 64),
    ("batch", 1, 1_000_000),
    ("ranks", 1, 10_000),
    ("coverage_base", 0, 1),
    ("coverage_k", 0, 1),
    ("length_base", 1, 65),
    ("length_k", 1, 65),
    ("cycle_ms_base", POSITIVE, 1e9),
    ("cycle_ms_k", POSITIVE, 1e9),
    ("throughput_base", POSITIVE, 1e12),
    ("throughput_k", POSITIVE, 1e12),
    ("gain", -1, 1000),
    ("head_bytes_base", POSITIVE, 8),
    ("head_bytes_k", POSITIVE, 8),
    ("noise", 0, 1),
)


class Evidence(msgspec.Struct, frozen=True):
    """One measurement. Empty cells of the file stand for the defaults, `unknown` for None.

    Attributes:
        id: Unique, stable.
        source: Repository and path or issue, paper and table.
        date: When it was measured or published.
        kind: A key of CLASSES.
        model: Target model.
        head: Kind of draft: eagle, eagle3, mtp, ...
        hidden_size: Width of a head row, H; 0 where not given, as for other sizes.
        vocab_size: V of the target.
        k_base: Rows of the baseline's head.
        k: Rows of the trimmed head.
        training: A key of RETRAININGS.
        device: A key of HARDWARE.
        engine: Engine with its version.
        batch: Sequences decoded together.
        ranks: Devices that share each head row.
        depth: Drafted tokens K.
        length_base: The baseline's acceptance length, 1 + accepted / steps.
        length_k: The trimmed draft's.
        coverage_base: Share of the served text in the baseline's list; None for all of V.
        coverage_k: Share of it in the trimmed list.
        cycle_ms_base: Milliseconds per cycle of the baseline.
        cycle_ms_k: Milliseconds per cycle of the trimmed draft.
        throughput_base: Output tokens/s of the baseline.
        throughput_k: Output tokens/s of the trimmed draft.
        gain: Relative gain as the source gives it, where throughputs are not given; 0.03 = +3 %.
        equal_acceptance: Only the cycle time is compared.
        head_bytes_base: Bytes per weight of the baseline's head.
        head_bytes_k: Bytes per weight of the trimmed head.
        noise: Standard deviation of the measured ratio, relative; from the source's interval.
        note: What a reader must know, in our words.
    """

    id: str
    source: str
    kind: str
    model: str = ""
    head: str = ""
    hidden_size: int = 0
    vocab_size: int = 0
    k_base: int = 0
    k: int = 0
    training: str = "sliced"
    device: str = ""
    depth: int = 0
    date: str = ""
    engine: str = ""
    batch: int = 1
    ranks: int = 1
    length_base: float | None = None
    length_k: float | None = None
    coverage_base: float | None = None
    coverage_k: float | None = None
    cycle_ms_base: float | None = None
    cycle_ms_k: float | None = None
    throughput_base: float | None = None
    throughput_k: float | None = None
    gain: float | None = None
    equal_acceptance: bool = False
    head_bytes_base: float | None = 2.0
    head_bytes_k: float | None = None
    noise: float = UNSTATED_NOISE
    note: str = ""

    @property
    def observed(self) -> float | None:
        """Measured relative gain, of the cycle time where acceptance is taken to be equal."""
        if self.equal_acceptance and self.cycle_ms_base and self.cycle_ms_k:
            return self.cycle_ms_base / self.cycle_ms_k - 1
        if self.throughput_base and self.throughput_k:
            return self.throughput_k / self.throughput_base - 1
        return self.gain


def shipped() -> tuple[Evidence, ...]:
    """Load the measurements that come with the package."""
    return parse((files("vocabtrim_core.forecast") / "evidence.csv").read_text(), "evidence.csv")


def load(path: str | Path) -> tuple[Evidence, ...]:
    """Load the measurements of a file in the form of the shipped `evidence.csv`.

    Args:
        path: The file.

    Returns:
        The measurements in their order.

    Raises:
        InputError: It cannot be read or has a wrong value; the message names file, row and field.
    """
    try:
        return parse(Path(path).read_text("utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from error


def parse(text: str, name: str) -> tuple[Evidence, ...]:
    """Measurements from CSV text.

    Args:
        text: A header of fields of Evidence, then a row each.
        name: Of the file, for messages.

    Returns:
        The measurements in their order.

    Raises:
        InputError: A field is missing, unknown or has a value of another type.
    """
    reader = csv.DictReader(io.StringIO(text))
    unknown = set(reader.fieldnames or ()) - set(Evidence.__struct_fields__)
    if unknown:
        raise InputError(
            f"{name}: there is no field {', '.join(sorted(map(str, unknown)))}; the fields are "
            f"{', '.join(Evidence.__struct_fields__)}."
        )
    rows: list[Evidence] = []
    for number, cells in enumerate(reader, 2):
        if None in cells:
            raise InputError(f"{name}, line {number}: there are more cells than fields.")
        given: dict[str, str | None] = {k: v for k, v in cells.items() if v not in ("", None)}
        given |= {field: None for field, value in given.items() if value == UNKNOWN}
        try:
            row = msgspec.convert(given, Evidence, strict=False)
        except msgspec.ValidationError as error:
            raise InputError(f"{name}, line {number}: {error}.") from error
        rows.append(_checked_values(row, f"{name}, line {number}"))
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise InputError(f"{name}: the id {row.id} is given twice.")
        seen.add(row.id)
    return tuple(rows)


def _checked_values(row: Evidence, place: str) -> Evidence:
    if row.kind not in CLASSES:
        raise InputError(
            f"{place}: there is no class {row.kind!r}; choose one of {', '.join(CLASSES)}."
        )
    for field, least, most in RANGES:
        value = getattr(row, field)
        if value is not None and not least <= value <= most:
            raise InputError(
                f"{place}: {field} must lie within {least:g}..{most:g}, but it is {value:g}."
            )
    for field in ("length_base", "length_k"):
        length = getattr(row, field)
        if length is not None and row.depth and length > row.depth + 1:
            raise InputError(
                f"{place}: {field} must lie within 1..{row.depth + 1} at depth {row.depth}, but it "
                f"is {length:g}."
            )
    _check_cycle(row, place)
    for field in ("k", "k_base"):
        if row.vocab_size and not 0 <= getattr(row, field) <= row.vocab_size:
            raise InputError(f"{place}: {field} must lie within 0..{row.vocab_size:,}.")
    return row


MOST_APART = 0.25  # of a stated cycle, from acceptance length over throughput; rounding is less


def _check_cycle(row: Evidence, place: str) -> None:
    """InputError where cycle time, acceptance length and throughput contradict each other."""
    for end in ("base", "k"):
        cycle_ms, length, rate = (
            getattr(row, f"{field}_{end}") for field in ("cycle_ms", "length", "throughput")
        )
        if not (cycle_ms and length and rate):
            continue
        expected = 1e3 * length * row.batch / rate
        if abs(expected / cycle_ms - 1) > MOST_APART:
            raise InputError(
                f"{place}: cycle_ms_{end} is {cycle_ms:g}, but {length:g} tokens per cycle at "
                f"{rate:g} tokens/s of {row.batch:,} sequences make {expected:.3g} ms; check the "
                "units."
            )


def select(
    rows: Iterable[Evidence],
    *,
    kind: str | None = None,
    head: str | None = None,
    device: str | None = None,
) -> list[Evidence]:
    """The measurements that meet every condition given.

    Args:
        rows: Measurements.
        kind: A key of CLASSES.
        head: Kind of draft.
        device: A key of HARDWARE.

    Returns:
        Those measurements in their order.

    Raises:
        InputError: There is no such class.
    """
    if kind is not None and kind not in CLASSES:
        raise InputError(f"There is no class {kind!r}; choose one of {', '.join(CLASSES)}.")
    return [
        row
        for row in rows
        if kind in (None, row.kind) and head in (None, row.head) and device in (None, row.device)
    ]
