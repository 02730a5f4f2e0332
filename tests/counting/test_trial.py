"""Before a count: whether it would end because too many conversations are left out."""

from __future__ import annotations

import json

import pytest
from helpers.template_kit import SPECIALS
from helpers.template_samples import MARKERS, SAMPLES
from helpers.tokenizer_makers import byte_level, write_folder

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting import trial
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.count import count
from vocabtrim_core.counting.trial import require_few_refused
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer


def chat(*roles: str) -> dict:
    return {"messages": [{"role": role, "content": f"Text of {role}."} for role in roles]}


GOOD = chat("user", "assistant")
REFUSED = chat("user", "user", "assistant")  # by STRICT, which wants roles in turns
UNKNOWN = chat("narrator", "assistant")
SILENT = chat("user")  # has no assistant text: skipped by any count, however many there are


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A tokenizer whose chat template refuses two user turns in a row, and the template."""
    folder = write_folder(
        tmp_path_factory.mktemp("strict"),
        byte_level(MARKERS),
        SAMPLES["STRICT"],
        tokenizer_config=SPECIALS,
    )
    tokenizer = load_tokenizer(folder)
    return tokenizer, resolve_template(tokenizer)


def refusal(strict, path, limit: float) -> str:
    """What is said before a count; the count itself must end alike."""
    corpus, said, ended = open_corpus(path), "", ""
    try:
        require_few_refused(corpus, CountConfig(*strict, most_refused=limit))
    except InputError as error:
        said = str(error)
    try:
        count(corpus, *strict, most_refused=limit, cache=False, responses=False)
    except InputError as error:
        ended = str(error)
    assert bool(said) == bool(ended), (said, ended)
    assert said[-70:] == ended[-70:]
    return said


@pytest.mark.parametrize(
    ("rows", "limit", "words"),
    [
        ([GOOD] * 4, 0.0, []),
        ([GOOD] * 3 + [REFUSED], 0.01, ["the template refuses 1 of 4 conversations", "a.jsonl:4"]),
        ([GOOD] * 3 + [REFUSED], 0.25, []),
        ([GOOD] * 3 + [REFUSED], 0.24, ["more than the 24.0% that may be left out"]),
        ([REFUSED] * 3, 0.99, ["refuses 3 of 3 conversations", "choose another template"]),
        ([GOOD] * 3 + [UNKNOWN], 0.2, ["1 of 4 rows are broken", "unknown role 'narrator'"]),
        ([GOOD] * 3 + [UNKNOWN], 0.25, []),
        ([GOOD] * 2 + [UNKNOWN, REFUSED], 0.4, ["refuses 1 of ", " and 1 of 4 rows are broken"]),
        ([GOOD] * 2 + [UNKNOWN, REFUSED], 0.5, []),
        ([GOOD, *[SILENT] * 9], 0.0, []),
    ],
)
def test_what_is_said_before_is_what_the_count_would_say(strict, tmp_path, rows, limit, words):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = refusal(strict, path, limit)
    assert bool(said) == bool(words)
    assert all(word in said for word in words), said
    assert "\n" not in said


@pytest.mark.parametrize(("every", "expected"), [(2, True), (200, False)])
def test_a_sample_refuses_only_what_is_sure(strict, tmp_path, monkeypatch, every, expected):
    """With 40 of 800 conversations tried, a share near the limit is left to the count."""
    monkeypatch.setattr(trial, "MOST", 40)
    rows = [dict(REFUSED if i % every == 0 else GOOD) for i in range(800)]
    path = tmp_path / "a.jsonl"
    # Text that must be rendered, so that every row is one of those a sample is drawn from.
    path.write_text("".join(json.dumps(row).replace("Text", "<s>") + "\n" for row in rows))
    assert bool(refusal(strict, path, 0.01)) == expected
