"""Which kind of draft head a config.json describes, or which ones a target's config offers."""

from __future__ import annotations

from vocabtrim_core.draft_kinds import EAGLE3, KINDS, find_kind
from vocabtrim_core.draft_kinds.mtp import mtp_layers
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import ModelConfig

# Parts of an architecture's name, in this order.
NAMES = (
    ("dspark", "dspark"),
    ("dflash", "dflash"),
    ("peagle", "p-eagle"),
    ("eagle3", EAGLE3),
    ("eagle", "eagle"),
)
UNKNOWN = ("domino", "dflash2", "xpress", "medusa", "mlp_speculator")


def kind_of_draft(config: ModelConfig) -> str:
    """The kind that a draft's own config describes.

    Args:
        config: A config.

    Returns:
        A key of KINDS; "" for the config of a target.

    Raises:
        InputError: It is a draft of a kind that is not counted here.
    """
    if str(config.whole.get("model_type", "")).startswith("gemma4") and "assistant" in str(
        config.whole.get("model_type")
    ):
        return "gemma-assistant"
    listed = config.whole.get("architectures")
    names = [str(name) for name in listed] if isinstance(listed, list) else []
    stated = config.stated("speculators_model_type")
    text = " ".join([*names, str(stated or "")]).lower().replace("-", "")
    if unknown := next((name for name in UNKNOWN if name in text), None):
        raise InputError(
            f"{config.where} is the config of a {unknown} draft, which is not counted here; the "
            f"kinds are {', '.join(KINDS)}."
        )
    kind = next((kind for part, kind in NAMES if part in text), "")
    if not config.is_draft:
        return kind
    own_vocabulary = config.stated("draft_vocab_size") is not None
    return EAGLE3 if not kind or (kind == "eagle" and own_vocabulary) else kind


def kinds_offered(config: ModelConfig) -> tuple[str, ...]:
    """The kinds whose shapes a config gives.

    Args:
        config: A config.

    Returns:
        Keys of KINDS, the default first: of a draft its own kind; of a target the EAGLE-3 draft
        that is derived from it, its MTP layer where it has one, EAGLE-1/2, and itself as a draft.

    Raises:
        InputError: It is a draft of a kind that is not counted here, or a field is wrong.
    """
    if kind := kind_of_draft(config):
        return (kind,)
    mtp = ("mtp",) if mtp_layers(config) else ()
    return (EAGLE3, *mtp, "eagle", "standalone")


def chosen_kind(config: ModelConfig, wanted: str | None) -> str:
    """The kind to read a config as.

    Args:
        config: A config.
        wanted: A key of KINDS; None for the default.

    Returns:
        The key.

    Raises:
        InputError: The config does not give the shapes of that kind, or nothing can be trimmed.
    """
    offered = kinds_offered(config)
    kind = wanted or offered[0]
    if kind in KINDS and KINDS[kind].refusal and kind in offered:
        raise InputError(f"{config.where} is a {KINDS[kind].title}: {KINDS[kind].refusal}.")
    title = find_kind(kind).title
    if kind not in offered and not (kind == "mtp" and EAGLE3 in offered):  # Mtp says what it misses
        raise InputError(
            f"{config.where} does not give the shapes of a draft of kind {title}: it gives "
            f"{', '.join(offered)}; give that draft's own config.json."
        )
    return kind
