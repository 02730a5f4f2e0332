"""Where SpecForge's loss and the counted spans differ, measured: `python tests/spans/trainer.py`
writes docs/trainer-differences.md, and a test keeps that page true.

SpecForge is given the very text that the definition counts (as preformatted), so that what differs
is the mask alone and no system prompt or reading of arguments.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from helpers import ROOT
from helpers.spans.definition import Counted, counted
from helpers.spans.families import Loaded, load

PAGE = ROOT / "docs" / "trainer-differences.md"
# SpecForge's name for a template -> the family whose text it is given.
TRAINED = {
    "llama3": "llama3_1",
    "qwen": "qwen3",
    "qwen3-instruct": "qwen3",
    "qwen3-thinking": "qwen3",
    "qwen3.5": "qwen3_6",
    "gpt-oss": "gptoss",
    "glm-5.2": "glm52",
    "deepseek-v3": "deepseek_v3",
    "gemma": "gemma3",
    "phi4": "phi4",
    "kimi-k2-instruct": "kimi",
}
_CALL = {"type": "function", "function": {"name": "lookup", "arguments": {"q": "Baikal"}}}
CHATS = {
    "plain": [
        {"role": "user", "content": "How deep?"},
        {"role": "assistant", "content": "Deep."},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "Welcome."},
    ],
    "reasoning": [
        {"role": "user", "content": "How deep?"},
        {"role": "assistant", "content": "Deep.", "reasoning_content": "Lakes."},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "Welcome.", "reasoning_content": "Polite."},
    ],
    "call and result": [
        {"role": "user", "content": "How deep?"},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "content": "1642 m"},
        {"role": "assistant", "content": "Deep."},
    ],
    "reasoning, call and result": [
        {"role": "user", "content": "How deep?"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Look.",
            "tool_calls": [_CALL],
        },
        {"role": "tool", "content": "1642 m"},
        {"role": "assistant", "content": "Deep.", "reasoning_content": "Found."},
    ],
    "ends with a call": [
        {"role": "user", "content": "How deep?"},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
    ],
    "two assistant turns": [
        {"role": "user", "content": "How deep?"},
        {"role": "assistant", "content": "Deep."},
        {"role": "assistant", "content": "Very."},
    ],
}


def compare_loss(family: Loaded, template: str, text: str) -> list[bool]:
    """SpecForge's loss mask of a rendered text, token by token."""
    from specforge.data.preprocessing import preprocess_conversations
    from specforge.data.template import TEMPLATE_REGISTRY

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = preprocess_conversations(
            family.hf,
            [text],
            TEMPLATE_REGISTRY.get(template),
            max_length=100_000,
            is_preformatted=True,
        )
    return [bool(kept) for kept in result["loss_mask"][0][0].tolist()]


def differences(family: Loaded, template: str, found: Counted) -> tuple[list[str], list[str]]:
    """Texts of tokens with loss outside the spans, and of tokens in spans without loss."""
    ids, offsets = family.encode(found.text)
    loss = compare_loss(family, template, found.text)
    spans = [any(a <= at < b for a, b in found.spans) for at, _ in offsets]
    assert len(loss) == len(ids)
    more = [a and not b for a, b in zip(loss, spans, strict=True)]
    less = [b and not a for a, b in zip(loss, spans, strict=True)]
    return _runs(found.text, offsets, more), _runs(found.text, offsets, less)


def _runs(text: str, offsets: list[tuple[int, int]], which: list[bool]) -> list[str]:
    runs: list[list[int]] = []
    for n, ((start, end), wanted) in enumerate(zip(offsets, which, strict=True)):
        if wanted and n and which[n - 1]:
            runs[-1][1] = end
        elif wanted:
            runs.append([start, end])
    return list(dict.fromkeys(text[start:end] for start, end in runs))


def measured() -> Iterator[tuple[str, str, list[str], list[str]]]:
    """(SpecForge's template, kind of conversation, loss outside spans, spans without loss)."""
    from helpers.spans.definition import RefusedError

    for template, name in TRAINED.items():
        family = load(name)
        for kind, chat in CHATS.items():
            try:
                found = counted(family.rules, chat)
            except RefusedError:
                continue
            yield template, kind, *differences(family, template, found)


HEAD = """\
# Where a trainer's loss and the counted spans differ

A counted span is what the model would have generated: an assistant turn after the generation
prompt, up to and including the token it stops with. SpecForge computes the loss on what lies
between two strings of its own. The table lists, for each of its templates and each kind of
conversation, the tokens that one has and the other has not. It is measured on the same rendered
text with real tokenizers; `PYTHONPATH=.:tests python -m helpers.spans.specforge` writes this page,
and a test (`pytest -m slow`) fails when it is no longer true. Kinds that are not listed for a
template show no difference, or its chat template refuses them.

What the differences are:

- The newline after the stop token. The chat template writes it, the model does not. SpecForge's end
  of turn for Qwen and Gemma includes it.
- An empty thought that the chat template writes after the generation prompt. It is counted.
  SpecForge's `qwen3-instruct` gives it no loss, and `glm-5.2` gives none to its `</think>`.
- A header with a thought. SpecForge's header for `qwen3.5` ends with `<think>`, so an earlier turn,
  which is written without its thought, has no loss. It is counted.
- Results of calls. SpecForge's patterns for `gpt-oss` and `glm-5.2` run on to the next user turn,
  so a result and the header after it have loss, as has the header of a second assistant turn in a
  row.
  With `deepseek-v3` that happens after a single call, which the chat template writes without an end
  of turn. None of it is counted.
- The marker of the next role, with which GLM stops. It is not counted by default, and SpecForge
  gives it no loss.

| SpecForge template | conversation | loss, not counted | counted, no loss |
|---|---|---|---|
"""


def page() -> str:
    """The text of docs/trainer-differences.md."""

    def cell(texts: list[str]) -> str:
        shown = (text.replace("\n", "\\n").replace("|", "\\|") for text in texts)
        return " … ".join(f"`{text}`" for text in shown) or "none"

    rows = [
        f"| {template} | {kind} | {cell(more)} | {cell(less)} |\n"
        for template, kind, more, less in measured()
        if more or less
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), "utf-8")
