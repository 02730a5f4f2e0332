"""Prompts from corpora, files and benchmarks: rendered for the target, the same every time."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.tokenizer_makers import byte_level, write_folder

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.corpora.uploads import store_upload
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.prompts import prompt_set as prompts_
from vocabtrim_core.serving.prompts.presets import PROMPT_PRESETS
from vocabtrim_core.serving.prompts.prompt_set import load_prompts
from vocabtrim_core.templates.resolve import NAMED, resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

SPECIALS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
OPEN = "<|start_header_id|>assistant<|end_header_id|>\n\n"


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A small tokenizer with Llama 3's template."""
    folder = tmp_path_factory.mktemp("tokenizer")
    about = {"bos_token": SPECIALS[0]}
    write_folder(folder, byte_level(SPECIALS), NAMED["llama3"].jinja, tokenizer_config=about)
    tokenizer = load_tokenizer(folder)
    return tokenizer, resolve_template(tokenizer)


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}


def lines(path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def asked(text: str) -> str:
    """How Llama 3 writes one user turn and opens the answer."""
    begin = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
    return f"{begin}{text}<|eot_id|>{OPEN}"


def test_first_turns_and_whole_contexts(tmp_path, llama) -> None:
    rows = [{"conversations": [user("one"), assistant("1"), user("two"), assistant("2")]}]
    path = lines(tmp_path / "chat.jsonl", rows)
    (first,) = load_prompts(path, *llama).prompts
    assert first.text == asked("one")
    assert list(first.ids) == llama[0].ids(first.text)
    (last,) = load_prompts(path, *llama, turns="last").prompts
    assert last.text.startswith(asked("one") + "1<|eot_id|>")
    assert last.text.endswith(f"two<|eot_id|>{OPEN}")
    assert "2<|eot_id|>" not in last.text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"prompt": "Why?"}, "Why?"),
        ({"question": "Why?", "answer": "So."}, "Why?"),
        ({"messages": [user("Why?")]}, "Why?"),
        ({"conversations": [{"from": "human", "value": "Why?"}]}, "Why?"),
        ({"question_id": 81, "category": "writing", "turns": ["Why?", "And then?"]}, "Why?"),
        ({"prompt": ["Why?", "And then?"], "reference": [], "category": "math"}, "Why?"),
        ({"text": asked("Why?") + "So.<|eot_id|>"}, "Why?"),
    ],
)
def test_shapes_with_and_without_answers(tmp_path, llama, row, text) -> None:
    path = lines(tmp_path / "rows.jsonl", [row, row])
    found = load_prompts(path, *llama)
    assert [prompt.text for prompt in found.prompts] == [asked(text)]  # the same one is asked once
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "rows.jsonl").read_bytes()))
    assert load_prompts(packed, *llama).key == found.key
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    if row.get("reference") != []:  # Parquet has no type for a list without elements
        assert load_prompts(tmp_path / "rows.parquet", *llama).key == found.key


def test_files_without_answers_are_read_to_their_end(tmp_path, llama) -> None:
    rows = [{"turns": [f"{n} {'x' * 2_000}"]} for n in range(300)]  # more than a first look takes
    assert len(load_prompts(lines(tmp_path / "long.jsonl", rows), *llama).prompts) == 300


def test_the_draw_is_the_same_every_time(tmp_path, llama) -> None:
    rows = [{"prompt": f"Question {n}", "response": "Answer"} for n in range(60)]
    path = lines(tmp_path / "many.jsonl", rows)
    one, again = (load_prompts(path, *llama, limit=7, seed=3) for _ in range(2))
    assert one == again
    numbers = [int(prompt.text.split("Question ")[1].split("<")[0]) for prompt in one.prompts]
    assert numbers == sorted(numbers)
    assert len(numbers) == 7
    assert numbers != list(range(7))
    assert load_prompts(path, *llama, limit=7, seed=4).key != one.key
    few = load_prompts(path, *llama, limit=100)
    assert len(few.prompts) == 60
    assert few.notes == ("Only 60 different prompts of the 100 asked for.",)
    assert few.longest == max(len(prompt.ids) for prompt in few.prompts)


def test_long_prompts_are_left_out_and_said(tmp_path, llama) -> None:
    rows = [{"prompt": "short", "response": "a"}, {"prompt": "long " * 50, "response": "b"}]
    path = lines(tmp_path / "mixed.jsonl", rows)
    found = load_prompts(path, *llama, max_tokens=40)
    assert [prompt.text for prompt in found.prompts] == [asked("short")]
    assert "1 prompts have more than 40 tokens" in found.notes[0]
    with pytest.raises(InputError, match="no prompt that can be asked: 2 prompts have more than 2"):
        load_prompts(path, *llama, max_tokens=2)


def test_what_the_template_refuses_is_said(tmp_path, llama) -> None:
    tokenizer, template = llama
    refusal = "{% if messages[0].role != 'user' %}{{ raise_exception('users begin') }}{% endif %}"
    strict = resolve_template(replace(tokenizer, chat_template=refusal + template.jinja))
    bad = {"conversations": [assistant("first"), user("then"), assistant("last")]}
    good = {"conversations": [user("hello"), assistant("hi")]}
    path = lines(tmp_path / "odd.jsonl", [bad, good])
    found = load_prompts(path, tokenizer, strict, turns="last")
    assert [prompt.text for prompt in found.prompts] == [asked("hello")]
    (note,) = found.notes
    assert note.startswith(
        "1 conversations could not be rendered: The tokenizer's chat template cannot"
    )
    assert "users begin" in note
    with pytest.raises(InputError, match="no prompt that can be asked: no user turn was found"):
        load_prompts(lines(tmp_path / "none.jsonl", [{"messages": [assistant("a")]}]), *llama)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mistral", "[INST]Hi[/INST]"),  # the user's turn ends where the answer begins
        ("qwen", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        ("gemma", "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"),
    ],
)
def test_every_family_opens_its_answer_once(tmp_path, llama, name, text) -> None:
    path = lines(tmp_path / "hi.jsonl", [{"prompt": "Hi", "response": "Hello"}])
    (found,) = load_prompts(path, llama[0], resolve_template(llama[0], name)).prompts
    assert found.text.endswith(text)
    assert found.text.count("Hi") == 1
    assert found.text.count(text[-6:]) == 1


def test_a_template_that_opens_no_answer_gets_its_header(tmp_path, llama) -> None:
    tokenizer, template = llama
    jinja = template.jinja.replace("if add_generation_prompt", "if false")
    closed = resolve_template(replace(tokenizer, chat_template=jinja))
    path = lines(tmp_path / "hi.jsonl", [{"prompt": "Hi", "response": "Hello"}])
    assert load_prompts(path, tokenizer, closed).prompts[0].text == asked("Hi")


def test_an_upload_by_its_key(tmp_path, llama) -> None:
    path = tmp_path / "mine.jsonl"
    lines(path, [{"prompt": "Hi", "response": "Hello"}])
    with path.open("rb") as file:
        upload = store_upload(file, "mine.jsonl")
    found = load_prompts(upload.key, *llama)
    assert (found.name, found.prompts[0].text) == ("mine.jsonl", asked("Hi"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"spec": "gsm9k"}, "There is no file gsm9k; check the path, or name a benchmark: mt-b"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"turns": "all"}, "turns must be one of first, last"),
    ],
)
def test_what_cannot_be_asked(tmp_path, llama, given, words) -> None:
    path = lines(tmp_path / "a.jsonl", [{"prompt": "Hi", "response": "Hello"}])
    with pytest.raises(InputError, match=words):
        load_prompts(given.pop("spec", path), *llama, **given)


def test_benchmarks_by_name(tmp_path, llama, monkeypatch) -> None:
    """As the hub lays them out, without the hub: the columns their presets name."""
    rows = {
        "mt-bench": {"category": "writing", "prompt": ["Compose.", "Rewrite."], "reference": []},
        "humaneval": {"prompt": "def f():\n", "canonical_solution": "    pass\n"},
        "ner": {"idx": "1", "text": "Ada was in London.", "tokens": ["Ada"]},
        "function-calling": {
            "conversations": [
                {"from": "system", "value": "You call functions."},
                {"from": "human", "value": "Weather?"},
                {"from": "gpt", "value": "call()"},
            ]
        },
        "aime": {"problem": "1 + 1?", "answer": "2"},
    }

    def fetched(name, limit, progress):
        path = lines(tmp_path / f"{name}.jsonl", [rows[name]])
        preset = PROMPT_PRESETS[name]
        return preset, open_corpus(path, mapping=preset.dataset.mapping)

    monkeypatch.setattr(prompts_, "fetch_prompts", fetched)
    found = {name: load_prompts(name, *llama) for name in rows}
    texts = {name: each.prompts[0].text for name, each in found.items()}
    assert texts["mt-bench"] == asked("Compose.")
    assert texts["humaneval"] == asked("Complete the following Python function.\n\ndef f():")
    assert texts["ner"].endswith(f"Text: Ada was in London.<|eot_id|>{OPEN}")
    assert "You call functions." in texts["function-calling"]
    assert texts["function-calling"].endswith(f"Weather?<|eot_id|>{OPEN}")
    assert [each.name for each in found.values()] == [
        "MT-Bench",
        "HumanEval",
        "NER",
        "Function calling",
        "AIME",
    ]
    assert "stand-in" in found["ner"].notes[0]


def test_the_papers_sets_as_files(shared, llama) -> None:
    folder = shared / "data/corpora"
    counts = {"mt_bench.2turn": 80, "aime": 30, "math500": 500, "humaneval": 164}
    for name, expected in counts.items():
        found = load_prompts(folder / f"{name}.jsonl.gz", *llama)
        assert len(found.prompts) in (expected, expected - 1), name
    tools = load_prompts(folder / "function_calling_test.jsonl.gz", *llama, limit=20)
    assert len(tools.prompts) == 20
