"""Rows and columns that are not what they should be: the sentence says what, where and what to do;
`count` and the Corpus page say the same."""

from __future__ import annotations

import ast
import csv
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from helpers.lazy import Lazy
from helpers.real_data import load_once, new_home
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.cli import main
from vocabtrim_core.corpora import ColumnMapping, SkipReport, open_corpus
from vocabtrim_core.corpora.batches import Skip
from vocabtrim_core.corpora.decoders.rows import batch_from_rows
from vocabtrim_core.corpora.schema import from_python
from vocabtrim_core.corpora.skips import OTHERS
from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers import tokenizer as tokenizers

pd = Lazy("pandas")
testing = Lazy("streamlit.testing.v1")

APP = Path(__file__).resolve().parents[2] / "app.py"
ASK = {"role": "user", "content": "Name a lake."}
SAY = {"role": "assistant", "content": "Baikal."}
GOOD = {"messages": [ASK, SAY]}
HALF = json.dumps(GOOD).replace("Baikal.", r"\ud800")
DEEP = json.dumps(GOOD)[:-1] + ', "x": ' + "[" * 50_000 + '{"y": "]"}' + "]" * 50_000 + "}"
FORMATS = ("a.jsonl", "a.json", "a.parquet", "a.arrow", "a.csv")


def write(path: Path, rows: list[dict]) -> Path:
    """Rows in the format that the name says; values that CSV has no type for as JSON."""
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            for row in rows:
                cells = {k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()}
                table.writerow(cells)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".arrow":
        table = pa.Table.from_pylist(rows)
        with pyarrow.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
    else:
        lines = [json.dumps(row) for row in rows]
        path.write_text(
            "".join(f"{line}\n" for line in lines)
            if path.suffix == ".jsonl"
            else f"[{','.join(lines)}]"
        )
    return path


def counted(path: Path, capsys, *more: str) -> dict:
    """What `count --json` prints."""
    code = main(["count", "--tokenizer", "llama-3.1", "--data", str(path), "--json", *more])
    found = json.loads(capsys.readouterr().out)
    assert (code == 0) == ("error" not in found), found
    return found


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty workspace."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(new_home(tmp_path / "home")))
    monkeypatch.setattr(tokenizers, "load_tokenizer", load_once)
    return tmp_path


def page(path: Path) -> str:
    """The text of the Corpus page on a file, without Markdown's escapes."""
    app = testing.AppTest.from_file(str(APP), default_timeout=40).run()
    app.switch_page("pages/corpus.py").run()
    app.segmented_control(key="corpus_source").set_value("Path").run()
    app.text_area(key="corpus_paths").set_value(str(path)).run()
    assert not app.exception
    shown = (*app.markdown, *app.caption, *app.error, *app.warning)
    return re.sub(r"\\(.)", r"\1", "\n".join(element.value for element in shown))


# --- files of which no row can be read -----------------------------------------------------------

UNREADABLE = {  # name -> (text, reason with its count and first places)
    "a.jsonl": (HALF, "half a surrogate pair) in 1 of 1 row (a.jsonl:1)"),
    "b.json": (f"[{HALF}, {HALF}]", "pair) in 2 of 2 rows (b.json:1, b.json:2)"),
    "c.json": (HALF, "half a surrogate pair) in 1 of 1 row (c.json:1)"),
    "d.jsonl": (f"\n{HALF}\n" * 60, "pair) in 60 of 60 rows (d.jsonl:2, d.jsonl:4,"),
    "e.jsonl": (DEEP, "nested too deeply in 1 of 1 row (e.jsonl:1)"),
    "f.json": (f"[{DEEP}]", "nested too deeply in 1 of 1 row (f.json:1)"),
    "g.json": (f"[{HALF},{DEEP}]", "nested too deeply in 1 of 2 rows (g.json:2)"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_rows_that_cannot_be_read_are_named(tmp_path, capsys, name):
    text, says = UNREADABLE[name]
    (tmp_path / name).write_text(text)
    sentence = counted(tmp_path / name, capsys)["error"]
    assert says in sentence
    assert "has no rows" not in sentence
    if name in ("a.jsonl", "f.json"):
        assert says in page(tmp_path / name)


def test_half_a_pair_inside_of_json_text_is_said(tmp_path, capsys):
    inner = json.dumps([ASK, SAY])
    bad = {"messages": inner.replace("Baikal.", r"\ud800")}
    for name in FORMATS:
        sentence = counted(write(tmp_path / name, [bad]), capsys)["error"]
        assert "`messages` is not valid Unicode (half a surrogate pair)" in sentence
        (batch,) = open_corpus(write(tmp_path / name, [{"messages": inner}, bad])).batches()
        (skip,) = batch.skipped
        assert (skip.row, "half a surrogate pair" in skip.reason) == (2, True)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("bad", [HALF, DEEP])
def test_good_rows_behind_many_bad_ones_are_found(tmp_path, name, bad):
    rows = [bad] * 60 + [json.dumps(GOOD)]
    (tmp_path / name).write_text("\n".join(rows) if name == "a.jsonl" else f"[{','.join(rows)}]")
    batches = list(open_corpus(tmp_path / name).batches())
    assert batches[-1].rows.tolist()[-1] == 61


# --- a share of broken rows ----------------------------------------------------------------------


def unknown(role: object) -> str:
    return json.dumps({"messages": [{**ASK, "role": role}, SAY]})


BROKEN = {
    "deep": (DEEP, "nested too deeply"),
    "narrator": (unknown("Narrator"), "unknown role 'Narrator'"),
    "number": (unknown(7), "unknown role '7'"),
    "quote": (unknown("it's"), 'unknown role "it\'s"'),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_row_is_left_out_and_too_many_are_refused(tmp_path, capsys, kind):
    row, reason = BROKEN[kind]
    good = json.dumps(GOOD)
    (tmp_path / "few.json").write_text(f"[{','.join([good] * 100 + [row])}]")
    found = counted(tmp_path / "few.json", capsys)
    assert found["conversations"] == 100
    assert found["skips"] == [{"reason": reason, "rows": 1, "places": ["few.json:101"]}]
    (tmp_path / "many.json").write_text(f"[{','.join([good] * 9 + [row])}]")
    sentence = counted(tmp_path / "many.json", capsys)["error"]
    assert "10.0% of the conversations (1) are left out, where 1.0% may be" in sentence
    assert reason in sentence
    allowed = counted(tmp_path / "many.json", capsys, "--max-refused", "0.1")
    assert (allowed["conversations"], allowed["skipped"]) == (9, 1)


def test_unknown_roles_are_left_out_alike_in_every_format(tmp_path):
    rows = [GOOD] * 3 + [{"messages": [{**ASK, "role": "Narrator"}, SAY]}]
    for name in FORMATS:
        (batch,) = open_corpus(write(tmp_path / name, rows)).batches()
        assert batch.skipped == (Skip(4, "unknown role 'Narrator'"),), name


def test_roles_without_end_make_a_report_of_bounded_length(tmp_path):
    rows = [{"messages": [{**ASK, "role": f"guest {i}"}, SAY]} for i in range(500)]
    with pytest.raises(InputError) as caught:
        list(open_corpus(write(tmp_path / "a.jsonl", rows)).batches())
    assert len(str(caught.value)) < 1200
    assert "in 460 of 500 rows" in str(caught.value)


REASON = st.sampled_from([f"reason {i}" for i in range(100)])
REPORT = st.builds(
    lambda counts: sum((SkipReport(1, ((r, n, (r,)),)) for r, n in counts.items()), SkipReport()),
    st.dictionaries(REASON, st.integers(1, 9)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(REPORT, max_size=6), st.randoms(use_true_random=False))
def test_reports_add_up_in_any_order(reports, random):
    """As a plain sum does: the first reasons by name as they are, the others together."""
    total: dict[str, int] = {}
    for reason, count, _ in (each for report in reports for each in report.reasons):
        total[reason] = total.get(reason, 0) + count
    random.shuffle(reports)
    found = {reason: count for reason, count, _ in sum(reports, SkipReport()).reasons}
    assert sum(found.values()) == sum(total.values())
    assert len(found) <= SkipReport.MOST + 1
    for reason in sorted(total.keys() - {OTHERS})[: SkipReport.MOST] if len(total) <= 40 else ():
        assert found[reason] == total[reason]


# --- columns of the wrong type -------------------------------------------------------------------

ROW = {
    "messages": [ASK, SAY],
    "half": 0.5,
    "numbers": [1, 2],
    "object": {"a": 1},
    "words": "Lake",
    "prompt": "Name a lake.",
    "response": "Baikal.",
}
KINDS = {
    "messages": "a list of messages",
    "half": "a number",
    "numbers": "a list of numbers",
    "object": "an object",
    "words": "text",
}
PAIR = ["prompt=prompt", "response=response"]
WRONG = {  # mapped field -> (columns that it cannot be, what is mapped beside it)
    "conversation": (("half", "numbers", "words"), []),
    "text": (("messages", "half", "numbers", "object"), []),
    "prompt": (("half", "numbers", "object"), ["response=response"]),
    "response": (("half", "numbers", "object"), ["prompt=prompt"]),
    "system": (("half", "numbers", "object"), PAIR),
    "history": (("half", "object", "words"), PAIR),
    "domain": (("messages", "numbers", "object", "half"), PAIR),
    "tools": (("half", "numbers", "words"), PAIR),
    "calls": (("half", "numbers", "words"), ["prompt=prompt"]),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("field", WRONG)
def test_a_column_that_is_not_what_it_is_mapped_as(tmp_path, name, field):
    path = write(tmp_path / name, [ROW, ROW])
    columns, beside = WRONG[field]
    for column in columns:
        if name == "a.csv" and column == "half":
            continue  # everything is text there
        with pytest.raises(InputError) as caught:
            open_corpus(path, mapping=ColumnMapping.parse([*beside, f"{field}={column}"]))
        says = f"`{column}` holds {KINDS[column]}, but it is mapped as {field}, which is"
        assert says in str(caught.value)
        assert name in str(caught.value)


def test_messages_mapped_as_text_are_advised_to_be_the_conversation(tmp_path, capsys):
    for name in FORMATS:
        path = write(tmp_path / name, [ROW])
        sentence = counted(path, capsys, "--map", "text=messages")["error"]
        advised = re.search(r"--map (\S+)\)", sentence)
        assert advised, sentence
        assert counted(path, capsys, "--map", advised[1])["conversations"] == 1


@pytest.mark.parametrize("field", ["role", "content"])
def test_a_key_that_no_message_has(tmp_path, field):
    path = write(tmp_path / "a.jsonl", [GOOD])
    with pytest.raises(
        InputError,
        match=rf"has `body`, which is mapped as its {field}; map one of "
        "its keys: role, content",
    ):
        open_corpus(path, mapping=ColumnMapping.parse(["conversation=messages", f"{field}=body"]))


# --- what an answer says about itself ------------------------------------------------------------

OFF = (
    ("weight", 0),
    ("weight", 0.0),
    ("weight", "0"),
    ("weight", False),
    ("train", 0),
    ("train", False),
    ("train", "false"),
    ("training", "False"),
    ("train_on_turn", False),
    ("trainable", False),
    ("trainable", 0),
    ("loss", 0),
    ("loss", False),
    ("loss", "0"),
    ("masked", True),
    ("masked", 1),
    ("masked", "true"),
    ("train_detail", []),
    ("train_detail", [{"begin_offset": 0, "end_offset": 6, "train": False}]),
)
ON = (
    ("weight", 1),
    ("weight", "1"),
    ("train", 1),
    ("train", True),
    ("train", "true"),
    ("trainable", True),
    ("loss", 1.0),
    ("masked", False),
    ("masked", 0),
    ("weight", None),
    ("train_detail", [{"begin_offset": 0, "end_offset": 6, "train": True}]),
)
ODD = (
    ("weight", 0.5),
    ("weight", -1),
    ("weight", 10**400),
    ("train", "perhaps"),
    ("loss", [0]),
    ("trainable", {}),
    ("train_detail", "all"),
    (
        "train_detail",
        [
            {"begin_offset": 0, "end_offset": 2, "train": True},
            {"begin_offset": 3, "end_offset": 6, "train": False},
        ],
    ),
)


@pytest.mark.parametrize(
    ("flag", "counts", "said"),
    [
        *((flag, False, "is not counted: its `") for flag in OFF),
        *((flag, True, "" if not isinstance(flag[1], str) else "read as") for flag in ON),
        *((flag, True, "counts in full") for flag in ODD),
    ],
)
def test_flags_of_trainers(tmp_path, flag, counts, said):
    key, value = flag
    row = {"messages": [ASK, {**SAY, key: value}, ASK, SAY]}
    found = {}
    for name in ("a.jsonl", "a.parquet"):
        try:
            path = write(tmp_path / name, [row])
        except (OverflowError, pa.ArrowNotImplementedError):
            continue  # what Parquet cannot hold
        (batch,) = open_corpus(path).batches()
        messages = batch.messages(0)
        found[name] = [m.get("weight") != 0 for m in messages if m["role"] == "assistant"]
        notes = [note.reason for note in batch.notes]
        assert len(notes) == bool(said), notes
        assert said in "".join(notes)
    assert set(map(str, found.values())) == {str([counts, True])}


DETAILS = [
    {"type": "reasoning.text", "text": "It is "},
    {"type": "reasoning.summary", "summary": "deep."},
    {"type": "reasoning.encrypted", "data": "x"},
]
STREAMED = [
    {"type": "reasoning.text", "text": "It is ", "index": 0},
    {"type": "reasoning.text", "text": "deep.", "index": 0},
]
BLOCKS = [
    {"type": "thinking", "thinking": "It is deep.", "signature": "s"},
    {"type": "redacted_thinking", "data": "x"},
]
ITEMS = [
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "It is deep."}],
        "encrypted_content": "x",
    }
]
SEALED = "reasoning in `{}` is encrypted and cannot be counted"
THOUGHTS = {  # keys -> (reasoning, notes)
    "OpenRouter": (
        {"reasoning_details": DETAILS},
        "It is \n\ndeep.",
        [SEALED.format("reasoning_details")],
    ),
    "OpenRouter, streamed": ({"reasoning_details": STREAMED}, "It is deep.", []),
    "both of OpenRouter": (
        {"reasoning": "It is deep.", "reasoning_details": STREAMED},
        "It is deep.",
        [],
    ),
    "both of LiteLLM": (
        {"reasoning_content": "It is deep.", "thinking_blocks": BLOCKS},
        "It is deep.",
        [SEALED.format("thinking_blocks")],
    ),
    "LiteLLM's items": ({"reasoning_items": ITEMS}, "It is deep.", []),
    "nothing but secrets": (
        {"reasoning_details": DETAILS[2:]},
        None,
        [SEALED.format("reasoning_details")],
    ),
    "two": (
        {"reasoning": "Deep.", "thinking_blocks": BLOCKS[:1]},
        "Deep.",
        ["reasoning in `thinking_blocks` is a second one of its message and was dropped"],
    ),
    "something else": (
        {"reasoning_details": {"a": 1}},
        None,
        ["reasoning in `reasoning_details` is not text and was dropped"],
    ),
}


@pytest.mark.parametrize("kind", THOUGHTS)
def test_reasoning_by_its_other_names(tmp_path, kind):
    keys, thought, notes = THOUGHTS[kind]
    for name in ("a.jsonl", "a.parquet"):
        path = write(tmp_path / name, [GOOD, {"messages": [ASK, {**SAY, **keys}]}])
        (batch,) = open_corpus(path).batches()
        assert batch.messages(1)[1].get("reasoning_content") == thought
        assert [(note.row, note.reason) for note in batch.notes] == [(2, each) for each in notes]


def test_notes_on_reasoning_are_due_only_where_it_counts(tmp_path, capsys):
    """Of the rows and of the template, which here writes none."""
    path = write(tmp_path / "a.jsonl", [{"messages": [ASK, {**SAY, "reasoning_details": DETAILS}]}])
    for more, due in (((), 2), (("--no-reasoning",), 0)):
        line = ("--template", "llama3", *more)
        notes = [each["note"] for each in counted(path, capsys, *line)["notes"]]
        assert sum("reasoning" in note for note in notes) == len(notes) == due


UNREAD = "`{}` of an assistant turn holds text that is not read"
SAID = {  # keys of the answer -> (content, notes)
    "a refusal beside text": (
        {"refusal": "No."},
        "Baikal.",
        ["`refusal` beside the content of a message was dropped"],
    ),
    "a refusal": ({"content": None, "refusal": "No."}, "No.", []),
    "a spoken answer": (
        {"content": None, "audio": {"id": "a", "transcript": "Baikal!"}},
        "Baikal!",
        ["the content of a message was taken from `audio.transcript`"],
    ),
    "text under another key": (
        {"translation": "Der Baikal."},
        "Baikal.",
        [UNREAD.format("translation")],
    ),
    "a key of two words": ({"second answer": "x"}, "Baikal.", [UNREAD.format("second answer")]),
    "a key in another script": ({"考": "x"}, "Baikal.", [UNREAD.format("考")]),
    "text inside of another key": (
        {"drafts": [{"v": ["Ladoga."]}]},
        "Baikal.",
        [UNREAD.format("drafts")],
    ),
    "keys without text": (
        {"translation": None, "drafts": [], "seen": {"n": 1}, "x": "  "},
        "Baikal.",
        [],
    ),
    "what is about the message": (
        {
            "id": "m1",
            "timestamp": "2026-01-01",
            "model": "m",
            "annotations": [{"url": "u"}],
            "metadata": {"a": "b"},
        },
        "Baikal.",
        [],
    ),
}


@pytest.mark.parametrize("kind", SAID)
def test_text_under_other_keys_is_read_or_said(tmp_path, kind):
    keys, content, notes = SAID[kind]
    asked = {**ASK, "translation": "Nenne einen See."}  # of a user: nothing that counts
    rows = [{"id": 1, "messages": [ASK, SAY]}, {"id": 2, "messages": [asked, {**SAY, **keys}]}]
    for name in ("a.jsonl", "a.parquet"):
        try:
            path = write(tmp_path / name, rows)
        except pa.ArrowNotImplementedError:
            continue
        (batch,) = open_corpus(path).batches()
        assert batch.contents.to_pylist()[3] == content
        assert [(note.row, note.reason) for note in batch.notes] == [(2, each) for each in notes]


def test_every_key_is_noted_once_with_its_count(tmp_path, capsys):
    said = {**SAY, "translation": "Der Baikal."}
    path = write(tmp_path / "a.jsonl", [{"messages": [ASK, said, ASK, said]}] * 3 + [GOOD])
    (note,) = counted(path, capsys)["notes"]
    assert (note["times"], note["places"]) == (3, ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3"])


# --- Python's notation in CSV --------------------------------------------------------------------


def chats() -> list[list[dict]]:
    return [[ASK, {**SAY, "content": f"It's \"{i}\"\n\n[{{'a': 1}}]"}] for i in range(3)]


def test_lists_that_pandas_wrote_are_read(tmp_path):
    frame = pd.DataFrame({"messages": chats()})
    frame.to_csv(tmp_path / "a.csv", index=False)
    (batch,) = open_corpus(tmp_path / "a.csv").batches()
    assert [batch.messages(i) for i in range(3)] == chats()
    pq.write_table(pa.table({"messages": chats()}), tmp_path / "a.parquet")
    pd.read_parquet(tmp_path / "a.parquet").to_csv(tmp_path / "b.csv", index=False)
    assert "}\n {" in (tmp_path / "b.csv").read_text()  # as NumPy writes arrays, without commas
    (batch,) = open_corpus(tmp_path / "b.csv").batches()
    assert [batch.messages(i) for i in range(3)] == chats()


BROKEN_CELLS = (
    "[{'role': 'user', 'content': nan}]",
    "[{'role': 'user', 'content': 'x'",
    "[{'role': 'user', 'content': '\\ud800'}]",
    "[{'role': 'user', 'content': b'x'}]",
    "[{'role': 'user', 'content': {1, 2}}]",
    "array([{'role': 'user', 'content': 'x'}], dtype=object)",
    "[{'role': 'user', 'content': __import__('os').getcwd()}]",
    "[{'role': 'user', 'content': " + "[" * 5000 + "]" * 5000 + "}]",
    f"[{{'role': 'user', 'content': '{'x' * 2**20}'}}]",
)


@pytest.mark.parametrize("cell", BROKEN_CELLS)
def test_notation_that_cannot_be_read_is_said_and_the_advice_helps(tmp_path, monkeypatch, cell):
    pd.DataFrame({"messages": [cell]}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError) as caught:
        open_corpus(tmp_path / "a.csv").require_conversations()
    sentence = str(caught.value)
    assert "`messages` is Python's notation that cannot be read" in sentence
    advised = re.search(r"frame\.to_json\(.*?\)", sentence)
    assert advised, sentence
    call = ast.parse(advised[0], mode="eval").body
    assert isinstance(call, ast.Call)
    options = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"messages": chats()})
    frame.to_json(ast.literal_eval(call.args[0]), **options)
    (batch,) = open_corpus(tmp_path / "rows.jsonl").batches()
    assert [batch.messages(i) for i in range(3)] == chats()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.text(min_size=1, max_size=4), VALUES, min_size=1), min_size=1))
def test_pythons_notation_is_what_python_reads(value):
    text = repr(value)
    found = from_python(text)
    assert found in (text, ast.literal_eval(text))
    if text.startswith("[{'"):
        assert found == value


def test_a_response_in_pythons_notation_stays_text(tmp_path):
    rows = [{"prompt": "p", "response": "[{'a': 1}]"}, {"prompt": "p", "response": "['a', 'b']"}]
    (batch,) = open_corpus(write(tmp_path / "a.csv", rows)).batches()
    assert batch.contents.to_pylist()[1::2] == [row["response"] for row in rows]


# --- histories -----------------------------------------------------------------------------------

HISTORIES = {  # value -> turns before the prompt, or why the row is left out
    "pairs": ([["Q1", "A1"], ["Q2", "A2"]], ["Q1", "A1", "Q2", "A2"]),
    "texts in turn": (["Q1", "A1"], ["Q1", "A1"]),
    "messages": ([{**ASK, "content": "Q1"}, {**SAY, "content": "A1"}], ["Q1", "A1"]),
    "nothing": ([], []),
    "half a pair": ([["Q1"]], "`history` is not a list of pairs of texts"),
    "no answer": ([["Q1", None]], "`history` is not a list of pairs of texts"),
    "an odd number": (["Q1", "A1", "Q2"], "`history` is not a list of pairs of texts"),
}


@pytest.mark.parametrize("kind", HISTORIES)
def test_histories(kind):
    value, expected = HISTORIES[kind]
    mapping = ColumnMapping(
        "prompt_response", prompt="instruction", response="output", history="history"
    )
    row = {"instruction": "Q", "output": "A", "history": value}
    batch = batch_from_rows([(1, row)], mapping, "f")
    if isinstance(expected, str):
        assert batch.skipped == (Skip(1, expected),)
    else:
        assert batch.contents.to_pylist() == [*expected, "Q", "A"]
        assert batch.roles.to_pylist() == ["user", "assistant"] * (len(expected) // 2 + 1)


@pytest.mark.parametrize("name", FORMATS)
def test_a_history_counts_in_every_format(tmp_path, capsys, name):
    rows = [
        {"instruction": "Q", "input": "", "output": "A", "history": [["Hi", "Baikal."]]},
        {"instruction": "Q", "input": "", "output": "A", "history": []},
    ]
    found = counted(write(tmp_path / name, rows), capsys)
    flat = [
        {"messages": [ASK, SAY, ASK, {**SAY, "content": "A"}]},
        {"messages": [ASK, {**SAY, "content": "A"}]},
    ]
    assert found["tokens"] == counted(write(tmp_path / "flat.jsonl", flat), capsys)["tokens"]
    assert any("`history` come before the prompt" in each for each in found["warnings"])
