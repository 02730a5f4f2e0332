"""Makes vocabtrim_core/draft_presets.json from the configs in tests/drafts/preset_configs.json.

Run as `python -m tests.helpers.preset_table` after a change of those configs.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from vocabtrim_core.draft_config import architecture_from_config
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.fields.codec import builtins_of

CONFIGS = Path(__file__).parents[1] / "drafts" / "preset_configs.json"
TABLE = Path(__file__).parents[2] / "vocabtrim_core" / "draft_presets.json"
OF_TARGET = (
    "target_layers",
    "active_experts",
    "target_layer_weights",
    "stored_layer_weights",
    "stored_experts",
)


def shape_of(name: str, entry: dict[str, Any]) -> DraftArchitecture:
    """The shapes that the configs of an entry give."""
    kind, target, draft = entry["kind"], entry["target"], entry["draft"]
    if draft is None:
        return architecture_from_config(target, name, kind=kind)
    shape = architecture_from_config(draft, name, kind=kind)
    if target is None:
        return shape
    of = architecture_from_config(target, name)
    read = {field: getattr(of, field) for field in OF_TARGET}
    # Stated, because the target's layers have other shapes than the draft's.
    read["target_layer_weights"] = (of.target_weights or 0) - of.target_head_weights
    layers = (of.target_layers or 0) * of.cache_bytes_per_layer
    cache = of.cache or type_of_cache(layers)
    other = of.hidden_size if of.hidden_size != shape.hidden_size else None
    return replace(shape, **read, cache=cache, target_hidden_size=other)


def type_of_cache(token_bytes: int) -> Any:
    from vocabtrim_core.layer_cache import TargetCache

    return TargetCache(token_bytes)


def row_of(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A row of the table."""
    shape = shape_of(name, entry)
    defaults = {field.name: field.default for field in fields(DraftArchitecture)}
    stated = {n: v for n, v in builtins_of(shape).items() if defaults.get(n, ...) != v}
    published = (entry["draft"] or {}).get("draft_vocab_size")
    return {"source": entry["source"], "draft_vocab_size": published, "shape": stated}


def main() -> None:
    """Write the table."""
    entries = json.loads(CONFIGS.read_text())
    known = json.loads(TABLE.read_text())["published"] if TABLE.exists() else {}
    rows = {name: row_of(name, entry) for name, entry in entries.items()}
    lines = ",\n".join(f"  {json.dumps(n)}: {json.dumps(row)}" for n, row in rows.items())
    TABLE.write_text(f'{{\n "published": {json.dumps(known)},\n "presets": {{\n{lines}\n }}\n}}\n')


if __name__ == "__main__":
    main()
