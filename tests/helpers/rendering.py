"""Which answers a template must render to count them exactly."""

from __future__ import annotations

import numpy as np

from helpers.template_kit import columns, user
from vocabtrim_core.templates.chat_template import ChatTemplate


def needs_rendering_mask(
    template: ChatTemplate, contents: list[str], *, reasoning: bool = True
) -> np.ndarray:
    """bool[contents]: the answers, each alone behind one question, that must be rendered."""
    chats = [user(content) for content in contents]
    return template.rendering_rows(*columns(chats), "assistant", reasoning=reasoning)


def needs_rendering(template: ChatTemplate, content: str, *, reasoning: bool = True) -> bool:
    return bool(needs_rendering_mask(template, [content], reasoning=reasoning)[0])
