"""Which columns are read: shapes of public datasets and logs, in every format that holds them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vocabtrim_core.corpora import ColumnMapping, open_corpus
from vocabtrim_core.errors import InputError

ASK = {"role": "user", "content": "Name a lake."}
SAY = {"role": "assistant", "content": "Baikal."}
BAD = {"role": "assistant", "content": "Lake lake lake."}
MORE = [{"role": "user", "content": "Another?"}, {"role": "assistant", "content": "Ladoga."}]
TWO = [("user", "Name a lake."), ("assistant", "Baikal.")]
FOUR = [*TWO, ("user", "Another?"), ("assistant", "Ladoga.")]
FROM = [{"from": "human", "value": "Name a lake."}, {"from": "gpt", "value": "Baikal."}]


def calling(name: str, arguments: object) -> list[dict]:
    return [{"type": "function", "function": {"name": name, "arguments": arguments}}]


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    return path


def said(path: Path, mapping: ColumnMapping | None = None) -> list[list[tuple[str, str]]]:
    """Role and content of every conversation; a call stands for a missing content."""
    found = []
    for batch in open_corpus(path, mapping=mapping).batches():
        for i in range(len(batch)):
            found.append(
                [
                    (m["role"], m["content"] if m.get("content") is not None else m["tool_calls"])
                    for m in batch.messages(i)
                ]
            )
    return found


def body(message: dict, *others: dict) -> dict:
    choices = [{"index": i, "message": m} for i, m in enumerate((message, *others))]
    return {"id": "r", "object": "chat.completion", "model": "m", "choices": choices}


# name -> (row, the conversation it is, words of the notes)
SHAPES = {
    "messages and an output": ({"messages": [ASK], "output": "Baikal."}, TWO, ""),
    "messages and a response message": ({"messages": [ASK], "response": SAY}, TWO, ""),
    "whole messages beside an output": ({"messages": [ASK, SAY], "output": "x"}, TWO, ""),
    "prompt and chosen messages": (
        {"prompt": [ASK], "chosen": [SAY], "rejected": [BAD]},
        TWO,
        "`rejected` are not counted",
    ),
    "chosen holds the prompt": (
        {"rejected": [ASK, BAD], "chosen": [ASK, SAY], "prompt": "Name a lake."},
        TWO,
        "rejected",
    ),
    "both hold the prompt": (
        {"rejected": [ASK, BAD], "prompt": [ASK], "chosen": [ASK, SAY]},
        TWO,
        "rejected",
    ),
    "chosen holds the last of a longer prompt": (
        {"prompt": [ASK, SAY, MORE[0]], "chosen": MORE, "rejected": [BAD]},
        FOUR,
        "rejected",
    ),
    "chosen alone": ({"rejected": [ASK, BAD], "chosen": [ASK, SAY]}, TWO, "rejected"),
    "chosen as texts": (
        {"rejected": "Lake.", "chosen": "Baikal.", "prompt": "Name a lake."},
        TWO,
        "rejected",
    ),
    "ShareGPT conversations and a chosen message": (
        {
            "conversations": FROM[:1],
            "rejected": {"from": "gpt", "value": "Lake."},
            "chosen": {"from": "gpt", "value": "Baikal."},
        },
        TWO,
        "rejected",
    ),
    "texts in turn": (
        {"id": "0", "data": ["Name a lake.", "Baikal.", "Another?", "Ladoga."]},
        FOUR,
        "in turn",
    ),
    "an id beside a text": ({"id": "a1", "text": "<|im_start|>"}, [("text", "<|im_start|>")], ""),
    "prompts and responses in lists": (
        {"prompt": ["Name a lake.", "Another?"], "response": ["Baikal.", "Ladoga."]},
        FOUR,
        "",
    ),
    "a struct of lists": (
        {"messages": {"role": ["user", "assistant"], "content": ["Name a lake.", "Baikal."]}},
        TWO,
        "",
    ),
    "wrapped": ({"conversation": {"messages": [ASK, SAY], "id": "1"}}, TWO, ""),
    "wrapped as JSON text": ({"log": json.dumps({"chat": {"messages": [ASK, SAY]}})}, TWO, ""),
    "batch output": (
        {
            "id": "b",
            "custom_id": "c",
            "error": None,
            "response": {"status_code": 200, "request_id": "q", "body": body(SAY)},
        },
        [("user", ""), TWO[1]],
        "empty user turn",
    ),
    "a completion": (body(SAY), [("user", ""), TWO[1]], "empty user turn"),
    "a text completion": (
        {"prompt": "Name a lake.", "choices": [{"text": "Baikal.", "index": 0}]},
        TWO,
        "",
    ),
    "request and response": (
        {"request": {"model": "m", "messages": [ASK]}, "response": body(SAY)},
        TWO,
        "",
    ),
    "messages and choices": ({**body(SAY), "messages": [ASK]}, TWO, ""),
    "a Responses log": (
        {
            "input": "Name a lake.",
            "object": "response",
            "output": [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Baikal."}],
                }
            ],
        },
        TWO,
        "",
    ),
    "Anthropic's batch results": (
        {
            "custom_id": "c",
            "result": {
                "type": "succeeded",
                "message": {
                    "role": "assistant",
                    "type": "message",
                    "content": [{"type": "text", "text": "Baikal."}],
                },
            },
        },
        [("user", ""), TWO[1]],
        "empty user turn",
    ),
    "batch requests that hold answers": (
        {"custom_id": "c", "method": "POST", "body": {"model": "m", "messages": [ASK, SAY]}},
        TWO,
        "",
    ),
    "xLAM": (
        {
            "id": 0,
            "query": "Name a lake.",
            "answers": json.dumps([{"name": "lake", "arguments": {"n": 1}}]),
            "tools": json.dumps([{"name": "lake", "parameters": {"n": {"type": "int"}}}]),
        },
        [TWO[0], ("assistant", calling("lake", {"n": 1}))],
        "",
    ),
    "arena conversations": (
        {"winner": "model_b", "conversation_a": [ASK, BAD], "conversation_b": [ASK, SAY]},
        TWO,
        "`winner` names",
    ),
    "arena responses": (
        {
            "prompt": '["Name a lake."]',
            "response_a": '["Baikal."]',
            "response_b": '["Lake."]',
            "winner_model_a": 1,
            "winner_model_b": 0,
            "winner_tie": 0,
        },
        TWO,
        "names is counted",
    ),
    "alpaca with a history": (
        {
            "instruction": "Name a lake.",
            "input": "",
            "output": "Baikal.",
            "history": [["Name a sea.", "Aral."]],
        },
        [("user", "Name a sea."), ("assistant", "Aral."), *TWO],
        "come before the prompt and count too",
    ),
    "a history as JSON text": (
        {
            "query": "Name a lake.",
            "response": "Baikal.",
            "history": json.dumps([["Name a sea.", "Aral."]]),
        },
        [("user", "Name a sea."), ("assistant", "Aral."), *TWO],
        "count too",
    ),
    "a history that is empty": (
        {"instruction": "Name a lake.", "output": "Baikal.", "history": ""},
        TWO,
        "",
    ),
    "a history of something else": (
        {"instruction": "Name a lake.", "output": "Baikal.", "history": "none so far"},
        TWO,
        "`history` is not read and not counted",
    ),
    "KTO": ({"prompt": [ASK], "completion": [SAY], "label": True}, TWO, "false"),
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.arrow"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(tmp_path, shape, name):
    row, expected, noted = SHAPES[shape]
    path = write(tmp_path / name, [row, row])
    info = open_corpus(path).describe()
    assert info.sure
    assert noted in " ".join(info.notes)
    assert bool(noted) == bool(info.notes)
    assert said(path) == [expected, expected]


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_columns_does_not_matter(tmp_path, order):
    for name, (row, expected, _) in SHAPES.items():
        turned = dict([*row.items()][::order])
        assert said(write(tmp_path / "a.jsonl", [turned])) == [expected], name


def test_the_first_of_several_choices_is_counted_and_the_others_are_noted(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"messages": [ASK], **body(SAY, BAD, BAD)}])
    assert said(path) == [TWO]
    (batch,) = open_corpus(path).batches()
    assert [note.reason for note in batch.notes] == [
        "2 more answers of a row were left out: its first is counted"
    ]


def test_pairs_without_a_winner_are_skipped_and_said(tmp_path):
    winners = ("model_a", "tie", "tie (bothbad)", None, "A", "gpt-4", " Model_A ")
    rows = [
        {"conversation_a": [ASK, SAY], "conversation_b": [ASK, BAD], "winner": winner}
        for winner in winners
    ]
    path = write(tmp_path / "a.jsonl", rows)
    (batch,) = open_corpus(path).batches()
    assert batch.rows.tolist() == [1, 5, 7]
    assert {skip.reason for skip in batch.skipped} == {
        "no winner of the two answers (a tie, or none named)"
    }
    assert all(conversation == TWO for conversation in said(path))


def test_answers_to_be_avoided_are_skipped_and_said(tmp_path):
    rows = [
        {"prompt": "Name a lake.", "completion": text, "label": good}
        for text, good in (("Baikal.", True), ("Lake.", False))
    ]
    path = write(tmp_path / "a.jsonl", rows)
    assert said(path) == [TWO]
    (batch,) = open_corpus(path).batches()
    assert [(s.row, s.reason) for s in batch.skipped] == [
        (2, "an answer to be avoided (`label` is false)")
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "q", "response": ["a", "b"]}, "not as many prompts as responses"),
        ({"prompt": ["q", "r"], "response": ["a"]}, "not as many prompts as responses"),
        ({"prompt": "q", "response": None}, "`response` is null or missing"),
        ({"prompt": None, "response": "a"}, "`prompt` is null or missing"),
    ],
)
def test_pairs_that_are_none(tmp_path, row, reason):
    good = {"prompt": "Name a lake.", "response": "Baikal."}
    path = write(tmp_path / "a.jsonl", [good, row])
    mapping = ColumnMapping("prompt_response", prompt="prompt", response="response")
    corpus = open_corpus(path, mapping=mapping)
    assert said(path, mapping) == [TWO]
    (skip,) = [skip for batch in corpus.batches() for skip in batch.skipped]
    assert (skip.row, reason in skip.reason) == (2, True)


def test_a_batch_line_that_failed_is_skipped(tmp_path):
    good = {"custom_id": "a", "response": {"body": body(SAY)}, "error": None}
    bad = {"custom_id": "b", "response": None, "error": {"code": "expired"}}
    (batch,) = open_corpus(write(tmp_path / "a.jsonl", [bad, good])).batches()
    assert batch.rows.tolist() == [2]
    assert "is null or missing" in batch.skipped[0].reason


def test_a_text_that_looks_like_a_list_stays_text(tmp_path):
    """Answers that are JSON (extraction, arrays) are the model's words, whatever they hold."""
    for answer in ('["oak", "elm"]', '[{"name": "oak"}]', "[1, 2]", '{"role": "tree"}', "[sic]"):
        row = {"prompt": "Trees, as JSON", "response": answer}
        for name in ("a.jsonl", "a.parquet", "a.json"):
            assert said(write(tmp_path / name, [row]))[0][1] == ("assistant", answer)


# --- nothing recognised: what was seen, and advice that helps -----------------------------------


def refused(path: Path, mapping: ColumnMapping | None = None) -> str:
    with pytest.raises(InputError) as caught:
        said(path, mapping)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("row", "seen", "words"),
    [
        (
            {"id": "1", "ask": "Name a lake.", "say": "Baikal."},
            "`ask` (text)",
            ["prompt=ask", "response=say"],
        ),
        (
            {"prompt": "Name a lake.", "reply": "Baikal."},
            "`reply` (text)",
            ["prompt=prompt", "response=reply"],
        ),
        (
            {
                "n": 4,
                "log": [
                    {"speaker": "user", "said": "Name a lake."},
                    {"speaker": "assistant", "said": "Baikal."},
                ],
            },
            "`log` (list of objects with speaker, said)",
            ["conversation=log", "role=speaker", "content=said"],
        ),
        (
            {"my ask": "Name a lake.", "my say": "Baikal."},
            "`my ask` (text)",
            ["'prompt=my ask'", "'response=my say'"],
        ),
        (
            {"conversation_a": [ASK, SAY], "conversation_b": [ASK, BAD], "score": 3},
            "`score` (number)",
            ["conversation=conversation_a"],
        ),
        (
            {"prompt": "Name a lake.", "response_a": "Baikal.", "response_b": "Lake."},
            "`response_b` (text)",
            ["response=response_a", "prompt=prompt"],
        ),
    ],
)
def test_the_mapping_that_is_advised_works(tmp_path, row, seen, words):
    path = write(tmp_path / "a.jsonl", [row, row])
    sentence = refused(path)
    assert "no column that is known to hold conversations" in sentence
    assert seen in sentence
    assert " ".join(words) in sentence
    assert said(path, ColumnMapping.parse(shlex.split(" ".join(words)))) == [TWO, TWO]


@pytest.mark.parametrize("speaker", ["speaker", "z"])
def test_the_keys_advised_are_those_of_the_speaker_and_the_text(tmp_path, speaker):
    """Also where texts are shorter than names: a speaker is who speaks in every conversation."""
    rows = [
        {"talk": [{speaker: "Client", "said": hi}, {speaker: "Agent", "said": f"{hi}!"}]}
        for hi in ("Hi", "Yo", "Hm")
    ]
    path = write(tmp_path / "a.jsonl", rows)
    advised = f"conversation=talk role={speaker} content=said"
    assert advised in refused(path)
    words = [*advised.split(), "roles.client=user", "roles.agent=assistant"]
    assert said(path, ColumnMapping.parse(words))[0] == [("user", "Hi"), ("assistant", "Hi!")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
@pytest.mark.parametrize("column", ["messages", "conversations", "log"])
def test_messages_stored_as_a_list_of_json_texts(tmp_path, name, column):
    row = {column: [json.dumps(ASK), json.dumps(SAY)]}
    assert said(write(tmp_path / name, [row, row])) == [TWO, TWO]
    texts = {"conversations": ['{"a": 1}', "{3}"]}  # turns that look like objects stay texts
    assert said(write(tmp_path / name, [texts]))[0] == [("user", '{"a": 1}'), ("assistant", "{3}")]


@pytest.mark.parametrize("columns", [["prompt", "response"], ["messages"]])
def test_bytes_are_said_and_the_advice_helps(tmp_path, columns):
    values = (
        [b"Name a lake.", b"Baikal."] if len(columns) > 1 else [json.dumps([ASK, SAY]).encode()]
    )
    path = write(tmp_path / "a.parquet", [dict(zip(columns, values, strict=True))])
    sentence = refused(path)
    assert f"`{columns[0]}` (bytes)" in sentence
    assert f"Write {' and '.join(f'`{c}`' for c in columns)} as text, not bytes." in sentence
    texts = [value.decode() for value in values]
    assert said(write(path, [dict(zip(columns, texts, strict=True))])) == [TWO]


def test_a_message_that_is_null_is_the_reason(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"messages": [ASK, None, SAY]}])
    assert "`messages` holds something that is not a message in 1 of 1 row" in refused(path)


def test_questions_alone_are_to_be_answered(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"messages": [ASK]}])
    assert "let the target model answer the prompts first" in refused(path)
    assert said(write(path, [{"messages": [ASK, SAY]}])) == [TWO]


def test_one_text_column_is_advised_as_rendered_conversations(tmp_path):
    row = {"id": "x1", "body": "User: Name a lake. Bot: Baikal."}
    path = write(tmp_path / "a.jsonl", [row])
    sentence = refused(path)
    assert "`id` (text), `body` (text)" in sentence
    assert "map text=body if that holds rendered conversations" in sentence
    assert said(path, ColumnMapping.parse(["text=body"])) == [[("text", row["body"])]]


def test_rows_written_as_advised_are_read(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"id": "0", "data": [1, 2]}])
    sentence = refused(path)
    assert "`id` (text), `data` (list of numbers)" in sentence
    advised = sentence[sentence.index("{") : sentence.rindex("}") + 1]
    path.write_text(advised.replace("…", "x") + "\n")
    assert said(path) == [[("user", "x"), ("assistant", "x")]]


def test_prompts_alone(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"prompt": "Name a lake.", "id": "1"}])
    sentence = refused(path)
    assert "There are prompts but no responses. Answer them with the target model" in sentence
    write(path, [{"prompt": "Name a lake.", "id": "1", "response": "Baikal."}])
    assert said(path) == [TWO]


def test_an_unknown_role_is_mapped_as_advised(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"messages": [{**ASK, "role": "Narrator"}, SAY]}])
    sentence = refused(path)
    assert "unknown role 'Narrator'" in sentence
    advised = re.search(r"--map (\S+)\)", sentence)
    assert advised, sentence
    assert said(path, ColumnMapping.parse([advised[1]])) == [TWO]

    write(path, [{"messages": [{**ASK, "role": "The Guest's"}, SAY]}])
    advised = re.search(r"--map (.*)\)", refused(path))
    assert advised
    assert said(path, ColumnMapping.parse(shlex.split(advised[1]))) == [TWO]


def test_all_unknown_roles_of_a_file_are_mapped_as_advised(tmp_path):
    """Also those that stand in one row, where the first alone would make the next one unknown."""
    rows = [
        {"messages": [{**ASK, "role": "Narrator"}, {**SAY, "role": "Sage, 'old'"}]},
        {"messages": [{**ASK, "role": "guest"}, SAY]},
    ]
    path = write(tmp_path / "a.jsonl", rows)
    advised = re.search(r"--map (.*)\)", refused(path))
    assert advised
    words = shlex.split(advised[1])
    assert sorted(word.partition("=")[0] for word in words) == [
        "roles.guest",
        "roles.narrator",
        "roles.sage, 'old'",
    ]
    mapping = ColumnMapping.parse([w.replace("old'=user", "old'=assistant") for w in words])
    assert len(said(path, mapping)) == 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.arrow"])
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"q+a": "Name a lake.", "b": "Baikal."}, [r"prompt=q\+a", "response=b"]),
        ({"q": "Name a lake.", "a+b": "Baikal."}, ["prompt=q", "response=a+b"]),
        ({"q": "Name a lake.", "a+b": "Baikal."}, ["prompt=q", r"response=a\+b"]),
        (
            {"q": "Name a lake.", "+a": "Baikal.", "b+": "no", "x+y": "model_a"},
            ["prompt=q", r"response=\+a+b\+", r"winner=x\+y"],
        ),
        (
            {"q": "Name a lake.", "a+": "no", "b+": "Baikal.", "1+": "", "2+": "yes"},
            ["prompt=q", r"response=a\++b\+", r"winner=1\++2\+"],
        ),
    ],
)
def test_columns_with_a_plus_in_their_names_are_mapped(tmp_path, name, row, words):
    assert said(write(tmp_path / name, [row]), ColumnMapping.parse(words)) == [TWO]


def test_a_plus_that_was_taken_for_two_columns_is_explained(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"q+a": "Name a lake.", "b": "Baikal."}])
    sentence = refused(path, ColumnMapping.parse(["prompt=q+a", "response=b"]))
    advised = re.search(r"\((prompt=\S+)\)", sentence)
    assert advised, sentence
    assert said(path, ColumnMapping.parse([advised[1], "response=b"])) == [TWO]


def test_columns_with_a_plus_that_are_recognised_are_read(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"prompt": "Name a lake.", "response": "Baikal."}] * 2)
    info = open_corpus(path).describe()
    again = ColumnMapping.parse([f"prompt={info.mapping.prompt}", "response=response"])
    assert said(path, again) == [TWO, TWO]


def test_keys_of_messages_are_found_for_a_column_that_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"x": FROM, "messages": [ASK, BAD]}])
    assert said(path, ColumnMapping.parse(["conversation=x"])) == [TWO]


def test_paths_can_be_mapped(tmp_path):
    row = {"a.b": "Name a lake.", "deep": {"list": [{"text": "no"}, {"text": "Baikal."}]}}
    for name in ("a.jsonl", "a.parquet", "a.arrow"):
        mapping = ColumnMapping.parse(["prompt=a.b", "response=deep.list.1.text"])
        assert said(write(tmp_path / name, [row]), mapping) == [TWO]
    assert "has no column nowhere.x" in refused(
        tmp_path / "a.parquet", ColumnMapping.parse(["conversation=nowhere.x"])
    )


# --- the cases that went wrong ------------------------------------------------------------------


def test_cases(shared):
    cases = shared / "cases"
    lake = [
        ("user", "Name a river."),
        ("assistant", "The Danube."),
        ("user", "Another?"),
        ("assistant", "The Volga."),
    ]
    chile = [("user", "Capital of Chile?"), ("assistant", "Santiago.")]
    assert said(cases / "ultrachat_raw.jsonl") == [lake]
    assert said(cases / "dpo_rej_first.jsonl") == [chile]
    assert said(cases / "dpo_trl.jsonl") == [chile]
    (weights,) = open_corpus(cases / "weight.jsonl").batches()
    assert [m.get("weight") for m in weights.messages(0)] == [None, 0, None, 1]
    thoughts = [
        next(open_corpus(cases / f"{name}.jsonl").batches()).messages(0)
        for name in ("reasoning_field", "reasoning_content", "thinking_part")
    ]
    assert thoughts[0] == thoughts[1] == thoughts[2]
    (call,) = open_corpus(cases / "tool_call.jsonl").batches()
    row = json.loads((cases / "tool_call.jsonl").read_text())
    assert call.messages(0) == row["messages"]
    (xlam,) = open_corpus(cases / "xlam.jsonl").batches()
    assert xlam.messages(0)[1]["tool_calls"] == calling("weather", {"city": "Oslo"})
    assert xlam.tools(0)[0]["function"]["name"] == "weather"
    (hermes,) = open_corpus(cases / "hermes_fc.jsonl").batches()
    assert [m["role"] for m in hermes.messages(0)] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert hermes.tools(0) == [{"type": "function", "function": {"name": "weather"}}]


# --- anything at all ----------------------------------------------------------------------------

VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text('ab{["', max_size=3)
    | st.sampled_from(
        [
            "user",
            "assistant",
            "gpt",
            "model_a",
            json.dumps([ASK, SAY]),
            "tie",
            '["x", "y"]',
            '[{"name": "f", "arguments": {}}]',
            "<|im_start|>",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "from",
                    "value",
                    "messages",
                    "choices",
                    "message",
                    "text",
                    "output",
                    "type",
                    "tool_calls",
                    "name",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=9,
)
NAMES = (
    "messages",
    "conversation",
    "conversation_a",
    "conversation_b",
    "winner",
    "prompt",
    "data",
    "response",
    "response_a",
    "response_b",
    "chosen",
    "rejected",
    "label",
    "choices",
    "output",
    "query",
    "answers",
    "tools",
    "system",
    "text",
    "input",
    "instruction",
    "id",
    "domain",
    "n",
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=5), min_size=1, max_size=3))
@example([{"input": 1}, {"input": {"role": {"role": [], "content": []}}}])
def test_any_rows_are_read_skipped_or_refused_in_a_sentence(tmp_path_factory, rows):
    path = write(tmp_path_factory.mktemp("any") / "a.jsonl", rows)
    try:
        batches = list(open_corpus(path).batches())
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert sum(len(batch) + len(batch.skipped) for batch in batches) == len(rows)
