"""Conversations stored as one text, where a label at the beginning of a line names the speaker.

Examples are "USER: … ASSISTANT: …" (Glaive), "Human: … Assistant: …" (hh-rlhf) and "### Human: …"
(Guanaco).
"""

from __future__ import annotations

import re

from vocabtrim_core.corpora.batches import canonical_role

NAMES = "system|user|human|assistant|gpt|bot|ai|function response|function|observation|tool"
LABEL = re.compile(rf"^(?:###[ ]*)?({NAMES})[ ]*:[ \t]*", re.I | re.M)
END = re.compile(r"\s*<\|endoftext\|>\s*\Z")  # Glaive writes it after the assistant's text


def labelled_turns(text: str, role: str, content: str) -> list[dict[str, str]]:
    """Cut a text into turns where a line begins with a speaker's label.

    Args:
        text: The conversation.
        role: Key under which the turns hold the role.
        content: Key under which the turns hold the text.

    Returns:
        The turns with canonical roles; an empty list where the text does not begin with a label, or
        lacks text of the user or of the assistant.
    """
    labels = list(LABEL.finditer(text))
    if not labels or text[: labels[0].start()].strip():
        return []
    ends = [*(label.start() for label in labels[1:]), len(text)]
    turns = []
    for label, end in zip(labels, ends, strict=True):
        role_name = canonical_role(label[1].lower().replace(" ", "_")) or "user"
        turns.append({role: role_name, content: END.sub("", text[label.end() : end]).strip()})
    roles_with_text = {turn[role] for turn in turns if turn[content]}
    return turns if {"user", "assistant"} <= roles_with_text else []
