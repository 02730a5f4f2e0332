"""Conversations that are one text, in which labels at the beginning of lines say who speaks:
"USER: … ASSISTANT: …" (Glaive), "Human: … Assistant: …" (hh-rlhf), "### Human: …" (Guanaco)."""

from __future__ import annotations

import re

from vocabtrim_core.corpora.batches import canonical_role

NAMES = "system|user|human|assistant|gpt|bot|ai|function response|function|observation|tool"
LABEL = re.compile(rf"^(?:###[ ]*)?({NAMES})[ ]*:[ \t]*", re.I | re.M)
END = re.compile(r"\s*<\|endoftext\|>\s*\Z")  # as Glaive writes it behind its assistant


def labelled_turns(text: str, role: str, content: str) -> list[dict[str, str]]:
    """The turns of such a text; none where it does not begin with a label, or nobody answers.

    role, content: the keys under which the turns hold these.
    """
    labels = list(LABEL.finditer(text))
    if not labels or text[: labels[0].start()].strip():
        return []
    ends = [*(label.start() for label in labels[1:]), len(text)]
    turns = []
    for label, end in zip(labels, ends, strict=True):
        who = canonical_role(label[1].lower().replace(" ", "_")) or "user"
        turns.append({role: who, content: END.sub("", text[label.end() : end]).strip()})
    said = {turn[role] for turn in turns if turn[content]}
    return turns if {"user", "assistant"} <= said else []
