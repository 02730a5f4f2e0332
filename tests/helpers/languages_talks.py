# ruff: noqa: RUF001
"""Conversations in several languages, their sentences put together from parts written for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Language -> beginnings, middles and ends that fit together in any combination.
PARTS: dict[str, tuple[Sequence[str], Sequence[str], Sequence[str]]] = {
    "German": (
        (
            "Am Montag fährt die Straßenbahn",
            "Nach dem Regen läuft meine Nachbarin",
            "Jeden Morgen geht der Bäcker",
            "Im Frühling wandern wir gern",
            "Wegen der Baustelle führt der Weg",
            "Mit dem neuen Fahrrad kommt sie",
            "Kurz vor Mitternacht zieht der Nebel",
            "An schönen Tagen spaziert mein Großvater",
            "Während der Ferien reist die ganze Familie",
            "Trotz der Kälte schwimmt er",
        ),
        (
            "über die alte Brücke",
            "durch den dunklen Wald",
            "entlang der grünen Wiesen",
            "an der Bücherei vorbei",
            "quer über den Marktplatz",
            "hinauf zur Burg",
            "bis zum Bahnhof",
            "zwischen den Häusern hindurch",
        ),
        (
            "und erzählt dabei Geschichten aus früheren Zeiten.",
            "weil dort das Wasser besonders klar ist.",
            "obwohl niemand weiß, wohin es geht.",
            "damit alle pünktlich zum Abendessen da sind.",
            "ohne ein einziges Mal anzuhalten.",
            "und freut sich über die ersten Sonnenstrahlen.",
            "denn zu Hause wartet schon der Kuchen.",
            "sodass man die Glocken noch lange hört.",
        ),
    ),
    "English": (
        (
            "On Monday the tram runs",
            "After the rain my neighbour walks",
            "Every morning the baker goes",
            "In spring we like to hike",
            "Because of the roadworks the path leads",
            "With her new bicycle she comes",
        ),
        (
            "across the old bridge",
            "through the dark forest",
            "along the green meadows",
            "past the public library",
            "over the market square",
            "up to the castle",
        ),
        (
            "and tells stories of earlier times.",
            "because the water is very clear there.",
            "although nobody knows where it ends.",
            "so that everyone arrives in time for supper.",
            "without stopping a single time.",
            "and enjoys the first rays of the sun.",
        ),
    ),
    "Russian": (
        (
            "В понедельник трамвай едет",
            "После дождя моя соседка идёт",
            "Каждое утро пекарь ходит",
            "Весной мы любим гулять",
        ),
        (
            "через старый мост",
            "сквозь тёмный лес",
            "вдоль зелёных лугов",
            "мимо городской библиотеки",
        ),
        (
            "и рассказывает истории о прошлом.",
            "потому что там очень чистая вода.",
            "хотя никто не знает, куда она ведёт.",
            "чтобы все успели к ужину.",
        ),
    ),
}


def answers(language: str, count: int, *, sentences: int = 4, seed: int = 0) -> list[str]:
    """Texts of a few sentences each."""
    rng = np.random.default_rng(seed)
    first, middle, last = PARTS[language]

    def sentence() -> str:
        return " ".join(str(rng.choice(part)) for part in (first, middle, last))

    return [" ".join(sentence() for _ in range(sentences)) for _ in range(count)]


def write_talks(path: Path, texts: Sequence[str]) -> Path:
    """A corpus of one question and one answer per text."""
    rows = (
        {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]}
        for text in texts
    )
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
