"""What a turn becomes: every dialect in one form, nothing lost without a word, no traceback."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.corpora.decoders.rows import batch_from_rows
from vocabtrim_core.corpora.readers.json_lines import decode_lines
from vocabtrim_core.corpora.schema import ColumnMapping

CHAT = ColumnMapping("conversation", conversation="messages", tools="tools")
SHAREGPT = ColumnMapping("conversation", conversation="messages", role="from", content="value")
ASK = {"role": "user", "content": "Wind in Bergen?"}
SAY = {"role": "assistant", "content": "Strong."}


def call(arguments, **more) -> dict:
    return {**more, "type": "function", "function": {"name": "wind", "arguments": arguments}}


def read(messages, mapping=CHAT, **columns):
    """(batch, its only conversation) of a row."""
    batch = batch_from_rows([(1, {"messages": messages, **columns})], mapping, "f")
    return batch, batch.messages(0) if len(batch) else None


# name -> (turns, the messages they are, what is noted)
TURNS = {
    "null content and a text of arguments stay": (
        [ASK, {"role": "assistant", "content": None, "tool_calls": [call('{"at": "Bergen"}')]}],
        [ASK, {"role": "assistant", "content": None, "tool_calls": [call('{"at": "Bergen"}')]}],
        [],
    ),
    "nulls in arguments stay": (
        [ASK, {"role": "assistant", "content": "", "tool_calls": [call({"at": None})]}],
        [ASK, {"role": "assistant", "content": "", "tool_calls": [call({"at": None})]}],
        [],
    ),
    "no content beside a call": (
        [
            ASK,
            {"role": "assistant", "tool_calls": [call({}, id="c")]},
            {"role": "tool", "tool_call_id": "c", "name": "wind", "content": None},
            SAY,
        ],
        [
            ASK,
            {"role": "assistant", "content": None, "tool_calls": [call({}, id="c")]},
            {"role": "tool", "content": None, "name": "wind", "tool_call_id": "c"},
            SAY,
        ],
        [],
    ),
    "calls as JSON text": (
        [ASK, {"role": "assistant", "content": "", "tool_calls": json.dumps([call({"at": 1})])}],
        [ASK, {"role": "assistant", "content": "", "tool_calls": [call({"at": 1})]}],
        [],
    ),
    "bare calls": (
        [
            ASK,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"name": "wind", "arguments": {"at": 1}},
                    {"name": "wind", "parameters": "x"},
                    {"id": "t", "type": "tool_use", "name": "wind", "input": {"a": 2}},
                    {"type": "function", "function": {"name": "wind"}},
                    {"type": "custom", "custom": {"name": "wind", "input": "free"}},
                ],
            },
        ],
        [
            ASK,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    call({"at": 1}),
                    call("x"),
                    call({"a": 2}, id="t"),
                    call({}),
                    call("free"),
                ],
            },
        ],
        [],
    ),
    "legacy function_call and role function": (
        [
            ASK,
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "wind", "arguments": "{}"},
            },
            {"role": "function", "name": "wind", "content": "9"},
            SAY,
        ],
        [
            ASK,
            {"role": "assistant", "content": None, "tool_calls": [call("{}")]},
            {"role": "tool", "content": "9", "name": "wind"},
            SAY,
        ],
        [],
    ),
    "reasoning by its other names": (
        [
            ASK,
            {**SAY, "reasoning": "Autumn."},
            ASK,
            {**SAY, "thinking": "Coast."},
            ASK,
            {**SAY, "reasoning_content": "Rain.", "reasoning": "Rain."},
        ],
        [
            ASK,
            {**SAY, "reasoning_content": "Autumn."},
            ASK,
            {**SAY, "reasoning_content": "Coast."},
            ASK,
            {**SAY, "reasoning_content": "Rain."},
        ],
        [],
    ),
    "reasoning twice": (
        [ASK, {**SAY, "reasoning_content": "Rain.", "thinking": "Snow."}],
        [ASK, {**SAY, "reasoning_content": "Rain."}],
        ["reasoning in `thinking` is a second one of its message and was dropped"],
    ),
    "reasoning that is a switch": (
        [ASK, {**SAY, "thinking": True, "reasoning": {"summary": [{"text": "Rain."}]}}],
        [ASK, {**SAY, "reasoning_content": "Rain."}],
        ["reasoning in `thinking` is not text and was dropped"],
    ),
    "Anthropic's parts": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Wind in "},
                    {"type": "text", "text": "Bergen?"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Ask.", "signature": "s"},
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "c", "name": "wind", "input": {"at": "Bergen"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "c",
                        "content": [
                            {"type": "text", "text": "9 "},
                            {"type": "text", "text": "m/s"},
                        ],
                    },
                    {"type": "text", "text": "And?"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Strong."}]},
        ],
        [
            ASK,
            {
                "role": "assistant",
                "content": "Let me see.",
                "reasoning_content": "Ask.",
                "tool_calls": [call({"at": "Bergen"}, id="c")],
            },
            {"role": "tool", "content": "9 m/s", "tool_call_id": "c"},
            {"role": "user", "content": "And?"},
            SAY,
        ],
        [],
    ),
    "a turn of nothing but results": (
        [
            ASK,
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "a", "name": "wind", "input": {}},
                    {"type": "tool_use", "id": "b", "name": "wind", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                    {"type": "tool_result", "tool_use_id": "b"},
                ],
            },
            SAY,
        ],
        [
            ASK,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [call({}, id="a"), call({}, id="b")],
            },
            {"role": "tool", "content": "1", "tool_call_id": "a"},
            {"role": "tool", "content": "", "tool_call_id": "b"},
            SAY,
        ],
        [],
    ),
    "a server's tool inside the answer": (
        [
            ASK,
            {
                "role": "assistant",
                "content": [
                    {"type": "server_tool_use", "id": "s", "name": "wind", "input": {"q": "x"}},
                    {
                        "type": "web_search_tool_result",
                        "tool_use_id": "s",
                        "content": [{"type": "text", "text": "gale"}],
                    },
                    {"type": "text", "text": "Strong."},
                ],
            },
        ],
        [
            ASK,
            {"role": "assistant", "content": None, "tool_calls": [call({"q": "x"}, id="s")]},
            {"role": "tool", "content": "gale", "tool_call_id": "s"},
            SAY,
        ],
        [],
    ),
    "parts of the Responses API and others": (
        [
            {"role": "user", "content": [{"type": "input_text", "text": "Wind in Bergen?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Rain."}]},
                    {"type": "output_text", "text": "Strong.", "annotations": []},
                ],
            },
            ASK,
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]},
            ASK,
            {"role": "assistant", "content": None, "refusal": "Nor this."},
            ASK,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                    "Strong.",
                ],
            },
        ],
        [
            ASK,
            {**SAY, "reasoning_content": "Rain."},
            ASK,
            {"role": "assistant", "content": "I will not."},
            ASK,
            {"role": "assistant", "content": "Nor this."},
            ASK,
            {**SAY, "reasoning_content": "Hm."},
        ],
        [],
    ),
    "what cannot be carried": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "u"}},
                    {"type": "text", "text": "Wind in Bergen?"},
                    7,
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "Strong."},
                    {"type": "text", "text": 5},
                ],
                "reasoning": "Rain.",
            },
        ],
        [ASK, {**SAY, "reasoning_content": "Rain."}],
        [
            "a part of type image_url was dropped",
            "a part of type int was dropped",
            "a part of type redacted_thinking was dropped",
            "a part of type text was dropped",
        ],
    ),
    "parts out of order": (
        [
            ASK,
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Stro"},
                    {"type": "thinking", "thinking": "Rain."},
                    {"type": "text", "text": "ng."},
                ],
            },
        ],
        [ASK, {**SAY, "reasoning_content": "Rain."}],
        ["parts of a message were put in the order reasoning, text, calls"],
    ),
    "weights as trainers write them": (
        [
            ASK,
            {**SAY, "weight": 0},
            ASK,
            {**SAY, "weight": 1},
            ASK,
            {**SAY, "train": False},
            ASK,
            {**SAY, "masked": True},
            ASK,
            {**SAY, "loss": False},
            {**ASK, "weight": 0},
            {**SAY, "loss": 1.0, "train": True},
        ],
        [
            ASK,
            {**SAY, "weight": 0},
            ASK,
            {**SAY, "weight": 1},
            ASK,
            {**SAY, "weight": 0},
            ASK,
            {**SAY, "weight": 0},
            ASK,
            {**SAY, "weight": 0},
            ASK,
            SAY,
        ],
        [
            "an assistant turn is not counted: its `weight` is 0",
            "an assistant turn is not counted: its `train` is False",
            "an assistant turn is not counted: its `masked` is True",
            "an assistant turn is not counted: its `loss` is False",
        ],
    ),
    "calls of a user": (
        [{**ASK, "tool_calls": [call({})]}, {**SAY, "reasoning": "Rain."}],
        [ASK, {**SAY, "reasoning_content": "Rain."}],
        ["tool calls of a user message were dropped"],
    ),
}


@pytest.mark.parametrize("kind", TURNS)
def test_turns_in_every_dialect(kind):
    turns, expected, notes = TURNS[kind]
    batch, messages = read(turns)
    assert batch.skipped == ()
    assert messages == expected
    assert [note.reason for note in batch.notes] == notes
    # the columns say the same as the full dicts, with a text for null
    assert batch.roles.to_pylist() == [m["role"] for m in expected]
    assert batch.contents.to_pylist() == [m["content"] or "" for m in expected]
    line = json.dumps({"messages": turns}).encode()
    assert decode_lines(line, 1, 1, CHAT, "f").messages(0) == expected


def test_sharegpt_roles_that_say_call():
    said = json.dumps({"name": "wind", "arguments": {"at": 1}})
    turns = [
        {"from": "human", "value": "Wind in Bergen?"},
        {"from": "function_call", "value": said},
        {"from": "observation", "value": "9"},
        {"from": "gpt", "value": "Strong."},
        {"from": "tool_call", "value": "{not json}"},
    ]
    _, messages = read(turns, SHAREGPT)
    assert messages == [
        ASK,
        {"role": "assistant", "content": None, "tool_calls": [call({"at": 1})]},
        {"role": "tool", "content": "9"},
        SAY,
        {"role": "assistant", "content": "{not json}"},
    ]


ONE_TOOL = "tools that are one definition were read as a list of it"
BARE_TOOLS = "tools that are bare functions were read as tools of type function"
TOOL = {"type": "function", "function": {"name": "wind", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("tools", "expected", "notes"),
    [
        ([TOOL], [TOOL], []),
        (json.dumps([TOOL]), [TOOL], []),
        ([json.dumps(TOOL)], [TOOL], []),
        (TOOL, [TOOL], [ONE_TOOL]),
        (json.dumps(TOOL), [TOOL], [ONE_TOOL]),
        (TOOL["function"], [TOOL], [ONE_TOOL, BARE_TOOLS]),
        ([TOOL["function"]], [TOOL], [BARE_TOOLS]),
        ([TOOL, TOOL["function"]], [TOOL, TOOL], [BARE_TOOLS]),
        ([{"name": "wind", "input_schema": {"type": "object"}}], [TOOL], [BARE_TOOLS]),
        ([{"type": "web_search"}], [{"type": "web_search"}], []),
        (str([TOOL]), [TOOL], []),
        (None, None, []),
        ({}, None, []),
        ({"wind": TOOL}, None, ["tools that are not a list of definitions were dropped"]),
        ([], None, []),
        ("", None, []),
        ("no JSON", None, ["tools that are not a list of definitions were dropped"]),
        ([["a"]], None, ["tools that are not a list of definitions were dropped"]),
        (5, None, ["tools that are not a list of definitions were dropped"]),
    ],
)
def test_tools_in_every_form(tools, expected, notes):
    batch, _ = read([ASK, SAY], tools=tools)
    assert batch.tools(0) == expected
    assert [note.reason for note in batch.notes] == notes


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"content": None}, "`content` is null"),
        ({"content": True}, "`content` is not text but yes or no"),
        ({"content": 2.5}, "`content` is not text but a number"),
        ({"content": {"a": "b"}}, "`content` is not text but an object"),
        ({"content": "x", "tool_calls": 5}, "`tool_calls` is not a list of tool calls"),
        ({"content": "x", "tool_calls": "soon"}, "`tool_calls` is not a list of tool calls"),
        ({"content": "x", "tool_calls": [["a"]]}, "`tool_calls` is not a list of tool calls"),
        ({"content": "x", "tool_calls": [{}]}, "a tool call in `tool_calls` has no name"),
        (
            {"content": "x", "tool_calls": [{"function": {"name": 4}}]},
            "a tool call in `tool_calls` has no name",
        ),
        (
            {"content": "x", "tool_calls": [call(5)]},
            "the arguments of a tool call in `tool_calls` are no object",
        ),
        ({"content": [{"type": "tool_use", "input": {}}]}, "a tool call in `content` has no name"),
        (
            {"content": "x", "weight": 0},
            "no assistant turn that is trained (all are masked by their weight)",
        ),
        ({"content": " ", "reasoning": ""}, "no assistant text"),
    ],
)
def test_wrong_types_skip_the_row_with_a_reason(answer, reason):
    batch, messages = read([ASK, {"role": "assistant", **answer}])
    assert messages is None
    assert [skip.reason for skip in batch.skipped] == [reason]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(["text", "tool_use", "tool_result", "thinking", "[1]", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "text",
                    "name",
                    "input",
                    "function",
                    "arguments",
                    "content",
                    "thinking",
                    "summary",
                    "tool_use_id",
                    "custom",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "content",
                "tool_calls",
                "function_call",
                "reasoning",
                "thinking",
                "weight",
                "train",
                "masked",
                "refusal",
                "name",
                "tool_call_id",
            ]
        ),
        JSON,
    ),
    JSON,
)
def test_anything_inside_a_message_is_read_or_skipped(answer, tools):
    batch, messages = read([ASK, {"role": "assistant", **answer}], tools=tools)
    assert len(batch) + len(batch.skipped) == 1
    for message in messages or ():
        assert isinstance(message["content"], str | None)
        assert isinstance(message.get("reasoning_content", ""), str)
        for each in message.get("tool_calls", ()):
            assert isinstance(each["function"]["name"], str)
            assert isinstance(each["function"]["arguments"], str | dict | list)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [500, 900, 50_000])
@pytest.mark.parametrize("place", ["beside", "content", "arguments", "tools"])
def test_deep_nesting_is_read_or_skipped(tmp_path, depth, place):
    deep = nested(depth)
    answers = {
        "beside": '{"role": "assistant", "content": "Strong."}',
        "content": f'{{"role": "assistant", "content": {deep}}}',
        "arguments": '{"role": "assistant", "content": "", "tool_calls": '
        f'[{{"function": {{"name": "wind", "arguments": {{"a": {deep}}}}}}}]}}',
        "tools": '{"role": "assistant", "content": "Strong."}',
    }
    more = {"beside": f', "extra": {deep}', "tools": f', "tools": {deep}'}.get(place, "")
    row = f'{{"messages": [{json.dumps(ASK)}, {answers[place]}]{more}}}'
    good = json.dumps({"messages": [ASK, SAY]})
    (tmp_path / "a.jsonl").write_text(f"{good}\n{row}\n")
    (batch,) = open_corpus(tmp_path / "a.jsonl").batches()
    assert len(batch) + len(batch.skipped) == 2
    assert {s.reason for s in batch.skipped} <= {"nested too deeply", "no assistant text"}
    (tmp_path / "a.json").write_text(f"[{good}, {row}]")
    (batch,) = open_corpus(tmp_path / "a.json").batches()
    assert len(batch) + len(batch.skipped) == 2
    assert {s.reason for s in batch.skipped} <= {"nested too deeply", "no assistant text"}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_long_numbers_and_half_surrogates(tmp_path, name):
    def row(answer: str, more: str = "") -> str:
        return (
            f'{{"messages": [{json.dumps(ASK)}, {{"role": "assistant", "content": {answer}}}]'
            f"{more}}}"
        )

    rows = [
        row('"Strong."', f', "n": {"7" * 9000}'),
        row("7" * 9000),
        row("7" * 40),
        row(r'"\ud800"'),
        row('""', r', "tools": [{"name": "\udc00"}]'),
    ]
    text = "\n".join([*rows, ""]) if name == "a.jsonl" else f"[{','.join(rows)}]"
    (tmp_path / name).write_text(text)
    (batch,) = open_corpus(tmp_path / name).batches()
    assert batch.contents.to_pylist()[1::2] == ["Strong.", "7" * 40]
    half = "not valid Unicode (half a surrogate pair)"
    assert [(s.row, s.reason) for s in batch.skipped] == [
        (2, "`content` is not text but a number"),
        (4, half),
        (5, half),
    ]


def test_null_fields_of_arrow_structs_are_padding(tmp_path):
    """A Parquet file gives every call the arguments of all others; those are not the row's."""
    rows = [
        {"messages": [ASK, {"role": "assistant", "content": None, "tool_calls": [call(each)]}]}
        for each in ({"at": "Bergen"}, {"speed": 9.0, "at": None})
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (batch,) = open_corpus(tmp_path / "a.parquet").batches()
    found = [batch.messages(i)[1]["tool_calls"][0]["function"]["arguments"] for i in range(2)]
    assert found == [{"at": "Bergen"}, {"speed": 9.0}]
    assert batch.messages(0)[1]["content"] is None
    (tmp_path / "a.jsonl").write_text("\n".join([*map(json.dumps, rows), ""]))
    (batch,) = open_corpus(tmp_path / "a.jsonl").batches()
    assert batch.messages(1)[1]["tool_calls"][0]["function"]["arguments"] == {
        "speed": 9.0,
        "at": None,
    }
