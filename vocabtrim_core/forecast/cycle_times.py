"""Cycle times as settings give them, refused where they cannot be."""

from __future__ import annotations

from dataclasses import replace

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.forecast.devices import HARDWARE, device
from vocabtrim_core.forecast.roofline import from_one_run, roofline
from vocabtrim_core.forecast.settings import HEAD_BYTES, ForecastSettings

MOST_SECONDS = 60  # of a cycle; a larger number is one of milliseconds
FAR = 20  # times the reading of all weights; overheads, batch and context explain less
# Bytes/s at which cycle times may say that head rows are read: from the slowest memory to eight of
# the fastest devices that share the head. Beyond one device, or below all of them, it is said.
LEAST_RATE, MOST_DEVICES = 1e9, 8
# A cycle this long that reads its head slower than any device is one of milliseconds: in seconds it
# would be a thousandth, and the rate a thousand times as much, which is that of a usual device.
LONG_SECONDS = 1
MOST_FAR = 300  # times the reading of all weights; milliseconds come to a thousand times and more
JUDGED_BYTES = 1e7  # between the heads of two cycles: of fewer, other work takes most of the time
SLOWEST = min(sheet.bandwidth * sheet.effective[0] for sheet in HARDWARE.values())
FASTEST = max(HARDWARE.values(), key=lambda sheet: sheet.bandwidth)


def cycle_times(settings: ForecastSettings, architecture: DraftArchitecture) -> CycleRange:
    """The cycle time that settings give.

    Args:
        settings: Two or more measured cycles make a line; one is taken together with the time
            that the hardware needs for a head row; none leaves everything to the hardware.
        architecture: Shapes of the draft and its target.

    Returns:
        The range.

    Raises:
        InputError: The hardware is unknown, the settings give no cycle time, or measured ones are
            impossible.
    """
    for k, seconds in settings.cycles:
        if not 0 < seconds <= MOST_SECONDS:
            raise InputError(
                f"The cycle at k = {k:,} is said to take {seconds:g} s; give seconds above 0 and "
                f"up to {MOST_SECONDS}, such as 0.0168 for 16.8 ms."
            )
    row = row_bytes(settings, architecture)
    if len(settings.cycles) > 1:
        cycles = CycleRange.measured(settings.cycles)
        sizes = [k for k, _ in settings.cycles]
        large = row * (max(sizes) - min(sizes)) >= JUDGED_BYTES
        shortest = min(seconds for _, seconds in settings.cycles)
        return _checked(cycles, row, shortest) if large else cycles
    hardware = device(settings.hardware)
    if settings.cycles:
        cycles = from_one_run(*settings.cycles[0], hardware, row)
        return replace(cycles, regime=cycles.regime + _one_run_note(settings, architecture))
    return roofline(
        architecture,
        hardware,
        settings.depth,
        batch=settings.batch,
        width=settings.width,
        verified=settings.verified,
        context=settings.context,
        head_bytes=row_format(settings, architecture),
    )


def _one_run_note(settings: ForecastSettings, architecture: DraftArchitecture) -> str:
    """A sentence where a measured cycle is far from what reading all weights once takes."""
    hardware = device(settings.hardware)
    target, ((k, seconds),) = architecture.target_weights, settings.cycles
    if target is None:
        return ""
    least = architecture.target_bytes(target) / hardware.bandwidth
    if seconds > max(MOST_FAR * least, LONG_SECONDS):
        raise InputError(
            f"The cycle at k = {k:,} is said to take {seconds:g} s, {seconds / least:,.0f} times "
            f"the reading of {architecture.name}'s target on {hardware.name}; give seconds, "
            f"such as {seconds / 1e3:.3g} for {seconds:g} ms."
        )
    if least <= seconds <= FAR * least:
        return ""
    than = "less than" if seconds < least else f"more than {FAR} times"
    return (
        f" The run at {k:,} tokens took {1e3 * seconds:,.2f} ms, {than} the {1e3 * least:,.2f} ms "
        f"in which {hardware.name} reads the weights of {architecture.name}'s target once. That is "
        "right where they are quantised, shared by devices or computed at a large batch; else "
        "check hardware, target and time."
    )


def row_bytes(settings: ForecastSettings, architecture: DraftArchitecture) -> float:
    """Compute the bytes of one head row that a cycle reads, over all passes of the head.

    Args:
        settings: Depth, and the format of head rows.
        architecture: Gives the weights per row and how often a cycle reads them.

    Returns:
        Bytes.
    """
    return architecture.row_reads(settings.depth) * row_format(settings, architecture)


def row_format(settings: ForecastSettings, architecture: DraftArchitecture) -> float:
    """Choose the bytes per weight of head rows.

    Args:
        settings: Gives the format; bf16 is the one where nothing was chosen.
        architecture: Gives the bytes where its head is known to be stored otherwise.

    Returns:
        Bytes.
    """
    own = architecture.weight_bytes
    plain = settings.head_format == "bf16"
    return own.head if own is not None and plain else HEAD_BYTES[settings.head_format]


def _checked(cycles: CycleRange, row: float, shortest: float) -> CycleRange:
    """The same range, with a sentence where bytes hardly explain it; InputError if they cannot."""
    rate = row / cycles.middle.row_s
    sentence = f"These cycle times say that head rows are read at {rate / 1e9:,.3g} GB/s"
    check = "check that each time belongs to its k and is in seconds"
    if rate > MOST_DEVICES * FASTEST.bandwidth:
        raise InputError(
            f"{sentence}, faster than {MOST_DEVICES} devices of {FASTEST.name} could; {check}."
        )
    if rate < LEAST_RATE:
        raise InputError(f"{sentence}, slower than any memory is; {check}.")
    if rate < SLOWEST and shortest >= LONG_SECONDS:
        raise InputError(
            f"{sentence} in cycles of {shortest:g} s and more, slower than any device here; give "
            f"seconds, such as {shortest / 1e3:.3g} for {shortest:g} ms."
        )
    if rate > FASTEST.bandwidth:
        sentence += (
            f", faster than one {FASTEST.name}: right where devices share the head, else {check}."
        )
    elif rate < SLOWEST:
        sentence += f", slower than any device here; {check}."
    else:
        return cycles
    return replace(cycles, regime=f"{cycles.regime} {sentence}")
