"""Cycle times from a device's data sheet, alone or with one measured run."""

from __future__ import annotations

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.cycle_model import CycleModel, CycleRange
from vocabtrim_core.forecast.devices import Hardware

MOST_HEAD_SHARE = 0.9  # of a measured cycle; the rest takes time on any device


def from_one_run(k: int, seconds: float, hardware: Hardware, row: float) -> CycleRange:
    """Cycle models from one measured run and the bandwidth of the device.

    Args:
        k: Size of the measured draft.
        seconds: Its seconds per cycle.
        hardware: Device whose effective bandwidth gives the time of a head row.
        row: Bytes of a head row that a cycle reads.

    Returns:
        Both ends pass through the measured run.

    Raises:
        InputError: The heads alone would take longer than the measured cycle.
    """
    rows = [row / (hardware.bandwidth * share) for share in hardware.effective]
    if rows[1] * k >= seconds:
        raise InputError(
            f"Reading {k:,} head rows takes {1e3 * rows[1] * k:.2f} ms on {hardware.name}, longer "
            f"than the {1e3 * seconds:.2f} ms measured for the whole cycle; check the hardware and "
            "the cycle time."
        )
    name = f"one run at {k:,} tokens, head rows at the bandwidth of {hardware.name}"
    longest_row_s = MOST_HEAD_SHARE * seconds / k
    fast, slow = (
        CycleModel(seconds - min(r, longest_row_s) * k, min(r, longest_row_s), name) for r in rows
    )
    text = (
        f"One run at {k:,} tokens was measured; what a head row takes is that of {hardware.name} "
        f"at {hardware.effective[0]:.0%} to {hardware.effective[1]:.0%} of its bandwidth."
    )
    return CycleRange(fast, slow, " ".join(filter(None, [text, hardware.caution])))


def roofline(
    architecture: DraftArchitecture,
    hardware: Hardware,
    depth: int,
    *,
    batch: int = 1,
    width: int = 1,
    verified: int | None = None,
    context: int = 0,
    head_bytes: float | None = None,
) -> CycleRange:
    """Cycle models from weights, cache and peaks: every product takes max(bytes/BW, FLOPs/peak).

    Args:
        architecture: Shapes of the draft and its target.
        hardware: The device.
        depth: Draft steps K per cycle.
        batch: Sequences decoded together.
        width: Branches of a draft tree extended per step; 1 is a chain.
        verified: Tokens of one sequence that the target verifies per cycle; None for depth x
            width + 1.
        context: Tokens of one sequence that attention reads from the cache, in each verification
            for all layers of the target, in each draft step for the draft's.
        head_bytes: Bytes per weight of the draft's head; None for the draft's own.

    Returns:
        The range; its ends differ by the device's overhead.

    Raises:
        InputError: A number is out of range, the target's layers are unknown, or weights and
            cache do not fit into the device's memory.
    """
    verified = depth * width + 1 if verified is None else verified
    for name, value in (("depth", depth), ("batch", batch), ("width", width)):
        if value < 1:
            raise InputError(f"{name} must be 1 or more, but it is {value}.")
    if context < 0:
        raise InputError(f"context must be 0 tokens or more, but it is {context}.")
    if verified < depth + 1:
        raise InputError(
            f"At draft depth {depth} the target verifies {depth + 1} tokens or more per cycle, "
            f"but {verified} is given."
        )
    target = architecture.target_weights
    if target is None:
        raise InputError(
            f"{architecture.name}: the layers of its target are not given, or of a kind that is "
            "not counted, so the time of a verification is unknown; give the target's config.json "
            "(--draft-config FILE, which then gives the draft's shapes too), or the times of two "
            "measured cycles (--measured K=SECONDS)."
        )
    _check_memory(architecture, hardware, batch, context)
    bandwidth = hardware.expected_bandwidth
    flops = hardware.flops * sum(hardware.effective) / 2
    stored, kind = architecture.part_bytes, architecture.head_kind
    per_row = stored.head if head_bytes is None else head_bytes

    def seconds(weights: float, rows: int, bytes_per_weight: float, read: float = 0) -> float:
        return max((read or weights) * bytes_per_weight / bandwidth, 2 * weights * rows / flops)

    def verification(read: int | None) -> float:
        reading = architecture.target_bytes(read or 0) / bandwidth
        cache = batch * architecture.target_cache_bytes(context) / bandwidth
        return max(reading, 2 * target * batch * verified / flops) + cache

    body = sum(architecture.weights.values())
    cache = batch * context * architecture.layers * architecture.cache_bytes_per_layer / bandwidth
    passes = kind.body_reads(depth)
    rows = batch * width * (depth // passes)  # of one pass
    # The experts of a mixture: every row the same ones, or each row its own.
    steps, apart = (
        passes * (seconds(body, rows, stored.layers, architecture.read_layer_weights(n)) + cache)
        for n in (1, rows)
    )
    same, own = (verification(architecture.read_weights(n)) for n in (1, batch * verified))
    read = kind.row_parts(architecture, depth)  # a row's weights, once per pass of its part
    row_s = sum(
        read[name]
        // weights
        * seconds(weights, batch * width * (depth * weights // read[name]), per_row)
        for name, weights in kind.head_parts(architecture).items()
    )
    least, most = hardware.overhead
    name = f"{hardware.name}, batch {batch}, {sum(hardware.effective) / 2:.0%} of peak"
    return CycleRange(
        CycleModel((same + steps) * (1 + least), row_s, name),
        CycleModel((own + apart) * (1 + most), row_s, name),
        _regime(architecture, hardware, rows, batch * verified, context),
    )


def _check_memory(
    architecture: DraftArchitecture, hardware: Hardware, batch: int, context: int
) -> None:
    """InputError where weights and the cache of so many sequences do not fit into the device."""
    stored, size = architecture.part_bytes, architecture.vocab_size
    head = 0 if architecture.head_kind.shared_head else stored.head * architecture.hidden_size
    target = architecture.target_bytes(architecture.memory_weights)
    weights = target + stored.layers * architecture.memory_layer_weights + head * size
    in_draft = context * architecture.layers * architecture.cache_bytes_per_layer
    cache = batch * (architecture.target_cache_bytes(context) + in_draft)
    if weights + cache > hardware.memory:
        raise InputError(
            f"{architecture.name} needs {weights / 1e9:,.1f} GB for weights and "
            f"{cache / 1e9:,.1f} GB for the cache of {batch * context:,} tokens, more than the "
            f"{hardware.memory / 1e9:,.0f} GB of {hardware.name}; choose another device, fewer "
            "sequences or a shorter context, or give measured cycle times where weights are "
            "quantised or several devices share them."
        )


def _regime(
    architecture: DraftArchitecture, hardware: Hardware, drafted: int, verified: int, context: int
) -> str:
    """Which side of the roofline the products are on, and what the estimate leaves out."""
    ridge = hardware.flops * architecture.part_bytes.target / (2 * hardware.bandwidth)
    where = f"{hardware.name}'s arithmetic bound begins at {ridge:,.0f} rows"
    if verified <= ridge:
        text = (
            f"Memory-bound: {drafted:,} drafted and {verified:,} verified rows per product, and "
            f"{where}."
        )
    else:
        also = "and the draft are" if drafted > ridge else "is"
        text = (
            f"The verification of {verified:,} rows {also} compute-bound ({where}), so trimming "
            "gains less than at batch 1."
        )
    if architecture.active_experts > 1:
        text += (
            " The fast end reads the experts of one token for all rows, the slow end experts of "
            "each row's own; memory is checked with all of them."
            if architecture.stored_layer_weights is not None
            else " How many experts the target holds is not known (its shapes are from an earlier "
            "version): reading and memory are those of one token's experts, so the device must "
            "hold more. Choose the draft architecture again."
        )
    text += (
        f" Attention reads {context:,} tokens of cache per sequence."
        if context
        else " Attention over the context is left out."
    )
    least, most = hardware.overhead
    text += (
        f" Beyond that the rest of the cycle takes {least:.0%} to {most:.0%} of this time again "
        f"({hardware.measured})."
    )
    return " ".join(filter(None, [text, hardware.caution]))
