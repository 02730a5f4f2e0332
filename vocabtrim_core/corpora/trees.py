"""Conversations stored as one object: ChatGPT's data export, and the numbered turns of MOSS.

ChatGPT exports every conversation as a tree of nodes, because a message can be edited and an answer
asked for again. The branch that was shown last (`current_node`) is read. Adjacent nodes of the
model until the end of its turn are one turn, with reasoning, texts and calls as its parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vocabtrim_core.corpora.batches import UnusableError

CURRENT = "current_node"  # beside a tree: the last node of the branch that was shown last
BRANCHES = "answers and questions on other branches than the one shown last were left out"
NUMBERED = re.compile(r"turn_\d+")  # keys of MOSS's turns
MARKED = re.compile(r"\s*<\|[^|]+\|>: ?(.*?)\s*(?:<eo[a-z]>)?\s*", re.S)  # text in MOSS's markers
NOTHING = ("", "None")  # a step of MOSS without text
STEPS = ("Commands", "Tool Responses")
HIDDEN = ("user_editable_context", "model_editable_context")  # settings, written as messages
SETTINGS = ("user_profile", "user_instructions", "model_set_context")


def is_object_of_turns(value: Any) -> bool:
    """Whether a value is a conversation that is stored as an object.

    Args:
        value: Any value.

    Returns:
        True for a tree of ChatGPT's export and for the turns of MOSS.
    """
    return _is_tree(value) or _is_numbered(value)


def turns_of_object(
    value: Mapping[str, Any], current: Any, keys: tuple[str, str], remarks: list[str]
) -> list[dict[str, Any]]:
    """The turns of a conversation that is stored as an object.

    Args:
        value: A value for which `is_object_of_turns` is true.
        current: Id of the last node of the branch to read; where the tree has no such node, the
            last child of every node is followed.
        keys: Keys under which the turns are to hold role and content.
        remarks: List that receives a remark for what is left out.

    Returns:
        The turns.

    Raises:
        UnusableError: A turn cannot be read.
    """
    turns = _numbered(value) if _is_numbered(value) else _of_tree(value, current, remarks)
    return [{keys[0]: role, keys[1]: content} for role, content in turns]


Turn = tuple[str, Any]  # role, and text or parts


def _is_tree(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(node, dict) and "children" in node for node in value.values())
        and any(isinstance(node.get("message"), dict) for node in value.values())
    )


def _is_numbered(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(turn, dict) and NUMBERED.fullmatch(key) for key, turn in value.items())
        and any(isinstance(turn.get("MOSS"), str) for turn in value.values())
    )


def _of_tree(tree: Mapping[str, Any], current: Any, remarks: list[str]) -> list[Turn]:
    branch = _branch(tree, current)
    shown = {id(node) for node in branch}
    if any(_parts(node) for node in tree.values() if id(node) not in shown):
        remarks.append(BRANCHES)
    turns: list[Turn] = []
    is_open = False  # whether the model's turn goes on
    for node in branch:
        if not (parts := _parts(node)):
            continue
        message = node["message"]
        role = str((message.get("author") or {}).get("role"))
        if (message.get("content") or {}).get("content_type") in HIDDEN:
            role = "system"
        if is_open and role == "assistant":
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
        is_open = role == "assistant" and message.get("end_turn") is not True
    return turns


def _branch(tree: Mapping[str, Any], current: Any) -> list[dict[str, Any]]:
    """The nodes from the root to the one shown last."""
    if not isinstance(current, str) or current not in tree:
        roots = [key for key, node in tree.items() if node.get("parent") not in tree]
        current = roots[-1] if roots else next(iter(tree))
        left = tree.keys() - {current}
        while children := [key for key in _children(tree[current]) if key in left]:
            current = children[-1]
            left -= {current}
    branch: dict[str, dict[str, Any]] = {}
    while isinstance(current, str) and current in tree and current not in branch:
        branch[current] = tree[current]
        current = tree[current].get("parent")
    return list(branch.values())[::-1]


def _children(node: Mapping[str, Any]) -> list[Any]:
    children = node.get("children")
    return [key for key in children if isinstance(key, str)] if isinstance(children, list) else []


def _parts(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a node says, as parts of a message; none where it says nothing."""
    message = node.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, dict):
        return []
    kind = content.get("content_type")
    if kind in HIDDEN:
        settings = [content[key] for key in SETTINGS if isinstance(content.get(key), str)]
        return _texts(["\n\n".join(settings)])
    if kind == "thoughts":
        thoughts = [thought.get("content") for thought in content.get("thoughts") or ()]
        return [{"type": "thinking", "thinking": text} for text in thoughts if text]
    if kind == "reasoning_recap":  # "Thought for 5 seconds", which the app writes
        return []
    pieces = content.get("parts")
    if not isinstance(pieces, list):
        text = next((content[key] for key in ("text", "result") if content.get(key)), None)
        pieces = [text if isinstance(text, str) else {"content_type": kind}]
    recipient = message.get("recipient") or "all"
    is_call = (message.get("author") or {}).get("role") == "assistant" and recipient != "all"
    texts = [piece for piece in pieces if isinstance(piece, str)]
    if is_call and any(texts):
        others = [piece for piece in pieces if not isinstance(piece, str)]
        call = {"type": "function_call", "name": recipient, "arguments": "".join(texts)}
        return [call, *_texts(others)]
    return _texts(pieces)


def _texts(pieces: list[Any]) -> list[dict[str, Any]]:
    """Pieces of a node's content as parts; those without text keep the name of their kind."""
    parts = []
    for piece in pieces:
        text = piece.get("text") if isinstance(piece, dict) else piece
        if isinstance(text, str):
            parts += [{"type": "text", "text": text}] if text else []
        elif isinstance(piece, dict):
            parts.append({"type": str(piece.get("content_type"))})
    return parts


def _numbered(turns: Mapping[str, Mapping[str, Any]]) -> list[Turn]:
    """The turns of MOSS, in the order of their numbers, without its markers."""
    spoken: list[Turn] = []
    for name in sorted(turns, key=lambda key: int(key.partition("_")[2])):
        turn = turns[name]
        if any(_unmarked(turn.get(step)) not in NOTHING for step in STEPS):
            raise UnusableError("a turn of MOSS with commands for its plugins, which are not read")
        if (question := _unmarked(turn.get("Human"))) not in NOTHING:
            spoken.append(("user", question))
        thought, answer = _unmarked(turn.get("Inner Thoughts")), _unmarked(turn.get("MOSS"))
        parts = [] if thought in NOTHING else [{"type": "thinking", "thinking": thought}]
        spoken.append(("assistant", [*parts, {"type": "text", "text": answer}]))
    return spoken


def _unmarked(text: Any) -> str:
    match = MARKED.fullmatch(text) if isinstance(text, str) else None
    return match[1] if match else text if isinstance(text, str) else ""
