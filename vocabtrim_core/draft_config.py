"""The shapes of a draft, read from a config.json or a preset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_kinds import KINDS
from vocabtrim_core.draft_kinds.precision import stated_bytes
from vocabtrim_core.draft_kinds.recognise import chosen_kind, kind_of_draft
from vocabtrim_core.draft_presets import PAPER_DRAFT, PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.layer_cache import TargetCache, target_cache
from vocabtrim_core.layer_weights import (
    LatentAttention,
    all_experts,
    decoder_layers,
    draft_width,
    experts,
    feed_forward_width,
    head_shapes,
    is_mixture,
    layer_weights,
)
from vocabtrim_core.model_config import ModelConfig, read_config

FORMAT = "vocabtrim-architecture-1"  # of shapes in a file that this program wrote


def architecture_from_config(
    config: Mapping[str, Any] | ModelConfig, name: str, where: str = "", kind: str | None = None
) -> DraftArchitecture:
    """Shapes of the draft that a config.json describes.

    A draft's own config gives its shapes directly. A target's config gives the EAGLE-3 draft that
    SpecForge derives from it: one dense layer with the target's widths and heads, also where the
    target is a mixture of experts; or, by its kind, the target's MTP layer, an EAGLE-1/2 draft or
    the model itself as a draft. The weights that the target reads per token are counted from its
    own layers. Fields the file leaves out get transformers' default for its model_type.

    Args:
        config: The config of a draft or a target, or an object from `kept_config`.
        name: Name of the architecture.
        where: Name of the file in messages, `name` by default. Unused for a ModelConfig.
        kind: Kind of the draft head; None for the draft's own, of a target EAGLE-3.

    Returns:
        The shapes.

    Raises:
        InputError: A field is missing or wrong, the draft's layers differ in width, the config does
            not give a draft of that kind, or nothing can be trimmed of it.
    """
    if not isinstance(config, ModelConfig):
        config = ModelConfig(config, where or name)
    if config.whole.get("format") == FORMAT:
        return _stored_shapes(config)
    kind = chosen_kind(config, kind)
    hidden, width = config.required("hidden_size"), draft_width(config)
    heads, groups, dim = head_shapes(config)
    size = config.required("vocab_size")
    _check_head(config, hidden)
    shared: dict[str, Any] = {
        "name": name,
        "hidden_size": hidden,
        "query_heads": heads,
        "key_value_heads": groups,
        "head_dim": dim,
        "vocab_size": size,
        "max_position_embeddings": config.positive("max_position_embeddings") or 131_072,
        "rms_norm_eps": config.number("rms_norm_eps") or 1e-5,
        "rope_theta": _rope_theta(config),
        "kind": kind,
        **KINDS[kind].from_config(config),
    }
    if kind == "standalone" or kind_of_draft(config):
        layers = decoder_layers(config) if config.stated("num_hidden_layers") else 1
        widths = {feed_forward_width(config, layer) for layer in range(layers or 1)}
        if len(widths) > 1:
            raise InputError(
                f"{config.where}: the draft's layers have feed-forward widths of "
                f"{', '.join(f'{w:,}' for w in sorted(widths))}; only layers alike are counted."
            )
        target = None if kind == "standalone" else config.size("target_hidden_size")
        mixed = any(is_mixture(config, layer) for layer in range(layers or 1))
        shape = DraftArchitecture(
            **shared,
            intermediate_size=widths.pop(),
            layers=layers or 1,
            target_hidden_size=None if target == hidden else target,
            draft_experts=max(1, experts(config)) if mixed else 1,
            latent=LatentAttention.of(config),
        )
        if kind == "standalone" and layer_weights(config) != sum(shape.weights.values()):
            raise InputError(
                f"{config.where}: its layers are not alike, or of a kind that is not counted for a "
                "standalone draft; choose another draft."
            )
        return shape
    body = layer_weights(config)
    fields_of_target: dict[str, Any] = {"intermediate_size": width} | shared
    derived = DraftArchitecture(
        **fields_of_target,
        active_experts=max(1, experts(config)),
        target_layers=None if body is None else decoder_layers(config),
        target_layer_weights=body,
        stored_layer_weights=layer_weights(config, stored=True) if experts(config) else None,
        stored_experts=all_experts(config) if experts(config) else 1,
        cache=target_cache(config),
        weight_bytes=stated_bytes(config) if KINDS[kind].from_target else None,
    )
    usual = TargetCache((derived.target_layers or 0) * derived.cache_bytes_per_layer)
    if derived.cache == usual:
        derived = replace(derived, cache=None)
    alike = replace(derived, active_experts=1, target_layer_weights=None)
    same = body is not None and alike.target_weights == derived.target_weights
    return replace(derived, target_layer_weights=None) if same and experts(config) == 0 else derived


def _check_head(config: ModelConfig, hidden: int) -> None:
    """InputError for a head that does not read the hidden state, but a projection of it."""
    for name in ("word_embed_proj_dim", "output_embedding_size", "embedding_size"):
        if (width := config.size(name)) not in (None, hidden):
            raise InputError(
                f"{config.where}: the head is {width:,} wide ({name}) and the layers {hidden:,}; "
                "such a head is not counted, choose another target."
            )


def _rope_theta(config: ModelConfig) -> float:
    if (stated := config.number("rope_theta")) is not None:
        return stated
    rope = config.get("rope_parameters")
    rope = rope if isinstance(rope, dict) else {}
    rope = rope["full_attention"] if isinstance(rope.get("full_attention"), dict) else rope
    return ModelConfig(rope, f"{config.where}: rope_parameters").number("rope_theta") or 10_000.0


def _stored_shapes(config: ModelConfig) -> DraftArchitecture:
    try:
        return msgspec.convert(config.whole["draft"], DraftArchitecture)
    except (KeyError, msgspec.ValidationError) as error:
        raise InputError(f"{config.where} holds no draft architecture ({error}).") from error


def kept_config(architecture: DraftArchitecture) -> dict[str, Any]:
    """A JSON object from which `architecture_from_config` reads the same shapes.

    Args:
        architecture: The shapes.

    Returns:
        {"format": FORMAT, "draft": the fields}.
    """
    return {"format": FORMAT, "draft": asdict(architecture)}


def load_architecture(spec: str | Path, kind: str | None = None) -> DraftArchitecture:
    """Shapes of a draft, by the name of a preset or from a config.json.

    Args:
        spec: Name of a preset, or path of a config.json or of the folder that holds one.
        kind: As for `architecture_from_config`; a preset has its own.

    Returns:
        The shapes, named after the preset, the file, or the folder of a file named config.json.

    Raises:
        InputError: There is neither such a preset nor such a file, or the file is no usable config.
    """
    if isinstance(spec, str) and spec in PRESETS:
        return PRESETS[spec]
    path = Path(spec)
    if not path.exists():
        raise InputError(
            f"Draft architecture {spec!s} is neither a file nor a preset "
            f"({', '.join(sorted(PRESETS))})."
        )
    folder = path if path.is_dir() else path.parent
    name = path.stem if path.is_file() and path.name != "config.json" else folder.name
    return architecture_from_config(read_config(path), name or path.stem, kind=kind)


def presets_of(vocab_size: int) -> list[str]:
    """Names of the presets with a vocabulary of this size.

    Args:
        vocab_size: V of the target.

    Returns:
        Names, in the order of `PRESETS`.
    """
    return [name for name, preset in PRESETS.items() if preset.vocab_size == vocab_size]


def preset_of(vocab_size: int) -> DraftArchitecture | None:
    """The preset that V decides, the default where no draft is named.

    Args:
        vocab_size: V of the target.

    Returns:
        The paper's draft at its V, else the only preset with this V; None where there is none, or
        where several have it, of which one has to be chosen.
    """
    names = presets_of(vocab_size)
    if PAPER_DRAFT in names:
        return PRESETS[PAPER_DRAFT]
    return PRESETS[names[0]] if len(names) == 1 else None


def fitted(architecture: DraftArchitecture, vocab_size: int) -> tuple[DraftArchitecture, str]:
    """The shapes with the vocabulary size that a corpus was counted with.

    Args:
        architecture: The shapes of a draft.
        vocab_size: V of the counts.

    Returns:
        The shapes with that V, and a sentence about the change ("" where V is the same).
    """
    if architecture.vocab_size == vocab_size:
        return architecture, ""
    return replace(architecture, vocab_size=vocab_size), (
        f"{architecture.name} has V = {architecture.vocab_size:,}; its shapes are used here with "
        f"the counted tokenizer's {vocab_size:,}."
    )


def borrowed(architecture: DraftArchitecture) -> str:
    """Say that shapes are those of a preset for another model, and not of this V.

    Args:
        architecture: The shapes.

    Returns:
        A sentence that asks for a choice; "" for shapes of a model with this V.
    """
    preset = PRESETS.get(architecture.name)
    if preset is None or preset.vocab_size == architecture.vocab_size:
        return ""
    same = replace(
        architecture,
        vocab_size=preset.vocab_size,
        fusion_per_step=preset.fusion_per_step,
        weight_bytes=preset.weight_bytes,
    )
    if same != preset:
        return ""
    names = presets_of(architecture.vocab_size)
    choose = f"choose the draft architecture ({', '.join(names)})" if names else "choose the draft"
    return (
        f"The shapes of {preset.name} (V = {preset.vocab_size:,}) stand in for those of a model "
        f"with V = {architecture.vocab_size:,}: {choose}, or give its config.json. Until then the "
        "optimum, costs and forecasts are another model's, and no draft config is exported; "
        "coverage does not depend on it."
    )


def published(architecture: DraftArchitecture) -> str:
    """A note where SpecForge publishes a draft config for this target with other shapes.

    Args:
        architecture: A draft derived from a target's config.

    Returns:
        The note as one sentence; "" where there is no such config.
    """
    if architecture.target_layers is None:
        return ""
    for name, preset in PRESETS.items():
        same = (preset.kind, _target(preset)) == (architecture.kind, _target(architecture))
        if same and _draft(preset) != _draft(architecture):
            return (
                f"A draft derived from {architecture.name}'s config is counted, with a "
                f"feed-forward of {architecture.intermediate_size:,}; the draft config that "
                f"SpecForge publishes for this target has {preset.intermediate_size:,}, which is "
                f"the preset {name}."
            )
    return ""


def _target(shape: DraftArchitecture) -> tuple[object, ...]:
    sizes = shape.hidden_size, shape.vocab_size, shape.target_layers, shape.active_experts
    return *sizes, shape.target_weights


def _draft(shape: DraftArchitecture) -> Mapping[str, int]:
    return replace(shape, fusion_per_step=True).weights
