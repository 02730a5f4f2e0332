# ruff: noqa: RUF001 - DeepSeek writes its markers with full-width bars
"""Real tokenizers with their templates: what the tests of counted spans run on.

A template is the model's own where a package carries it, else one of ours in templates/ that writes
what the model's does. Markers that the tokenizer at hand does not know become special tokens.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tokenizers
from filelock import FileLock
from helpers.real_data import tokenizer_spec
from helpers.spans import packages
from helpers.spans.definition import Rules
from tokenizers import AddedToken, Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
JINJA = str | dict[str, str]


def ours(name: str) -> Callable[[], str]:
    return lambda: (HERE / "templates" / f"{name}.jinja").read_text("utf-8")


def glm52() -> str:
    """As glm5, but turns without a thought are written with an empty one."""
    return ours("glm5")().replace("'</think>' }}", "'<think></think>' }}")


def package(name: str) -> Callable[[], str]:
    return lambda: packages.chat_template(name)


def mistral(version: str, *, thinking: bool = False) -> Callable[[], str]:
    """The template that Mistral's own library writes for a version of its tokenizers."""

    def make() -> str:
        from mistral_common.integrations.chat_templates.chat_templates import generate_chat_template
        from mistral_common.tokens.tokenizers.base import TokenizerVersion

        return generate_chat_template(
            spm=False,
            tokenizer_version=TokenizerVersion(version),
            image_support=False,
            audio_support=False,
            thinking_support=thinking,
            default_system_prompt=None,
            plain_thinking_support=False,
            use_special_token_variables=True,
            model_settings_fields=None,
            reasoning_effort_values=None,
            reasoning_effort_default=None,
        )

    return make


def preset(name: str) -> str:
    from vocabtrim_core.tokenizers.presets import PRESETS

    return PRESETS[name].build()


def tokenizer_json(source: str) -> str:
    where, name = source.split(":")
    if where == "preset":
        return preset(name)
    folder = Path(tokenizer_spec(source)) if where == "shared" else packages.folder(name)
    return (folder / "tokenizer.json").read_text("utf-8")


@dataclass(frozen=True)
class Family:
    """tokenizer: where:name.  jinja: the template, or a list of them as default and tool_use.
    stops: tokens that end a turn and stand in it.  markers: tokens to add where they are missing.
    """

    tokenizer: str
    jinja: Callable[[], JINJA]
    stops: tuple[str, ...]
    markers: tuple[str, ...] = ()
    bos: str | None = None
    eos: str | None = None


CHATML = ("<|im_start|>", "<|im_end|>")
THINK = ("<think>", "</think>", "<tool_call>", "</tool_call>")
GLM = ("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", *THINK)
GEMMA4 = (
    "<|turn>",
    "<turn|>",
    "<|tool_call>",
    "<tool_call|>",
    "<|tool_response>",
    "<tool_response|>",
    "<|channel>",
    "<channel|>",
    "<|tool>",
    "<tool|>",
    '<|"|>',
)
KIMI = (
    "<|im_user|>",
    "<|im_assistant|>",
    "<|im_system|>",
    "<|im_middle|>",
    "<|im_end|>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
)
COMMAND = (
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<|SYSTEM_TOKEN|>",
    "<|START_THINKING|>",
    "<|END_THINKING|>",
    "<|START_ACTION|>",
    "<|END_ACTION|>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
    "<|START_TOOL_RESULT|>",
    "<|END_TOOL_RESULT|>",
)
MISTRAL = (
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
    "[ARGS]",
    "[CALL_ID]",
    "[THINK]",
    "[/THINK]",
)
LLAMA4 = ("<|begin_of_text|>", "<|header_start|>", "<|header_end|>", "<|eot|>", "<|eom|>")
BEGIN, EOT, EOM = "<|begin_of_text|>", "<|eot_id|>", "<|eom_id|>"
DEEPSEEK = "<｜end▁of▁sentence｜>"


def _hermes() -> dict[str, str]:
    return {"default": ours("hermes_default")(), "tool_use": ours("hermes_tool_use")()}


def _of_preset(name: str) -> Callable[[], str]:
    def get() -> str:
        from vocabtrim_core.tokenizers.presets import PRESETS

        tokenizer_spec(name)  # skips without its package
        return PRESETS[name].template()

    return get


def _named(name: str) -> Callable[[], str]:
    def get() -> str:
        from vocabtrim_core.templates.presets import NAMED

        return NAMED[name].jinja

    return get


def _file(name: str) -> Callable[[], str]:
    return lambda: (Path(tokenizer_spec(name)) / "chat_template.jinja").read_text("utf-8")


FAMILIES = {
    # The model's own tokenizer and template.
    "qwen3": Family("package:qwen3", package("qwen3"), ("<|im_end|>",), eos="<|im_end|>"),
    "gemma3": Family(
        "package:gemma3", package("gemma3"), ("<end_of_turn>",), bos="<bos>", eos="<end_of_turn>"
    ),
    "deepseek_v3": Family(
        "package:deepseek_v3",
        package("deepseek_v3"),
        (DEEPSEEK,),
        bos="<｜begin▁of▁sentence｜>",
        eos=DEEPSEEK,
    ),
    "llama3": Family("package:llama3_1", package("llama3_1"), (EOT,), bos=BEGIN, eos=EOT),
    "llama3_1": Family(
        "shared:llama-3.1", _file("shared:llama-3.1"), (EOT, EOM), bos=BEGIN, eos=EOT
    ),
    "smollm2": Family(
        "preset:smollm2",
        _of_preset("smollm2"),
        ("<|im_end|>",),
        bos="<|im_start|>",
        eos="<|im_end|>",
    ),
    "mistral_v3": Family("preset:tekken", mistral("v3"), ("</s>",), MISTRAL, "<s>", "</s>"),
    "mistral_v7": Family("preset:tekken", mistral("v7"), ("</s>",), MISTRAL, "<s>", "</s>"),
    "mistral_v13": Family(
        "preset:tekken", mistral("v13", thinking=True), ("</s>",), MISTRAL, "<s>", "</s>"
    ),
    # The model's own tokenizer with a template of ours that writes what the model's does.
    "gptoss": Family(
        "package:gptoss",
        ours("harmony"),
        ("<|return|>", "<|call|>", "<|end|>"),
        bos="<|startoftext|>",
        eos="<|return|>",
    ),
    "qwen3_6": Family("package:qwen3_6", ours("qwen36"), ("<|im_end|>",), eos="<|im_end|>"),
    "qwen3_coder": Family("package:qwen3", ours("qwen3_coder"), ("<|im_end|>",), eos="<|im_end|>"),
    "deepseek_r1": Family(
        "package:deepseek_v3",
        ours("deepseek_r1"),
        (DEEPSEEK,),
        bos="<｜begin▁of▁sentence｜>",
        eos=DEEPSEEK,
    ),
    "deepseek_v4": Family(
        "package:deepseek_v4",
        ours("deepseek_r1"),
        (DEEPSEEK,),
        (
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁calls▁end｜>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁call▁end｜>",
            "<｜tool▁sep｜>",
            "<｜tool▁output▁begin｜>",
            "<｜tool▁output▁end｜>",
        ),
        bos="<｜begin▁of▁sentence｜>",
        eos=DEEPSEEK,
    ),
    "llama3_1_python": Family(
        "preset:llama-3.1", ours("llama31_python"), (EOT, EOM), bos=BEGIN, eos=EOT
    ),
    "llama2": Family("package:llama2", ours("llama2"), ("</s>",), bos="<s>", eos="</s>"),
    "marks_llama3": Family("preset:llama-3.1", ours("marks_llama3"), (EOT,), bos=BEGIN, eos=EOT),
    "marks_qwen3": Family("package:qwen3", ours("marks_qwen3"), ("<|im_end|>",), eos="<|im_end|>"),
    # Templates of ours with a real tokenizer that learns the model's markers.
    "gemma4": Family(
        "package:gemma3", ours("gemma4"), ("<turn|>",), GEMMA4, bos="<bos>", eos="<turn|>"
    ),
    "glm45": Family("package:qwen3", ours("glm45"), (), GLM),
    "glm5": Family("package:qwen3", ours("glm5"), (), GLM),
    "glm52": Family("package:qwen3", glm52, (), GLM),
    "kimi": Family("package:qwen3", ours("kimi"), ("<|im_end|>",), KIMI, eos="<|im_end|>"),
    "command_r": Family(
        "preset:tekken",
        ours("command_r"),
        ("<|END_OF_TURN_TOKEN|>",),
        COMMAND,
        "<s>",
        "<|END_OF_TURN_TOKEN|>",
    ),
    "phi4": Family(
        "package:gptoss",
        ours("phi4"),
        ("<|im_end|>",),
        (*CHATML, "<|im_sep|>", "<|tool_call|>", "<|/tool_call|>"),
        eos="<|im_end|>",
    ),
    "llama4": Family(
        "package:gptoss",
        _named("llama4"),
        ("<|eot|>", "<|eom|>"),
        LLAMA4,
        bos="<|begin_of_text|>",
        eos="<|eot|>",
    ),
    "hermes": Family("package:qwen3", _hermes, ("<|im_end|>",), THINK, eos="<|im_end|>"),
}


# One of each habit; the rest take minutes and are left to `-m slow`.
USUAL = (
    "qwen3",
    "smollm2",
    "gptoss",
    "llama3_1",
    "mistral_v13",
    "deepseek_v3",
    "qwen3_coder",
    "glm45",
    "gemma4",
    "marks_qwen3",
    "hermes",
)
PARAMS = [pytest.param(name, marks=() if name in USUAL else pytest.mark.slow) for name in FAMILIES]


@dataclass(frozen=True)
class Loaded:
    """One family on disk: a folder as a model repository has it, and the rules for the oracle."""

    name: str
    folder: Path
    rules: Rules
    _backend: Callable[[], Tokenizer]

    @property
    def backend(self) -> Tokenizer:
        """HF's tokenizer without a post-processor, which would trim blanks off the offsets."""
        return self._backend()

    @cached_property
    def hf(self) -> PreTrainedTokenizerFast:
        """transformers' tokenizer around it, with the model's template."""
        from transformers import PreTrainedTokenizerFast

        rules = self.rules
        jinja = rules.jinja if isinstance(rules.jinja, str) else dict(rules.jinja)
        return PreTrainedTokenizerFast(
            tokenizer_object=self.backend, chat_template=jinja, **rules.special_tokens
        )

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        found = self.backend.encode(text, add_special_tokens=False)
        return found.ids, found.offsets


@lru_cache(maxsize=1)  # a tokenizer takes hundreds of megabytes
def load(name: str) -> Loaded:
    """The family. Skips where its tokenizer cannot be had; the tokenizer is read on first use."""
    family = FAMILIES[name]
    jinja = family.jinja()
    specials = {"bos_token": family.bos, "eos_token": family.eos}
    specials = {key: value for key, value in specials.items() if value}
    folder = _folder(name, jinja, specials)
    backend = partial(_read, folder)

    @cache
    def boundaries(rendered: str) -> set[int]:
        return {at for at, _ in backend().encode(rendered, add_special_tokens=False).offsets}

    return Loaded(name, folder, Rules(jinja, specials, family.stops, boundaries), backend)


@lru_cache(maxsize=1)
def _read(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = None
    return tokenizer


def _folder(name: str, jinja: JINJA, specials: dict[str, str]) -> Path:
    """The model's folder, written once and kept beside the packages under all that it is made of.

    A kept folder is as good as new: its name has a digest of the tokenizer's file and the template.
    """
    family = FAMILIES[name]
    source = tokenizer_json(family.tokenizer)
    templates = (
        jinja if isinstance(jinja, str) else [{"name": k, "template": v} for k, v in jinja.items()]
    )
    config = {**specials, "chat_template": templates, "tokenizer_class": "PreTrainedTokenizerFast"}
    made_of = (source, json.dumps([config, family.markers]), tokenizers.__version__)
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    folder = packages.CACHE / "families" / f"{name}-{digest}"
    with FileLock(packages.CACHE / f"family-{name}.lock"):
        if not folder.is_dir():
            tokenizer = Tokenizer.from_str(source)
            missing = [m for m in family.markers if tokenizer.token_to_id(m) is None]
            tokenizer.add_special_tokens(
                [AddedToken(m, normalized=False, special=True) for m in missing]
            )
            with tempfile.TemporaryDirectory(dir=packages.CACHE) as work:
                made = Path(work) / "made"
                made.mkdir()
                tokenizer.save(str(made / "tokenizer.json"))
                (made / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
                folder.parent.mkdir(exist_ok=True)
                made.rename(folder)
    return folder
