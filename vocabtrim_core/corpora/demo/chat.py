"""`chat` and `chat-unseen`: questions of everyday chat without answers, which a target gives.

Every question is one of `FORMS` about one topic. All questions about every fifth topic are
`chat-unseen`, so that what is measured on it was not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.workspace.files import write_atomic

CHAT, UNSEEN = NAMES = ("chat", "chat-unseen")
UNSEEN_EVERY = 5  # one topic in five is kept for measurements

FORMS = (  # most of them ask for a short answer, so that answers end before they are cut
    "What is {topic}? Answer in one sentence.",
    "Explain {topic} to a ten-year-old in two sentences.",
    "Give me one fact about {topic}.",
    "Write a short paragraph about {topic}.",
    "Why does {topic} matter? Answer briefly.",
    "What is a common mistake people make with {topic}? Answer in one sentence.",
    "I know nothing about {topic}. Name the first thing to learn, in one sentence.",
    "How was {topic} different a hundred years ago? Answer in two sentences.",
    "Write a two-line message to a friend that recommends {topic}.",
    "What would a beginner ask about {topic}? Write one question.",
    "Summarise what is most important about {topic} in two sentences.",
    "Write two lines of a poem about {topic}.",
    "Name one advantage and one disadvantage of {topic}.",
    "Give me one piece of advice about {topic}.",
    "Write a title and one sentence for an article about {topic}.",
    "Tell me something surprising about {topic} in one sentence.",
    "List three words that go with {topic}.",
    "Who should know about {topic}, and why? Answer in two sentences.",
    "Write one sentence that uses the words: {topic}.",
    "How does {topic} work? Keep it short.",
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


def paths(data: Sequence[str | Path]) -> list[str | Path]:
    """Replace the names of these corpora by their files, which are written where they are missing.

    Args:
        data: Files, folders and names.

    Returns:
        Files and folders. A file or folder that is named like a corpus stays what it is.

    Raises:
        InputError: A file cannot be written.
    """
    return [
        _written(str(item)) if item in NAMES and not Path(item).exists() else item for item in data
    ]


def _written(name: str) -> Path:
    path = workspace.folder("demo") / f"{name}.jsonl"
    lines = [msgspec.json.encode(row) for row in questions(name == UNSEEN)]
    content = b"\n".join(lines) + b"\n"
    if not path.is_file() or path.read_bytes() != content:
        write_atomic(path, content)
    return path
