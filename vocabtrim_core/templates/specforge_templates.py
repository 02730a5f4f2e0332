# ruff: noqa: RUF001 - DeepSeek writes its markers with full-width bars
"""SpecForge's chat templates as data: the strings between which it computes the loss.

The facts are those of SpecForge 0.2.0 (`specforge.data.template`); a test compares them with the
installed package. To add a template, add an entry.
"""

from __future__ import annotations

from dataclasses import dataclass

HARMONY = "openai-harmony"


@dataclass(frozen=True, slots=True)
class SpecForgeTemplate:
    """One template of SpecForge's registry.

    Attributes:
        name: Its name there.
        header: Text after which loss begins; for `HARMONY`, whose parser has strings of its own,
            the one used there.
        end: Text up to whose end loss goes.
        parser: general, thinking, glm or openai-harmony.
        pattern: general, glm, longcat or inkling.
        ignored: Texts that have no loss anywhere.
        prompts: Whether SpecForge adds a system prompt of its own to rows without one.
    """

    name: str
    header: str
    end: str
    parser: str = "general"
    pattern: str = "general"
    ignored: tuple[str, ...] = ()
    prompts: bool = True


_CHATML, _IM_END = "<|im_start|>assistant\n", "<|im_end|>\n"
_THOUGHT = "<|im_start|>assistant\n<think>\n"
_KIMI = "<|im_assistant|>assistant<|im_middle|>"
_DEEPSEEK, _EOS = "<｜Assistant｜>", "<｜end▁of▁sentence｜>"
_INKLING = ("<|message_user|>", "<|message_tool|>", "<|message_system|>")

# deepseek-r1-distill is left out: it has no end token, and SpecForge cannot build a parser for it.
TEMPLATES = (
    SpecForgeTemplate("llama3", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    SpecForgeTemplate("llama4", "<|header_start|>assistant<|header_end|>\n\n", "<|eot|>"),
    SpecForgeTemplate("qwen", _CHATML, _IM_END),
    SpecForgeTemplate("qwen3-instruct", _CHATML, _IM_END, ignored=("<think>\n\n</think>\n\n",)),
    SpecForgeTemplate("qwen3-thinking", _CHATML, _IM_END, "thinking"),
    SpecForgeTemplate("qwen3.5", _THOUGHT, _IM_END, "thinking", prompts=False),
    SpecForgeTemplate("qwen3-next-thinking", _THOUGHT, _IM_END, "thinking"),
    SpecForgeTemplate("lfm", _CHATML, _IM_END, prompts=False),
    SpecForgeTemplate("phi3", "<|assistant|>\n", "<|end|>\n"),
    SpecForgeTemplate("phi4", "<|im_start|>assistant<|im_sep|>", "<|im_end|>"),
    SpecForgeTemplate("phi4-mini", "<|assistant|>", "<|end|>"),
    SpecForgeTemplate("gemma", "<start_of_turn>model\n", "<end_of_turn>\n"),
    SpecForgeTemplate(
        "gpt-oss", "<|start|>assistant", "<|start|>user<|message|>", HARMONY, prompts=False
    ),
    SpecForgeTemplate(
        "gpt-oss-naive",
        "<|start|>assistant<|channel|>analysis<|message|>",
        "<|end|>",
        prompts=False,
    ),
    SpecForgeTemplate("deepseek-v3", _DEEPSEEK, _EOS),
    SpecForgeTemplate("deepseek-v32", _DEEPSEEK, _EOS, "thinking", prompts=False),
    SpecForgeTemplate("deepseek-v2", "Assistant: ", _EOS, prompts=False),
    SpecForgeTemplate("kimi-k2-instruct", _KIMI, "<|im_end|>"),
    SpecForgeTemplate("kimi-k2-thinking", _KIMI, "<|im_end|>", "thinking"),
    SpecForgeTemplate(
        "kimi-k3-thinking",
        '<|open|>message role="assistant"<|sep|><|open|>think<|sep|>',
        "<|end_of_msg|>",
        "thinking",
        ignored=("<|end_of_msg|>",),
        prompts=False,
    ),
    SpecForgeTemplate(
        "glm-5.2", "<|assistant|><think>", "<|user|>", "glm", "glm", ("<|user|>",), prompts=False
    ),
    SpecForgeTemplate("ling-flash-2.0", "<role>ASSISTANT</role>", "<|role_end|>"),
    SpecForgeTemplate("longcat", " ASSISTANT:", "</longcat_s>", pattern="longcat"),
    SpecForgeTemplate("longcat_xml", "<longcat_assistant>", "</longcat_s>"),
    SpecForgeTemplate(
        "inkling-thinking",
        "<|message_model|>",
        "<|message_user|>",
        "thinking",
        "inkling",
        _INKLING,
        prompts=False,
    ),
)
BY_NAME = {entry.name: entry for entry in TEMPLATES}
