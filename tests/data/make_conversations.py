# ruff: noqa: RUF001 - texts in several scripts
"""Writes the conversations in this folder: `python tests/data/make_conversations.py`.

Sentences are put together from the words below by a seeded generator, so that the files are ours
alone and the same on every machine: answers in prose, code, arithmetic and several scripts, with
blanks at their edges, markup of chat templates inside and, in tools.jsonl, calls and results.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOUNS = [
    "river",
    "harbour",
    "garden",
    "engine",
    "market",
    "letter",
    "window",
    "mountain",
    "lantern",
    "bridge",
    "forest",
    "kitchen",
    "station",
    "valley",
    "museum",
    "teacher",
    "sailor",
    "carpenter",
    "violin",
    "notebook",
    "ladder",
    "orchard",
    "tunnel",
    "island",
    "signal",
    "compass",
    "railway",
    "glacier",
    "workshop",
    "library",
]
VERBS = [
    "crosses",
    "follows",
    "measures",
    "repairs",
    "paints",
    "carries",
    "borrows",
    "forgets",
    "describes",
    "watches",
    "counts",
    "collects",
    "opens",
    "closes",
    "translates",
    "remembers",
    "improves",
    "replaces",
]
ADJECTIVES = [
    "quiet",
    "narrow",
    "bright",
    "heavy",
    "early",
    "patient",
    "wooden",
    "distant",
    "careful",
    "ordinary",
    "northern",
    "frozen",
    "useful",
    "strange",
    "gentle",
    "hollow",
]
LINKS = ("because", "although", "while", "so", "and later", "until", "unless", "whenever")
NAMES = ("Mira", "Anselm", "Tove", "Rashid", "Ilse", "Bao", "Chidi", "Noor", "Pavel", "Yuki")
SCRIPTS = (
    "Река течёт на север, а дорога идёт вдоль берега.",
    "Η γέφυρα είναι παλιά, αλλά αντέχει ακόμη.",
    "图书馆在车站旁边，晚上八点关门。",
    "図書館は駅のとなりにあり、夜八時に閉まります。",
    "도서관은 역 옆에 있고 저녁 여덟 시에 닫습니다.",
    "المكتبة بجانب المحطة وتغلق في الثامنة مساءً.",
    "הספרייה ליד התחנה ונסגרת בשמונה בערב.",
    "पुस्तकालय स्टेशन के पास है और रात आठ बजे बंद होता है।",
    "ห้องสมุดอยู่ข้างสถานีและปิดตอนสองทุ่ม",
    "Die Brücke wurde größer gebaut, weil der Fluß über die Ufer trat.",
    "L'été, le musée ouvre à neuf heures ; l'hiver, à dix heures.",
    "Cafe\u0301 et re\u0301sume\u0301 s'e\u0301crivent ici avec des accents combinants.",
    "Weather: ☀️🌧️❄️ — family: 👩‍👩‍👧, flag: 🏳️‍🌈, music: 🎻.",
)
MARKUP = (
    "A turn ends with <|eot_id|> in one template and with <|im_end|> in another.",
    "Write <|im_start|>assistant\nand then the answer<|im_end|>\nto begin a turn.",
    "Older models read [INST] question [/INST] answer</s> as one turn.",
    "A turn opens with <|start_header_id|>assistant<|end_header_id|>\n\nand a blank line.",
)
EDGES = ("\n\n{}", "  {}", "{}\n", "{} \n \n", "\t{}", "\u00a0{}\u3000")


class Writer:
    """Texts of one generator of random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        one = self.random.choice
        self.kinds: dict[str, Callable[[], str]] = {
            "prose": self.prose,
            "code": self.code,
            "arithmetic": self.arithmetic,
            "list": self.list,
            "json": lambda: json.dumps(self.record(), ensure_ascii=False),
            "script": lambda: one(SCRIPTS),
            "markup": lambda: one(MARKUP),
        }

    def common(self, words: tuple[str, ...] | list[str]) -> str:
        """One of the words, the first of them much more often than the last."""
        return words[min(int(self.random.paretovariate(0.8)) - 1, len(words) - 1)]

    def clause(self) -> str:
        subject, object_ = self.common(NOUNS), self.common(NOUNS)
        return (
            f"the {self.common(ADJECTIVES)} {subject} {self.common(VERBS)} the "
            f"{self.common(ADJECTIVES)} {object_}"
        )

    def prose(self) -> str:
        sentences = []
        for _ in range(self.random.randint(1, 5)):
            sentence = self.clause()
            if self.random.random() < 0.5:
                sentence += f" {self.random.choice(LINKS)} {self.clause()}"
            sentences.append(sentence[0].upper() + sentence[1:] + ".")
        return " ".join(sentences)

    def code(self) -> str:
        a, b, n = self.common(NOUNS), self.common(NOUNS), self.random.randint(2, 99)
        return self.random.choice(
            (
                f"```python\ndef count_{a}s({b}s: list[str]) -> int:\n"
                f'    """Those that begin with {b[0]!r}."""\n'
                f"    return sum(x.startswith({b[0]!r}) for x in {b}s[:{n}])\n```",
                f"```python\nfor {a} in range({n}):\n\tif {a} % 3:\n\t\tprint({a}, {b!r})\n```",
                f"SELECT {a}, COUNT(*) FROM {b}s WHERE size > {n} GROUP BY {a};",
            )
        )

    def arithmetic(self) -> str:
        x, y = self.random.randint(2, 999), self.random.randint(2, 99)
        return (
            f"We have {x} · {y} = {x * y}, and {x} + {y} = {x + y}. Hence "
            f"$\\frac{{{x * y}}}{{{x + y}}} \\approx {x * y / (x + y):.3f}$."
        )

    def list(self) -> str:
        items = self.random.sample(NOUNS, self.random.randint(2, 6))
        return "\n".join(f"{n}. **{item}**: {self.clause()}" for n, item in enumerate(items, 1))

    def record(self) -> dict[str, object]:
        return {
            "name": self.random.choice(NAMES),
            self.common(NOUNS): self.random.randint(0, 5000),
            "tags": self.random.sample(ADJECTIVES, 2),
            "open": self.random.random() < 0.5,
        }

    def answer(self, kind: str) -> str:
        text = self.kinds[kind]()
        return self.random.choice(EDGES).format(text) if self.random.random() < 0.05 else text

    def question(self) -> str:
        return self.random.choice(
            (
                f"Why does it matter that {self.clause()}?",
                f"Tell me about the {self.common(NOUNS)}.",
                f"What does {self.random.choice(NAMES)} do when {self.clause()}?",
                f"Compute {self.random.randint(2, 999)} times {self.random.randint(2, 99)}.",
            )
        )


def plain(n: int) -> list[dict]:
    """Conversations of one to four turns, each of one domain, some with a system message."""
    w, rows = Writer(1), []
    for i in range(n):
        kind = list(w.kinds)[i % len(w.kinds)]
        turns = []
        if i % 5 == 0:
            turns.append(
                {"role": "system", "content": f"Answer as {w.random.choice(NAMES)} would."}
            )
        for _ in range(w.random.randint(1, 4)):
            turns.append({"role": "user", "content": w.question()})
            turns.append({"role": "assistant", "content": w.answer(kind)})
        rows.append({"messages": turns, "domain": kind})
    return rows


def tools(n: int) -> list[dict]:
    """Conversations in which one tool is called, its result told and something said about it."""
    w, rows = Writer(2), []
    for i in range(n):
        name = f"find_{w.common(NOUNS)}"
        properties = {"name": {"type": "string"}, "limit": {"type": "integer"}}
        tool = {
            "type": "function",
            "function": {
                "name": name,
                "description": f"Looks up a {w.common(NOUNS)}.",
                "parameters": {"type": "object", "properties": properties, "required": ["name"]},
            },
        }
        arguments = {"name": w.random.choice(NAMES), "limit": w.random.randint(1, 9)}
        called = {"name": name, "arguments": arguments}
        call = {"id": f"call{i:05d}", "type": "function", "function": called}
        result = json.dumps(w.record(), ensure_ascii=False)
        rows.append(
            {
                "tools": [tool],
                "messages": [
                    {"role": "user", "content": w.question()},
                    {"role": "assistant", "content": "", "tool_calls": [call]},
                    {"role": "tool", "content": result, "tool_call_id": call["id"], "name": name},
                    {"role": "assistant", "content": w.prose()},
                ],
            }
        )
    return rows


if __name__ == "__main__":
    for name, rows in (("plain", plain(420)), ("tools", tools(120))):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (HERE / f"{name}.jsonl").write_text("".join(lines), "utf-8")
