# ruff: noqa: RUF001 - DeepSeek writes its markers with full-width bars
"""Random conversations through small templates of every habit, against the definition.

Small tokenizers, so that it is quick; the real families are in `test_product`.
"""

from __future__ import annotations

import re
from functools import cache

import pytest
from helpers.spans.conversations import SENTINEL, conversations, table
from helpers.spans.definition import RefusedError, Rules, counted, joined
from helpers.template_kit import NAMED_MARKERS, SPECIALS
from helpers.template_samples import MARKERS, SAMPLES
from helpers.tokenizer_makers import byte_level, sentence_piece, write_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.presets import NAMED
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

NO_PROMPT = {
    "CHATML": "<|im_start|>assistant\n",
    "SYSTEM_PROMPT": "<|im_start|>assistant\n",
    "MARKED": "<|im_start|>assistant\n",
    "HALF_MARKED": "<|im_start|>assistant\n",
    "THINKING": "<|im_start|>assistant\n",
    "R1": "<｜Assistant｜>",
    "CHANNELS": "<|start|>assistant<|channel|>",
    "PLAIN": "Assistant:",
    "STRICT": "",
    "BARE": "",
}
"""Samples that write no generation prompt, and the one that would be right."""
MARKS = re.compile(r"\{%-? (?:end)?generation -?%\}")


def with_prompt(name: str) -> str:
    prompt = NO_PROMPT[name].replace("\n", "\\n")
    return SAMPLES[name] + f"{{%- if add_generation_prompt %}}{{{{- '{prompt}' }}}}{{%- endif %}}"


# name: what the product is given, and the definition, which cannot do without a prompt.
JINJA = {name: (entry.jinja, entry.jinja) for name, entry in NAMED.items()}
JINJA |= {name: (SAMPLES[name], with_prompt(name)) for name in NO_PROMPT}
JINJA |= {f"{name} with prompt": (with_prompt(name),) * 2 for name, p in NO_PROMPT.items() if p}
for _name in ("HALF_MARKED", "HALF_MARKED with prompt"):  # the marks miss text: as without them
    JINJA[_name] = (JINJA[_name][0], MARKS.sub("", JINJA[_name][1]))
# Two that the definition cannot read are written as others are.
JINJA["PARTS"] = (SAMPLES["PARTS"], with_prompt("CHATML"))
JINJA["MACRO_MARKED"] = (
    SAMPLES["MACRO_MARKED"],
    with_prompt("MARKED").replace(
        " + '<|im_end|>' }}{%- endgeneration %}", " }}{%- endgeneration %}{{- '<|im_end|>' }}"
    ),
)
CONVERSATIONS = table()
STOPS = {
    "R1": ["</s>"],
    "CHANNELS": ["<|return|>", "<|end|>"],
    "STRICT": ["</s>"],
    "llama3": ["<|eot_id|>"],
    "llama4": ["<|eot|>"],
    "deepseek": ["<｜end▁of▁sentence｜>"],
    "phi3": ["<|end|>"],
    "gemma": ["<end_of_turn>"],
    "mistral": ["</s>"],
    "PLAIN": [],
    "BARE": [],
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """`both("CHATML", "bytes")` -> (the product's template, the definition's rules)."""
    root = tmp_path_factory.mktemp("samples")
    made = {
        "bytes": byte_level([*MARKERS, *NAMED_MARKERS]),
        "pieces": sentence_piece([*MARKERS, *NAMED_MARKERS]),
    }

    @cache
    def get(name: str, kind: str):
        folder = write_folder(
            root / kind / name, made[kind], JINJA[name][0], tokenizer_config=SPECIALS
        )
        template = resolve_template(load_tokenizer(folder))
        return template, rules_of(made[kind], name)

    return get


def rules_of(backend: Tokenizer, name: str) -> Rules:
    @cache
    def boundaries(text: str) -> set[int]:
        return {at for at, _ in backend.encode(text, add_special_tokens=False).offsets}

    stops = STOPS.get(name.removesuffix(" with prompt"), ["<|im_end|>"])
    return Rules(JINJA[name][1], SPECIALS, tuple(stops), boundaries)


def check(both, name: str, kind: str, conversation, *, wordless: bool = False) -> None:
    """wordless: turns without any text are not compared."""
    template, rules = both(name, kind)
    notes: list[str] = []
    try:
        whole = counted(rules, conversation.messages, conversation.tools)
        right, notes = joined(whole.text, whole.spans), whole.notes
    except RefusedError:
        right = None
    try:
        text, spans = template.spans(conversation.messages, "assistant", tools=conversation.tools)
        found = joined(text, spans)
    except InputError:
        found = None
    wordless |= any(note.endswith(": not written") for note in notes)
    if None not in (found, right) and wordless:
        # Where a turn lost all its words, the definition has nothing, the product its stop token.
        found, right = ([t for t in texts if re.search(SENTINEL, t)] for texts in (found, right))
    assert found == right, (name, kind, conversation.name)


@pytest.mark.parametrize("name", JINJA)
def test_every_kind_of_conversation(both, name):
    for conversation in CONVERSATIONS:
        check(both, name, "bytes", conversation)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(JINJA)), st.sampled_from(["bytes", "pieces"]), conversations())
def test_random_conversations(both, name, kind, conversation):
    answers = [m for m in conversation.messages if m["role"] == "assistant"]
    wordless = any(not (answer["content"] or "").strip() for answer in answers)
    check(both, name, kind, conversation, wordless=wordless)
