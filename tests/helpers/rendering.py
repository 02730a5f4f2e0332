"""Whether the fast path of a template is proved for one text."""

from __future__ import annotations

import pyarrow as pa

from vocabtrim_core.templates.chat_template import ChatTemplate


def needs_rendering(template: ChatTemplate, content: str, *, reasoning: bool = True) -> bool:
    contents = pa.array([content], pa.large_string())
    return bool(template.needs_rendering_mask(contents, reasoning=reasoning)[0])
