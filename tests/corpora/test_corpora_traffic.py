"""Rows as APIs and tools log them, and as trainers other than ours take them, read as messages.

What is right is written by hand, in the one form that templates take.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vocabtrim_core.corpora import SkipReport, open_corpus
from vocabtrim_core.errors import InputError


def user(text: str = "ask") -> dict:
    return {"role": "user", "content": text}


def says(text: str | None, **more) -> dict:
    return {"role": "assistant", "content": text, **more}


def calls(arguments: object, id_: str | None = "c1", name: str = "look") -> dict:
    made = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"tool_calls": [({"id": id_} if id_ else {}) | made]}


def result(text: str, id_: str | None = "c1") -> dict:
    return {"role": "tool", "content": text} | ({"tool_call_id": id_} if id_ else {})


SYSTEM = {"role": "system", "content": "Be brief."}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Think."}],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c1",
    "name": "look",
    "arguments": '{"at": 1}',
}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "seen"}
ANSWER = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Done.", "annotations": []}],
}
FLAT_TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}
CALLED = [
    user(),
    says(None, reasoning_content="Think.", **calls('{"at": 1}')),
    result("seen"),
    says("Done."),
]
PAIRS = [{"human": "ask", "assistant": "Done."}, {"human": "more", "assistant": "Again."}]
TALK = [user(), says("Done."), user("more"), says("Again.")]
GEMINI = [
    {"role": "user", "parts": [{"text": "ask"}]},
    {
        "role": "model",
        "parts": [
            {"text": "Think.", "thought": True},
            {"functionCall": {"name": "look", "args": {"at": 1}}},
        ],
    },
    {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"saw": 2}}}]},
    {"role": "model", "parts": [{"text": "Done."}]},
]
CONVERSE = [
    {"role": "user", "content": [{"text": "ask"}]},
    {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"reasoningText": {"text": "Think.", "signature": "x"}}},
            {"text": "I look."},
            {"toolUse": {"toolUseId": "c1", "name": "look", "input": {"at": 1}}},
        ],
    },
    {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": "c1", "content": [{"json": {"saw": 2}}]}}],
    },
    {"role": "assistant", "content": [{"text": "Done."}]},
]
LANGCHAIN = [
    {"type": "human", "content": "ask"},
    {
        "type": "ai",
        "content": "",
        "tool_calls": [{"type": "tool_call", "name": "look", "args": {"at": 1}, "id": "c1"}],
    },
    {"type": "tool", "content": "seen", "tool_call_id": "c1"},
    {"type": "ai", "content": "Done."},
]


def node(key: str, parent: str | None, children: list[str], role: str = "", *parts, **more) -> dict:
    """A node of ChatGPT's export, as the app writes it."""
    content = {"content_type": "text", "parts": list(parts)} | more.pop("content", {})
    author = {"role": role, "name": more.pop("name", None)}
    message = {"id": key, "author": author, "content": content, "weight": 1.0, "recipient": "all"}
    message = message | {"end_turn": None} | more if role else None
    return {"id": key, "message": message, "parent": parent, "children": children}


CHATGPT = {
    made["id"]: made
    for made in (
        node("root", None, ["hidden"]),
        node("hidden", "root", ["ask"], "system", "", weight=0.0),
        node("ask", "hidden", ["first", "again"], "user", "ask"),
        node("first", "ask", [], "assistant", "No.", end_turn=True),
        node("again", "ask", ["more"], "assistant", "Done.", end_turn=True),
        node("more", "again", ["edited", "last"], "user", "more"),
        node("edited", "more", [], "assistant", "Edited.", end_turn=True),
        node(
            *("last", "more", ["recap"], "assistant"),
            content={
                "content_type": "thoughts",
                "thoughts": [{"summary": "", "content": "Think."}],
            },
        ),
        node(
            *("recap", "last", ["call"], "assistant"),
            content={"content_type": "reasoning_recap", "content": "Thought for 2 seconds"},
        ),
        node(
            *("call", "recap", ["seen"], "assistant"),
            recipient="python",
            content={"content_type": "code", "text": "1 + 1", "parts": None},
        ),
        node(
            *("seen", "call", ["shown"], "tool"),
            name="python",
            content={"content_type": "execution_output", "text": "2", "parts": None},
        ),
        node("shown", "seen", ["said"], "assistant", "It is "),
        node("said", "shown", [], "assistant", "2.", end_turn=True),
    )
}
CALLED_PYTHON = says(None, reasoning_content="Think.", **calls("1 + 1", None, "python"))
SHOWN = [*TALK[:3], CALLED_PYTHON, result("2", None), says("It is 2.")]


def moss(question: str, answer: str, thought: str = "None", command: str = "None") -> dict:
    return {
        "Human": f"<|Human|>: {question}<eoh>\n",
        "Inner Thoughts": f"<|Inner Thoughts|>: {thought}<eot>\n",
        "Commands": f"<|Commands|>: {command}<eoc>\n",
        "Tool Responses": "<|Results|>: None<eor>\n",
        "MOSS": f"<|MOSS|>: {answer}<eom>\n",
    }


MOSS = {f"turn_{n}": moss("more", "Again.") for n in range(2, 11)} | {
    "turn_1": moss("ask", "Done.")
}


def constructed(name: str, text: str) -> dict:
    kwargs = {"content": text, "type": "human"}
    return {"lc": 1, "type": "constructor", "id": ["langchain_core", name], "kwargs": kwargs}


KINDS = {
    # OpenAI's Responses
    "items, requests alone": ({"input": [user(), THOUGHT, CALL, OUTPUT, ANSWER]}, CALLED),
    "items, with instructions and tools": (
        {"instructions": "Be brief.", "input": [user(), ANSWER, user()], "tools": [FLAT_TOOL]}
        | {"output": [CALL]},
        [SYSTEM, user(), says("Done."), user(), says(None, **calls('{"at": 1}'))],
    ),
    "items that are all text": (
        {"input": [user(), CALL, OUTPUT, says("Done.")]},
        [user(), says(None, **calls('{"at": 1}')), result("seen"), says("Done.")],
    ),
    "a text and its output": (
        {"input": "ask", "output": [THOUGHT, ANSWER]},
        [user(), says("Done.", reasoning_content="Think.")],
    ),
    "a log of request and response": (
        {
            "request": {"model": "m", "input": [user()], "instructions": "Be brief."},
            "response": {"object": "response", "output": [THOUGHT, CALL]},
        },
        [SYSTEM, user(), says(None, reasoning_content="Think.", **calls('{"at": 1}'))],
    ),
    "batch output of Responses": (
        {"custom_id": "1", "response": {"status_code": 200, "body": {"output": [CALL]}}},
        [user(""), says(None, **calls('{"at": 1}'))],
    ),
    "batch input of Responses": (
        {"method": "POST", "url": "/v1/responses", "body": {"input": [user(), ANSWER]}},
        [user(), says("Done.")],
    ),
    "two answers in an output": (
        {"input": [user()], "output": [ANSWER, ANSWER]},
        [user(), says("Done."), says("Done.")],
    ),
    "a custom tool": (
        {
            "input": [user()],
            "output": [{"type": "custom_tool_call", "call_id": "c1", "name": "look", "input": "x"}],
        },
        [user(), says(None, **calls("x"))],
    ),
    # pairs
    "pairs": ({"conversation": PAIRS}, TALK),
    "pairs and a system": ({"system": "Be brief.", "conversation": PAIRS}, [SYSTEM, *TALK]),
    "pairs that say their system": (
        {"conversation": [{"system": "Be brief.", "input": "ask", "output": "Done."}]},
        [SYSTEM, user(), says("Done.")],
    ),
    "a pair that no trainer trains on": (
        {"conversation": [PAIRS[0], PAIRS[1] | {"loss": False}]},
        [*TALK[:3], says("Again.", weight=0)],
    ),
    "a pair that answers a tool": (
        {"conversation": [PAIRS[0], {"tool": "seen", "assistant": "Again."}]},
        [*TALK[:2], result("seen", None), says("Again.")],
    ),
    "one speaker per turn": ({"messages": [{"user": "ask"}, {"assistant": "Done."}]}, TALK[:2]),
    "history of pairs": (
        {"query": "more", "response": "Again.", "history": [["ask", "Done."]]},
        TALK,
    ),
    "history of messages": (
        {"query": "more", "response": "Again.", "history": TALK[:2]},
        TALK,
    ),
    "history of named pairs": (
        {"query": "more", "response": "Again.", "history": PAIRS[:1]},
        TALK,
    ),
    "examples are no conversation": (
        {"prompt": "ask", "response": "Done.", "examples": [{"input": "x", "output": "y"}]},
        TALK[:2],
    ),
    # other APIs
    "Gemini": (
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": GEMINI},
        [
            SYSTEM,
            user(),
            says(None, reasoning_content="Think.", **calls({"at": 1}, None)),
            result('{"saw": 2}', None),
            says("Done."),
        ],
    ),
    "a log of Gemini": (
        {
            "request": {
                "contents": GEMINI[:1],
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
            },
            "response": {"candidates": [{"content": GEMINI[3], "finishReason": "STOP"}]},
        },
        [SYSTEM, user(), says("Done.")],
    ),
    "Bedrock's Converse": (
        {"system": [{"text": "Be brief."}], "messages": CONVERSE},
        [
            SYSTEM,
            user(),
            says("I look.", reasoning_content="Think.", **calls({"at": 1})),
            result('{"saw": 2}'),
            says("Done."),
        ],
    ),
    "a system of parts beside Anthropic's messages": (
        {"system": [{"type": "text", "text": "Be brief."}], "messages": TALK[:2]},
        [SYSTEM, *TALK[:2]],
    ),
    "Llama Stack": (
        {
            "messages": [
                user(),
                says(
                    "", tool_calls=[{"call_id": "c1", "tool_name": "look", "arguments": {"at": 1}}]
                ),
            ]
        },
        [user(), says("", **calls({"at": 1}))],
    ),
    # traces
    "LangChain": (
        {"messages": LANGCHAIN},
        [user(), says("", **calls({"at": 1})), result("seen"), says("Done.")],
    ),
    "LangSmith's export of a model run": (
        {
            "inputs": {"messages": [[constructed("HumanMessage", "ask")]]},
            "outputs": {"generations": [[{"message": constructed("AIMessage", "Done.")}]]},
        },
        TALK[:2],
    ),
    "a dataset of LangSmith": (
        {"id": "e1", "inputs": {"question": "ask"}, "outputs": {"answer": "Done."}},
        TALK[:2],
    ),
    "a dataset of LangSmith, names of its own": (
        {"inputs": {"topic": "ask", "n": 1}, "outputs": {"joke": "Done."}, "metadata": None},
        TALK[:2],
    ),
    "a dataset of LangSmith, texts of objects": (
        {"inputs": '{"input": "ask"}', "outputs": '{"output": "Done."}'},
        TALK[:2],
    ),
    # objects of turns
    "ChatGPT's export": ({"title": "A", "mapping": CHATGPT, "current_node": "said"}, SHOWN),
    "ChatGPT's export, another branch shown": (
        {"title": "A", "mapping": CHATGPT, "current_node": "edited"},
        [*TALK[:3], says("Edited.")],
    ),
    "ChatGPT's export, no branch named": ({"mapping": CHATGPT}, SHOWN),
    "ChatGPT's export, as text": (
        {"mapping": json.dumps(CHATGPT), "current_node": "first"},
        [user(), says("No.")],
    ),
    "ChatGPT's export, wrapped": (
        {"conversation": {"mapping": CHATGPT, "current_node": "edited"}},
        [*TALK[:3], says("Edited.")],
    ),
    "MOSS": (
        {"conversation_id": 1, "meta_instruction": "Be brief.", "chat": MOSS},
        [SYSTEM, *TALK[:2], *TALK[2:] * 9],
    ),
    "MOSS with thoughts": (
        {"chat": {"turn_1": moss("ask", "Done.", "Think.")}},
        [user(), says("Done.", reasoning_content="Think.")],
    ),
    "Langfuse's export": ({"input": {"messages": [user()]}, "output": "Done."}, TALK[:2]),
    # one text
    "labels, Glaive": (
        {
            "chat": "USER: ask\n\n\nASSISTANT: <functioncall> {} <|endoftext|>\n\n\n"
            "FUNCTION RESPONSE: seen\n\n\nASSISTANT: Done. <|endoftext|>"
        },
        [user(), says("<functioncall> {}"), result("seen", None), says("Done.")],
    ),
    "labels, a preference": (
        {
            "chosen": "\n\nHuman: ask\n\nAssistant: Done.",
            "rejected": "\n\nHuman: ask\n\nAssistant: No",
        },
        TALK[:2],
    ),
    "labels, Guanaco": ({"text": "### Human: ask\n### Assistant: Done."}, TALK[:2]),
}
SAME_IN_ARROW = [name for name in KINDS if not name.startswith("examples")]


def read(path: Path) -> list[list[dict]]:
    return [b.messages(i) for b in open_corpus(path).batches() for i in range(len(b))]


@pytest.mark.parametrize("name", KINDS)
def test_a_row_of_json(name, tmp_path):
    row, right = KINDS[name]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row) + "\n")
    assert read(path) == [right, right]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row, row], indent=1))
    assert read(path) == [right, right]


@pytest.mark.parametrize("name", SAME_IN_ARROW)
def test_a_row_of_parquet(name, tmp_path):
    """There every object has the fields of all others; arguments that are objects too."""
    row, right = KINDS[name]
    path = tmp_path / "rows.parquet"
    try:
        table = pa.Table.from_pylist([row, row])
    except pa.ArrowInvalid:
        pytest.skip("Arrow has no column that holds texts and objects")
    pq.write_table(table, path)
    assert read(path) == [right, right]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"input": [user()], "output": [{"type": "web_search_call", "id": "w"}, ANSWER]},
            "a part of type web_search_call was dropped",
        ),
        (
            {
                "input": [user()],
                "output": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}, ANSWER],
            },
            "reasoning in a part of type reasoning is encrypted and cannot be counted",
        ),
        (
            {"contents": [*GEMINI[:1], {"role": "model", "parts": [{"text": "Done."}]}]}
            | {"tools": [{"functionDeclarations": [{"name": "look"}]}]},
            "tools that are bare functions were read as tools of type function",
        ),
        (
            {"mapping": CHATGPT, "current_node": "said"},
            "answers and questions on other branches than the one shown last were left out",
        ),
        (
            {
                "mapping": {
                    "a": node("a", None, ["b"], "user", "ask"),
                    "b": node("b", "a", [], "assistant", {"content_type": "image"}, "Done."),
                }
            },
            "a part of type image was dropped",
        ),
    ],
)
def test_what_is_not_carried_is_said(row, said, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (batch,) = open_corpus(path).batches()
    assert [note.reason for note in batch.notes] == [said]


def test_commands_of_moss_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "rows.jsonl"
    turns = {"turn_1": moss("ask", "Done.", "Search.", 'Search("x")')}
    path.write_text(json.dumps({"chat": turns}) + "\n")
    with pytest.raises(InputError, match="commands for its plugins, which are not read"):
        SkipReport.of(next(open_corpus(path).batches())).require_conversations("rows.jsonl")


@pytest.mark.parametrize("parent", ["a", "b", "gone"])
def test_a_tree_that_goes_in_a_circle_is_read_to_an_end(parent, tmp_path):
    nodes = [node("a", parent, ["b"], "user", "ask"), node("b", "a", ["a"], "assistant", "Done.")]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"mapping": {made["id"]: made for made in nodes}}]))
    (rows,) = read(path) or [[]]
    assert says("Done.") in rows


def test_a_text_with_labels_in_it_is_no_conversation_without_both_speakers(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"body": "Assistant: hello there"}) + "\n")
    with pytest.raises(InputError, match="no column that is known to hold conversations"):
        list(open_corpus(path).batches())


def test_the_cut_at_labels_is_said(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(KINDS["labels, Glaive"][0]) + "\n")
    assert "are cut where a line begins with a label" in open_corpus(path).describe().notes[0]
