"""Synthetic conversations for the counting benchmark: plain chat, tool traffic, reasoning traffic.

Everything is made here from invented words, and a seed decides all of it. Sizes are like those of
real traffic: a plain answer has about 1 kB; an agent has a system message, four to eight tools with
schemas, two to five calls with results of some 1.5 kB each, and an answer; reasoning is about 4 kB
before an answer of 1 kB. All three are written as JSON lines until a file has so many bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

CONSONANTS = (*"bcdfghklmnprstvw", "st", "tr", "pl")
VOWELS = (*"aeiou", "ou", "ea")
WORDS = 30_000  # different ones, as often as Zipf's law has it
SMALL = 4_000, 1_000_000  # conversations and bytes of the small corpus

# ChatML with tools and reasoning, as several families write them.
TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\n# Tools\\n' }}
{%- for tool in tools %}{{- tool | tojson + '\\n' }}{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.reasoning_content %}
{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
{%- endif %}
{{- message.content or '' }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson if call.function.arguments is mapping
    else call.function.arguments }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""


class Writer:
    """Invented prose, names and values."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        syllables = [c + v for c in CONSONANTS for v in VOWELS]
        made = ("".join(self.random.choice(syllables, self.random.integers(1, 5))) for _ in count())
        self.words = list(dict.fromkeys(islice(made, 2 * WORDS)))[:WORDS]
        shares = 1 / np.arange(3, len(self.words) + 3)
        self.ends = np.cumsum(shares / shares.sum())

    def some(self, n: int) -> list[str]:
        places = np.searchsorted(self.ends, self.random.random(n) * self.ends[-1])
        return [self.words[place] for place in places.tolist()]

    def prose(self, size: int) -> str:
        """About so many characters, give or take a half, in sentences and paragraphs."""
        words = self.some(max(1, int(size * self.random.uniform(0.5, 1.5) / 6)))
        said, at = [], 0
        while at < len(words):
            length = int(self.random.integers(5, 20))
            said.append(" ".join(words[at : at + length]).capitalize() + ".")
            at += length
        return "".join(
            sentence + ("\n\n" if i % 6 == 5 else " ") for i, sentence in enumerate(said)
        ).strip()

    def record(self, fields: int, prose: int = 20) -> dict[str, Any]:
        """Some named values, as an API takes and gives them."""
        values = (
            lambda: int(self.random.integers(1_000_000)),
            lambda: round(float(self.random.random()), 4),
            lambda: self.prose(prose),
            lambda: "_".join(self.some(2)),
            lambda: bool(self.random.integers(2)),
        )
        return {name: values[int(self.random.integers(5))]() for name in self.some(fields)}


def plain(writer: Writer, question: int = 200, answer: int = 1000, most: int = 3) -> dict[str, Any]:
    """Some questions and answers."""
    turns = int(writer.random.integers(1, most + 1))
    return {
        "messages": [
            {"role": role, "content": writer.prose(size)}
            for _ in range(turns)
            for role, size in (("user", question), ("assistant", answer))
        ]
    }


def agent(writer: Writer) -> dict[str, Any]:
    """A task done with tools: calls, some of them two at once, their results, and an answer."""
    tools = [
        {
            "type": "function",
            "function": {
                "name": "_".join(writer.some(2)),
                "description": writer.prose(120),
                "parameters": {
                    "type": "object",
                    "properties": {
                        name: {"type": "string", "description": writer.prose(50)}
                        for name in writer.some(3)
                    },
                },
            },
        }
        for _ in range(int(writer.random.integers(4, 9)))
    ]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": writer.prose(800)},
        {"role": "user", "content": writer.prose(250)},
    ]
    for step in range(int(writer.random.integers(2, 6))):
        names = [f"call_{step}_{i}" for i in range(1 + int(writer.random.random() < 0.2))]
        calls = [
            {
                "id": name,
                "type": "function",
                "function": {
                    "name": tools[int(writer.random.integers(len(tools)))]["function"]["name"],
                    "arguments": json.dumps(writer.record(4)),
                },
            }
            for name in names
        ]
        said = writer.prose(100) if writer.random.random() < 0.4 else None
        messages.append({"role": "assistant", "content": said, "tool_calls": calls})
        messages += [
            {
                "role": "tool",
                "tool_call_id": name,
                "content": json.dumps([writer.record(8, 60) for _ in range(6)]),
            }
            for name in names
        ]
    messages.append({"role": "assistant", "content": writer.prose(600)})
    return {"messages": messages, "tools": tools}


def thinker(writer: Writer) -> dict[str, Any]:
    """One or two questions, each answered after much reasoning."""
    messages = []
    for _ in range(int(writer.random.integers(1, 3))):
        messages += [
            {"role": "user", "content": writer.prose(300)},
            {
                "role": "assistant",
                "reasoning_content": writer.prose(4000),
                "content": writer.prose(1000),
            },
        ]
    return {"messages": messages}


KINDS = {"plain": plain, "tools": agent, "reasoning": thinker}


def build_traffic(folder: Path, megabytes: int, tokenizer: Path) -> dict[str, list[int]]:
    """Write a file of each kind and the small corpus; name -> [bytes of the file, conversations].

    tokenizer: a tokenizer.json that has ChatML's markers; `folder`/chatml is made of it, with a
    template for tools and reasoning.
    """
    chatml = folder / "chatml"
    chatml.mkdir(parents=True, exist_ok=True)
    (chatml / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    (chatml / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    (chatml / "chat_template.jinja").write_text(TEMPLATE)
    sizes = {}
    for seed, (name, make) in enumerate(KINDS.items()):
        writer = Writer(seed)
        rows = (make(writer) for _ in count())
        sizes[name] = _write(folder / f"{name}.jsonl", rows, megabytes * 1_000_000)
    writer = Writer(len(KINDS))
    rows = (plain(writer, 50, 70, most=1) for _ in range(SMALL[0]))
    sizes["small"] = _write(folder / "small.jsonl", rows, 2 * SMALL[1])
    return sizes


def _write(path: Path, rows: Iterator[dict[str, Any]], most: int) -> list[int]:
    size = conversations = 0
    with path.open("wb") as file:
        for row in rows:
            size += file.write(json.dumps(row).encode() + b"\n")
            conversations += 1
            if size >= most:
                break
    return [size, conversations]
