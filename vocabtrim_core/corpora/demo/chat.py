"""`chat` and `chat-unseen`: questions of everyday chat without answers, which a target gives.

Every question is one of `FORMS` about one topic. All questions about every fifth topic are
`chat-unseen`, so that what is measured on it was not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.workspace.files import write_atomic

CHAT, UNSEEN = NAMES = ("chat", "chat-unseen")
UNSEEN_EVERY = 5  # one topic in five is kept for measurements

FORMS = (
    "What is {topic}?",
    "Explain {topic} to a ten-year-old.",
    "Give me three facts about {topic}.",
    "Write a short paragraph about {topic}.",
    "Why does {topic} matter?",
    "What are common mistakes people make with {topic}?",
    "I know nothing about {topic}. Where should I start?",
    "Compare {topic} today with how it was a hundred years ago.",
    "Write an email to a colleague in which you recommend reading about {topic}.",
    "List five questions a beginner would ask about {topic}.",
    "Summarise what is most important about {topic} in two sentences.",
    "Write a short poem about {topic}.",
    "What are the advantages and disadvantages of {topic}?",
    "How would you teach {topic} in one hour?",
    "Tell me a short story in which {topic} plays a part.",
    "Give me step by step advice about {topic}.",
    "What is the history of {topic}?",
    "Write an introduction for an article about {topic}.",
    "Which tools or materials does one need for {topic}?",
    "Explain how {topic} works.",
)

TOPICS: dict[str, tuple[str, ...]] = {
    "cooking": (
        "baking bread",
        "making soup from vegetables",
        "cooking rice",
        "sharpening kitchen knives",
        "roasting coffee",
        "preserving fruit",
        "a balanced breakfast",
        "frying an egg",
        "making fresh pasta",
        "using spices",
    ),
    "science": (
        "photosynthesis",
        "the water cycle",
        "gravity",
        "the periodic table",
        "black holes",
        "plate tectonics",
        "the speed of light",
        "vaccines",
        "magnets",
        "evolution",
    ),
    "computing": (
        "sorting a list in Python",
        "version control",
        "databases",
        "computer networks",
        "encryption",
        "unit tests",
        "machine learning",
        "cloud storage",
        "operating systems",
        "spreadsheets",
    ),
    "health": (
        "sleeping well",
        "drinking enough water",
        "stretching after sport",
        "first aid for burns",
        "back pain at a desk",
        "healthy snacks",
        "stress before an exam",
        "learning to swim",
        "walking every day",
        "caring for teeth",
    ),
    "work": (
        "a job interview",
        "writing a report",
        "leading a meeting",
        "giving feedback",
        "asking for a raise",
        "working from home",
        "planning a project",
        "a first day at a new job",
        "managing time",
        "writing a cover letter",
    ),
    "travel": (
        "packing a suitcase",
        "travelling by train",
        "camping in the mountains",
        "visiting a museum",
        "learning a few words before a trip",
        "long flights with children",
        "hiking alone",
        "saving money on hotels",
        "city maps",
        "a weekend at the sea",
    ),
    "home": (
        "growing tomatoes on a balcony",
        "cleaning windows",
        "saving electricity",
        "painting a room",
        "fixing a dripping tap",
        "keeping a cat",
        "sorting waste",
        "choosing a mattress",
        "house plants",
        "moving to a new flat",
    ),
    "history": (
        "the invention of printing",
        "the Roman roads",
        "the first railways",
        "the history of paper money",
        "ancient Egypt",
        "the Silk Road",
        "the telephone",
        "medieval castles",
        "the first flight",
        "the calendar",
    ),
    "language": (
        "learning a second language",
        "writing a diary",
        "idioms",
        "public speaking",
        "sign language",
        "reading faster",
        "spelling",
        "translation",
        "writing dialogue",
        "remembering new words",
    ),
    "money": (
        "a monthly budget",
        "interest rates",
        "saving for a holiday",
        "inflation",
        "insurance",
        "paying taxes",
        "buying a used car",
        "a bank account for children",
        "comparing prices",
        "starting a small business",
    ),
    "nature": (
        "migrating birds",
        "rain forests",
        "bees",
        "volcanoes",
        "the tides",
        "wolves",
        "mushrooms in autumn",
        "deserts",
        "coral reefs",
        "the northern lights",
    ),
    "arts": (
        "playing the guitar",
        "drawing a portrait",
        "black and white photography",
        "jazz",
        "writing a novel",
        "theatre for beginners",
        "pottery",
        "film music",
        "dancing",
        "knitting a scarf",
    ),
}


def questions(unseen: bool) -> Iterator[dict[str, Any]]:
    """The questions as conversations of one user turn.

    Args:
        unseen: Those about the topics kept for measurements, else those about all others.

    Yields:
        Rows with `id`, `domain` and `conversations`, all forms of every topic, the forms of a topic
        far apart so that any first part holds all domains.
    """
    topics = [(domain, topic) for domain, names in TOPICS.items() for topic in names]
    chosen = [pair for i, pair in enumerate(topics) if (i % UNSEEN_EVERY == 0) is unseen]
    for turn in range(len(FORMS)):
        for i, (domain, topic) in enumerate(chosen):
            form = FORMS[(i * 7 + turn) % len(FORMS)]
            yield {
                "id": f"{topic}/{FORMS.index(form)}",
                "domain": domain,
                "conversations": [{"role": "user", "content": form.format(topic=topic)}],
            }


def write(name: str, folder: Path) -> Path:
    """Write one of the corpora; the same name gives the same bytes.

    Args:
        name: One of NAMES.
        folder: Where the file goes.

    Returns:
        The .jsonl file.

    Raises:
        InputError: The folder cannot be written.
    """
    path = folder / f"{name}.jsonl"
    lines = [msgspec.json.encode(row) for row in questions(name == UNSEEN)]
    content = b"\n".join(lines) + b"\n"
    if not path.is_file() or path.read_bytes() != content:
        write_atomic(path, content)
    return path
