"""Bytes per weight of the parts that a cycle reads, where they are not stored alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import ModelConfig

PLAIN = 2.0  # bfloat16
LEAST, MOST = 0.1, 8.0
# Methods whose bytes per weight follow from their name; scales of a block included.
NAMED = {
    "fp8": 1.0,
    "fbgemm_fp8": 1.0,
    "mxfp4": 0.5 + 1 / 32,
    "nvfp4": 0.5 + 1 / 16,
    "w4a16_awq": 0.5 + 2 / 128,
}
GROUPED = ("gptq", "awq", "auto-round", "auto_round")
LEFT_OUT = ("ignore", "modules_to_not_convert", "exclude_modules", "ignored_layers")
OF_MTP = ("mtp", "nextn", "eh_proj")


@dataclass(frozen=True, slots=True)
class WeightBytes:
    """Bytes per weight, scales included.

    Attributes:
        target: Of the target's layers.
        layers: Of the draft's layers.
        head: Of head rows.
    """

    target: float = PLAIN
    layers: float = PLAIN
    head: float = PLAIN

    def __post_init__(self) -> None:
        for name in ("target", "layers", "head"):
            value = getattr(self, name)
            if not LEAST <= value <= MOST:
                raise InputError(
                    f"Bytes per weight of the {name} must lie within {LEAST:g}..{MOST:g}, but "
                    f"they are {value:g}."
                )
            object.__setattr__(self, name, float(value))  # so that equal bytes have equal text


def stated_bytes(config: ModelConfig) -> WeightBytes | None:
    """Bytes per weight of a target with MTP layers, as its quantization_config says.

    The MTP layer is taken to be stored as the body unless the list of what is left as it is names
    it; the head is in 16 bits unless the config says that it is quantised. A checkpoint's headers
    say it exactly.

    Args:
        config: The config of a target.

    Returns:
        Bytes; None where nothing is quantised.

    Raises:
        InputError: The method is not known here.
    """
    stated = config.stated("quantization_config")
    if not isinstance(stated, Mapping):
        return None
    body = _body(stated, config.where)
    unquantised = [str(name) for field in LEFT_OUT for name in stated.get(field) or ()]
    as_it_is = any(part in name for name in unquantised for part in OF_MTP)
    return WeightBytes(body, PLAIN if as_it_is else body, body if stated.get("lm_head") else PLAIN)


def _body(stated: Mapping[str, Any], where: str) -> float:
    method = str(stated.get("quant_method", "")).lower()
    algorithm = str(stated.get("quant_algo", method)).lower()
    if algorithm in NAMED:
        return NAMED[algorithm]
    scheme = stated
    if method == "compressed-tensors":
        groups = stated.get("config_groups")
        first = next(iter(groups.values()), {}) if isinstance(groups, Mapping) else {}
        weights = first.get("weights") if isinstance(first, Mapping) else None
        scheme = {**weights, "bits": weights.get("num_bits")} if weights else {}
    elif method not in GROUPED:
        scheme = {}
    bits, group = scheme.get("bits"), scheme.get("group_size")
    if type(bits) is not int or not 1 <= bits <= 16:
        raise InputError(
            f"{where}: how many bytes a weight takes with quant_method {method!r} is not known "
            "here; give them with --weight-bytes TARGET LAYERS HEAD."
        )
    scale = 1 if bits == 4 and scheme.get("type") == "float" else 2  # NVFP4's is in 8 bits
    return bits / 8 + (scale / group if type(group) is int and group > 0 else 0)
