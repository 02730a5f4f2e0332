"""Corpora: every format and shape gives the same messages; what cannot be read is said."""

from __future__ import annotations

import gzip
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard
from helpers.real_data import OWN, real_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.corpora import ColumnMapping, SkipReport, fingerprint, hub, open_corpus
from vocabtrim_core.corpora.batches import ROLES, Skip
from vocabtrim_core.corpora.decoders.rows import batch_from_rows
from vocabtrim_core.corpora.presets import DATASET_PRESETS
from vocabtrim_core.corpora.preview import preview
from vocabtrim_core.corpora.readers import json_lines, parquet_files, table_files
from vocabtrim_core.corpora.readers.json_lines import decode_lines
from vocabtrim_core.corpora.uploads import store_upload
from vocabtrim_core.counting.preflight import preflight
from vocabtrim_core.errors import InputError

CHAT = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello, wörld 🙂"}]


def rows_of(n: int, **more) -> list[dict]:
    def chat(i: int) -> list[dict]:
        answer = f"answer {i} " * (i % 5 + 1)
        return [
            {"role": "user", "content": f"question {i}"},
            {"role": "assistant", "content": answer},
        ]

    return [{"id": i, "messages": chat(i), **more} for i in range(1, n + 1)]


def lines(rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write(path: Path, rows) -> Path:
    """The rows in the format that the name asks for."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=7)
        data = sink.getvalue().to_pybytes()
    elif name.endswith(".csv"):
        sink = pa.BufferOutputStream()
        pa.csv.write_csv(pa.Table.from_pylist(rows), sink)
        data = sink.getvalue().to_pybytes()
    else:
        data = json.dumps(rows, indent=1).encode() if name.endswith(".json") else lines(rows)
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = zstandard.compress(data)
    path.write_bytes(data)
    return path


def conversations(opened) -> list[tuple[int, list[dict]]]:
    """(row, messages) of the whole corpus."""
    return [(int(b.rows[i]), b.messages(i)) for b in opened.batches() for i in range(len(b))]


def pairs(messages) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in messages]


# --- the real corpora ---------------------------------------------------------------------------


def test_shared_corpora_have_the_conversations_of_their_manifest(shared):
    folder = shared / "data" / "corpora"
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    expected = {Path(name).name: entry["conversations"] for name, entry in manifest.items()}
    opened = open_corpus(folder)
    found = {
        label: sum(map(SkipReport.of, opened.batches(shard)), SkipReport())
        for label, shard in zip(opened.labels, opened.shards(), strict=True)
    }
    assert {name: report.conversations for name, report in found.items()} == expected
    assert sum(report.skipped for report in found.values()) == 0
    assert opened.left_out == ("MANIFEST.json (one JSON object, not rows)",)
    assert opened.describe().sure


@pytest.mark.parametrize("name", ["plain", "tools"])
def test_roles_of_our_own_conversations(name):
    rows = [json.loads(line) for line in (OWN / f"{name}.jsonl").open(encoding="utf-8")]
    opened = open_corpus(OWN / f"{name}.jsonl")
    batches = list(opened.batches())
    found = [batch.messages(i) for batch in batches for i in range(len(batch))]
    assert [[(m["role"], m["content"]) for m in chat] for chat in found] == [
        [(m["role"], m["content"]) for m in row["messages"]] for row in rows
    ]
    assert sum(map(SkipReport.of, batches), SkipReport()).skipped == 0


def test_roles_of_a_real_corpus(shared):
    opened = open_corpus(shared / "data/corpora/function_calling_train.jsonl.gz")
    seen = dict.fromkeys(ROLES, 0)
    for batch in opened.batches():
        for role in batch.roles.to_pylist():
            seen[role] += 1
    assert seen == {"system": 258, "user": 4778, "assistant": 4964, "tool": 186}


# --- formats ------------------------------------------------------------------------------------

FORMATS = [
    "a.jsonl",
    "a.ndjson",
    "a.json",
    "a.parquet",
    "a.jsonl.gz",
    "a.jsonl.zst",
    "a.json.gz",
    "a.json.zst",
    "a.parquet.zst",
    "a.parquet.gz",
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("limit", [None, 10, 23, 1000])
def test_every_format_gives_the_same_rows(tmp_path, name, limit):
    rows = rows_of(30)
    opened = open_corpus(write(tmp_path / name, rows), limit=limit)
    expected = [(row["id"], row["messages"]) for row in rows[:limit]]
    assert conversations(opened) == expected
    assert opened.describe().sure


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv"])
@pytest.mark.parametrize("limit", [None, 2])
def test_csv(tmp_path, name, limit):
    text = 'prompt,response,category\nhi,"a ""quoted"", long\nanswer",x\nq2,a2,y\nq3,a3,x\n'
    data = text.replace(",", "\t").encode() if name.endswith(".tsv") else text.encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    opened = open_corpus(path, limit=limit)
    found = [pairs(messages) for _, messages in conversations(opened)]
    long = 'a "quoted"' + ("\t" if name.endswith(".tsv") else ",") + " long\nanswer"
    assert (
        found
        == [
            [("user", "hi"), ("assistant", long)],
            [("user", "q2"), ("assistant", "a2")],
            [("user", "q3"), ("assistant", "a3")],
        ][:limit]
    )
    assert next(opened.batches()).domains.to_pylist()[:2] == ["x", "y"]


def test_json_that_is_really_json_lines(tmp_path):
    path = tmp_path / "train.json"
    path.write_bytes(lines(rows_of(3)))
    assert [row for row, _ in conversations(open_corpus(path))] == [1, 2, 3]


def test_blank_lines_line_ends_and_marks_do_not_shift_rows(tmp_path):
    path = tmp_path / "odd.jsonl"
    first, second, third = (json.dumps(row).encode() for row in rows_of(3))
    path.write_bytes(b"\xef\xbb\xbf" + first + b"\r\n\r\n" + second + b"\r\n\n\n" + third)
    assert [row for row, _ in conversations(open_corpus(path))] == [1, 3, 6]


def test_folders_globs_and_several_paths(tmp_path):
    for name in ("b.jsonl", "a.parquet", "sub/c.jsonl.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, rows_of(2))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.jsonl").write_text("x")
    opened = open_corpus(tmp_path)
    assert opened.labels == ("a.parquet", "b.jsonl", "sub/c.jsonl.gz")
    assert opened.left_out == (".hidden.jsonl (hidden)", "notes.txt (not a data file)")
    assert len(conversations(opened)) == 6
    assert open_corpus(str(tmp_path / "*.jsonl")).labels == ("b.jsonl",)
    both = open_corpus([tmp_path / "b.jsonl", tmp_path / "a.parquet", tmp_path / "*.jsonl"])
    assert [path.name for path in both.files] == ["b.jsonl", "a.parquet"]
    assert both.left_out == ("b.jsonl (given twice)",)


def test_limit_runs_over_files(tmp_path):
    for name in ("a.jsonl", "b.jsonl.gz", "c.parquet", "d.json"):
        write(tmp_path / name, rows_of(10))
    for limit in (5, 10, 15, 25, 34):
        assert len(conversations(open_corpus(tmp_path, limit=limit))) == limit


# --- shapes -------------------------------------------------------------------------------------

SHAPES = {
    "messages": ({"messages": CHAT}, [("user", "Hi?"), ("assistant", "Hello, wörld 🙂")]),
    "sharegpt": (
        {
            "conversations": [
                {"from": "system", "value": "s"},
                {"from": "human", "value": "q"},
                {"from": "function_call", "value": "{}"},
                {"from": "observation", "value": "42"},
                {"from": "gpt", "value": "a"},
            ]
        },
        [("system", "s"), ("user", "q"), ("assistant", "{}"), ("tool", "42"), ("assistant", "a")],
    ),
    "prompt and response": ({"prompt": "q", "response": "a"}, [("user", "q"), ("assistant", "a")]),
    "alpaca": (
        {"instruction": "do", "input": "this", "output": "done"},
        [("user", "do\n\nthis"), ("assistant", "done")],
    ),
    "alpaca without input": (
        {"instruction": "do", "input": "", "output": "done"},
        [("user", "do"), ("assistant", "done")],
    ),
    "system prompt": (
        {"system_prompt": "be kind", "question": "q", "response": "a"},
        [("system", "be kind"), ("user", "q"), ("assistant", "a")],
    ),
    "any case": ({"Problem": "q", "Solution": "a"}, [("user", "q"), ("assistant", "a")]),
    "parts": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "see "}, {"type": "text", "text": "this"}],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "ok"}]},
            ]
        },
        [("user", "see this"), ("assistant", "ok")],
    ),
    "messages as JSON text": (
        {"messages": json.dumps(CHAT)},
        [("user", "Hi?"), ("assistant", "Hello, wörld 🙂")],
    ),
    "conversational completion": (
        {"prompt": CHAT[:1], "completion": CHAT[1:]},
        [("user", "Hi?"), ("assistant", "Hello, wörld 🙂")],
    ),
    "system column beside a conversation": (
        {"conversations": CHAT, "system": "be kind"},
        [("system", "be kind"), ("user", "Hi?"), ("assistant", "Hello, wörld 🙂")],
    ),
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_recognised(tmp_path, shape, name):
    row, expected = SHAPES[shape]
    opened = open_corpus(write(tmp_path / name, [row, row]))
    assert opened.describe().sure
    assert [pairs(messages) for _, messages in conversations(opened)] == [expected, expected]


def test_rendered_text_is_recognised(tmp_path):
    text = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nho<|im_end|>\n"
    opened = open_corpus(write(tmp_path / "a.jsonl", [{"text": text}]))
    (batch,) = opened.batches()
    assert batch.preformatted
    assert batch.messages(0) == [{"role": "text", "content": text}]
    plain = open_corpus(write(tmp_path / "b.jsonl", [{"text": "a story"}])).describe()
    assert not plain.sure
    assert plain.notes == ("No chat template marks were seen in `text`.",)


def test_unsure_columns_are_said_and_can_be_mapped(tmp_path):
    row = {"query": "q", "answer": "a1", "solution": "a2", "topic": "t"}
    path = write(tmp_path / "a.jsonl", [row, row])
    info = open_corpus(path).describe()
    assert not info.sure
    assert dict(info.candidates)["response"] == ("query", "answer", "solution", "topic")
    assert info.notes == ("Other columns would fit as response: solution.",)
    mapping = ColumnMapping.parse(["prompt=query", "response=solution", "domain=topic"])
    opened = open_corpus(path, mapping=mapping)
    (batch,) = opened.batches()
    assert pairs(batch.messages(0)) == [("user", "q"), ("assistant", "a2")]
    assert batch.domains.to_pylist() == ["t", "t"]
    assert opened.describe().sure


def test_what_a_mapping_leaves_open_is_recognised(tmp_path):
    messages = [{"role": "wizard", "content": "x"}, {"role": "assistant", "content": "y"}]
    path = write(tmp_path / "a.jsonl", [{"messages": messages, "kind": "magic"}])
    corpus = open_corpus(path, mapping=ColumnMapping.parse(["roles.wizard=user", "domain=kind"]))
    (batch,) = corpus.batches()
    assert batch.messages(0)[0] == {"role": "user", "content": "x"}
    assert batch.domains.to_pylist() == ["magic"]
    with pytest.raises(InputError, match="no column nothing"):
        open_corpus(path, mapping=ColumnMapping.parse(["domain=nothing"]))
    with pytest.raises(InputError, match="needs a column for response"):
        ColumnMapping.parse(["prompt=nothing"])


def test_own_role_names_can_be_mapped(tmp_path):
    row = {"chat": [{"role": "Klient", "content": "q"}, {"role": "Helper", "content": "a"}]}
    path = write(tmp_path / "a.parquet", [row])
    with pytest.raises(
        InputError, match=r"unknown role 'Klient', 'Helper' in 1 of 1 row \(a.parquet:1\)"
    ):
        conversations(open_corpus(path))
    mapping = ColumnMapping.parse(
        ["conversation=chat", "roles.klient=user", "roles.helper=assistant"]
    )
    assert pairs(conversations(open_corpus(path, mapping=mapping))[0][1]) == [
        ("user", "q"),
        ("assistant", "a"),
    ]


@pytest.mark.parametrize("bad", ["shape=x", "prompt", "nose=a", "roles.x=king"])
def test_bad_mapping_words(bad):
    with pytest.raises(InputError):
        ColumnMapping.parse([bad, "conversation=c"])


CALL = {"type": "function", "function": {"name": "now", "arguments": {"zone": "utc"}}}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
def test_structured_rows_keep_what_a_template_needs(tmp_path, name):
    tool = {"type": "function", "function": {"name": "now", "description": "the time"}}
    plain = {"messages": CHAT, "tools": None}
    called = {
        "messages": [
            CHAT[0],
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "12:00"},
            {"role": "assistant", "content": "Noon."},
        ],
        "tools": [tool],
    }
    thought = {
        "messages": [CHAT[0], {"role": "assistant", "content": "x", "reasoning_content": "because"}]
    }
    opened = open_corpus(write(tmp_path / name, [plain, called, plain, thought]))
    (batch,) = opened.batches()
    assert sorted(batch.structured) == [1, 3]
    assert batch.messages(1) == [
        CHAT[0],
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "12:00"},
        {"role": "assistant", "content": "Noon."},
    ]
    assert batch.tools(1) == [tool]
    assert batch.tools(0) is None
    assert batch.messages(3)[1]["reasoning_content"] == "because"
    assert [pairs(batch.messages(i)) for i in (0, 2)] == [pairs(CHAT)] * 2
    assert batch.contents.null_count == 0
    assert batch.rows.tolist() == [1, 2, 3, 4]


def test_dropped_parts_are_noted(tmp_path):
    parts = [{"type": "image", "url": "x"}, {"type": "text", "text": "a cat"}]
    row = {"messages": [{"role": "user", "content": parts}, CHAT[1]]}
    (batch,) = open_corpus(write(tmp_path / "a.jsonl", [row])).batches()
    assert batch.contents.to_pylist()[0] == "a cat"
    assert [(n.row, n.reason) for n in batch.notes] == [(1, "a part of type image was dropped")]


# --- rows that cannot be used -------------------------------------------------------------------

UNUSABLE = {
    "no assistant text": {"messages": CHAT[:1]},
    "`messages` is empty": {"messages": []},
    "`messages` is null or missing": {"messages": None},
    "`content` is null": {"messages": [{"role": "user", "content": None}, CHAT[1]]},
    "a message has no `role`": {"messages": [{"role": None, "content": "x"}, CHAT[1]]},
}
BLANK = {"messages": [CHAT[0], {"role": "assistant", "content": " \n\t "}]}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
def test_unusable_rows_are_skipped_with_a_reason(tmp_path, name):
    rows = [{"messages": CHAT}, *UNUSABLE.values(), BLANK, {"messages": CHAT}]
    opened = open_corpus(write(tmp_path / name, rows))
    (batch,) = opened.batches()
    assert batch.rows.tolist() == [1, 8]
    expected = [(i, reason) for i, reason in enumerate(UNUSABLE, 2)] + [(7, "no assistant text")]
    assert [(skip.row, skip.reason) for skip in batch.skipped] == expected
    report = SkipReport.of(batch)
    assert (report.conversations, report.skipped) == (2, 6)
    assert f"2 no assistant text ({name}:2, {name}:7)" in report.sentence()


def test_reports_add_up_and_keep_the_first_places():
    one = SkipReport(2, (("x", 1, ("a:1",)), ("y", 7, ("a:2", "a:3", "a:4", "a:5", "a:6"))))
    two = SkipReport(3, (("y", 1, ("b:1",)),))
    both = one + two
    assert both == SkipReport(
        5, (("x", 1, ("a:1",)), ("y", 8, ("a:2", "a:3", "a:4", "a:5", "a:6")))
    )
    assert both.skipped == 9
    assert SkipReport().sentence() == "No rows skipped"


def test_prompts_without_any_response(tmp_path):
    with pytest.raises(InputError, match=r"no conversation to count .no assistant text in 2 of 2"):
        conversations(open_corpus(write(tmp_path / "a.jsonl", [{"messages": CHAT[:1]}] * 2)))


# --- what stops the reading ---------------------------------------------------------------------


def stops(path, *words, **options):
    """Reading raises one sentence that holds the words."""
    with pytest.raises(InputError) as caught:
        conversations(open_corpus(path, **options))
    said = str(caught.value)
    assert "\n" not in said
    for word in words:
        assert word in said, said


GOOD = lines(rows_of(3))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.jsonl", b"", ["a.jsonl is empty"]),
        ("a.jsonl", b"\n\n", ["a.jsonl has no rows"]),
        ("a.jsonl.gz", gzip.compress(b"", mtime=0), ["has no rows"]),
        ("a.json", b"[]", ["has no rows"]),
        ("a.csv", b"prompt,response\n", ["has no rows"]),
        ("a.jsonl", GOOD + b'{"messages": [}\n', ["a.jsonl, line 4, column 15", "not JSON"]),
        ("a.jsonl", GOOD + GOOD[:40], ["a.jsonl, line 4", "not JSON"]),
        ("a.jsonl", GOOD + b'{"messages": "\xe9"}\n', ["a.jsonl, line 4, byte 15", "not UTF-8"]),
        (
            "a.jsonl",
            '{"messages": 1}'.encode("utf-16"),
            ["line 1", "UTF-8 but UTF-16", "-f UTF-16"],
        ),
        ("a.json", b'[{"a": 1}, {"a": ]', ["a.json, line 1, row 2", "not JSON"]),
        ("a.json", b'[{"a": 1},\n\n {"a": x}]', ["a.json, line 3, row 2", "not JSON"]),
        ("a.json", b'[{"a": 1}', ["a.json ends inside its JSON array, after row 1"]),
        ("a.json", b'[{"a": "\xe9"}]', ["a.json", "not UTF-8"]),
        ("a.json", b'{\n "a": 1\n}', ["a.json has no column", "columns found: `a` (number)"]),
        ("a.json", b'{\n "a": 1,\n "b": }', ["a.json, line 3, row 1: not JSON"]),
        ("a.jsonl.gz", gzip.compress(GOOD, mtime=0)[:-20], ["a.jsonl.gz is cut off"]),
        ("a.jsonl.zst", zstandard.compress(GOOD)[:-5], ["a.jsonl.zst is cut off"]),
        ("a.json.gz", gzip.compress(b"[{}]", mtime=0)[:-9], ["a.json.gz is cut off"]),
        ("a.csv.gz", gzip.compress(b"prompt,response\n" + b"a,b\n" * 9, mtime=0)[:-9], ["cut off"]),
        ("a.jsonl.gz", b"\0not gzip at all", ["a.jsonl.gz is damaged"]),
        ("a.jsonl.gz", b"not gzip at all", ["a.jsonl.gz, line 1, column 1: not JSON"]),
        ("a.jsonl.zst", b"\0not zstd at all", ["a.jsonl.zst is damaged"]),
        ("a.parquet", b"PAR1 no, it is not", ["a.parquet cannot be read as Parquet"]),
        ("a.csv", b"prompt,response\nx,y\nx\n", ["a.csv", "not CSV", "Expected 2 columns, got 1"]),
        ("a.csv", b"prompt,response\nx,y\nx,\xe9\n", ["a.csv, line 3", "not UTF-8"]),
        (
            "a.csv",
            b"age,height\n1,2\n",
            ["columns found: `age` (text), `height` (text)", "prompt=age response=height"],
        ),
        ("a.txt", b"x", ["a.txt is not a kind of file", ".parquet"]),
    ],
)
def test_bad_files(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    stops(tmp_path / name, *words)


def test_bad_rows_far_down_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "CHUNK", 2000)
    data = lines(rows_of(300)) + b'{"messages": [{"role": "bot?", "content": "x"}]}\n' + GOOD
    (tmp_path / "a.jsonl").write_bytes(data)
    skipped = [
        skip for batch in open_corpus(tmp_path / "a.jsonl").batches() for skip in batch.skipped
    ]
    assert skipped == [Skip(301, "unknown role 'bot?'")]
    (tmp_path / "b.jsonl").write_bytes(lines(rows_of(300)) + b"{]\n" + GOOD)
    stops(tmp_path / "b.jsonl", "b.jsonl, line 301, column 2: not JSON")
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 900)
    long = lines([{"messages": CHAT, "x": "x" * 5000}])
    for path in (tmp_path / "d.jsonl", tmp_path / "d.jsonl.gz"):
        path.write_bytes(gzip.compress(GOOD + long) if path.suffix == ".gz" else GOOD + long)
        stops(path, "is longer than 0 MB")


@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.jsonl.zst", "c.csv.gz", "c.csv.zst"])
def test_a_file_cut_off_says_after_which_line(tmp_path, name):
    rng = np.random.default_rng(3)
    rows = [{"prompt": rng.bytes(40).hex(), "response": rng.bytes(40).hex()} for _ in range(4000)]
    whole = lines(rows)
    if "csv" in name:
        text = "".join(f"{row['prompt']},{row['response']}\n" for row in rows)
        whole = f"prompt,response\n{text}".encode()
    packed = gzip.compress(whole) if name.endswith("gz") else zstandard.compress(whole)
    (tmp_path / name).write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=rf"{name} is cut off.*, after line [\d]+\.") as caught:
        list(open_corpus(tmp_path / name).batches())
    said = int(str(caught.value).rpartition(" ")[2][:-1])
    assert 1000 < said < 2100


def test_what_an_uploader_called_a_file_is_what_messages_say(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))

    def stored(label: str, data: bytes) -> Path:
        return store_upload(io.BytesIO(data), label).path

    corpus = open_corpus(stored("../My chats.jsonl", GOOD))
    assert (corpus.name, corpus.labels) == ("My chats", ("My chats.jsonl",))
    assert {batch.file for batch in corpus.batches()} == {"My chats.jsonl"}
    for label, data, said in (
        ("empty.json", b"[]", "empty.json has no rows"),
        ("b.jsonl", b"{]", "b.jsonl, line 1"),
        ("c.csv", b"prompt,response\nx\n", "c.csv, row 1: not CSV"),
        ("d.parquet", b"PAR1", "d.parquet cannot be read as Parquet"),
        ("e.jsonl.gz", b"\0not gzip", "e.jsonl.gz is damaged"),
    ):
        with pytest.raises(InputError, match=f"^{said}"):
            open_corpus(stored(label, data))


def test_parquet_without_usable_columns(tmp_path):
    stops(
        write(tmp_path / "a.parquet", [{"age": 1, "height": 2.5}]), "columns found: `age` (number)"
    )


def test_a_parquet_prompt_without_response(tmp_path):
    stops(write(tmp_path / "a.parquet", [{"prompt": "q"}]), "There are prompts but no responses.")


def test_mapping_to_a_column_that_is_not_there(tmp_path):
    mapping = ColumnMapping("prompt_response", prompt="q", response="reply")
    path = write(tmp_path / "a.jsonl", [{"q": "1", "a": "2"}])
    stops(path, "has no column reply", "columns found: q, a", mapping=mapping)


def test_nothing_found(tmp_path):
    stops(tmp_path / "none.jsonl", "There is no file")
    stops(tmp_path / "*.jsonl", "No file matches")
    stops(tmp_path, "has no file that can be read", "it is empty")
    stops([], "No corpus file was given")
    stops(write(tmp_path / "a.jsonl", rows_of(1)), "at least 1", limit=0)


def test_strange_but_readable_json(tmp_path):
    """NaN is what Python writes; half a surrogate pair cannot be counted, so the row is skipped."""
    chat = json.dumps(CHAT)
    data = f'{{"messages": {chat}, "score": NaN}}\n{{"messages": {chat}}}\n'
    half = chat.replace("Hi?", r"\ud83d").join(['{"messages": ', "}"])
    (tmp_path / "a.jsonl").write_text(data + half + "\n")
    (tmp_path / "b.json").write_text("[" + ",".join([*data.splitlines(), half]) + "]")
    for name in ("a.jsonl", "b.json"):
        (batch,) = open_corpus(tmp_path / name).batches()
        assert len(batch) == 2
        reason = "not valid Unicode (half a surrogate pair)"
        assert [(s.row, s.reason) for s in batch.skipped] == [(3, reason)]


# --- one meaning, three paths -------------------------------------------------------------------

TEXT = st.one_of(
    st.none(), st.sampled_from(["", " ", "x", "é", "<|eot_id|>", "a\nb"]), st.text(max_size=9)
)
OTHER_CALL = {"type": "function", "function": {"name": "far", "arguments": {"a": None, "b": [1]}}}
CALL_TEXTS = ['{"name": "now", "arguments": {}}', '[{"name": "x"}]', '{"no": "name"}']
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(
            [
                "user",
                "assistant",
                "Human",
                "gpt",
                "tool",
                "system",
                None,
                "function_call",
                "function",
                "tool_call",
                "narrator",
            ]
        ),
        "content": st.one_of(TEXT, st.sampled_from(CALL_TEXTS)),
    },
    optional={
        "reasoning_content": TEXT,
        "reasoning": TEXT,
        "refusal": TEXT,
        "tool_calls": st.sampled_from([None, [], [CALL], [OTHER_CALL]]),
        "function_call": st.sampled_from([None, OTHER_CALL["function"]]),
        "weight": st.sampled_from([None, 0, 1]),
        "train": st.sampled_from([None, True, False]),
        "masked": st.sampled_from([None, True, False]),
        "loss": st.sampled_from([None, 0.0, 1.0, 2.5]),
        "trainable": st.sampled_from([None, "", "1", "false", "perhaps"]),
        "train_detail": st.sampled_from([None, [], [{"train": True}], [{"train": False}]]),
        "translation": TEXT,
        "notes": st.sampled_from([None, [], ["x"], [" "]]),
        "timestamp": TEXT,
        "reasoning_details": st.sampled_from(
            [
                None,
                [],
                [{"type": "reasoning.text", "text": "x"}],
                [{"type": "reasoning.encrypted", "data": "x"}],
            ]
        ),
        "audio": st.sampled_from([None, {"transcript": "x"}, {"transcript": None}]),
        "name": st.sampled_from([None, "now"]),
        "tool_call_id": st.sampled_from([None, "c1"]),
    },
)
ROW = st.fixed_dictionaries(
    {"messages": st.one_of(st.none(), st.lists(MESSAGE, max_size=4))},
    optional={
        "domain": st.sampled_from(["a", "b", None]),
        "tools": st.sampled_from([None, [CALL]]),
    },
)


def seen(batch):
    return (
        [(int(row), batch.messages(i), batch.tools(i)) for i, row in enumerate(batch.rows)],
        batch.offsets.tolist(),
        batch.contents.to_pylist(),
        batch.roles.to_pylist(),
        batch.domains and batch.domains.to_pylist(),
        batch.skipped,
        sorted(batch.structured),
        sorted((note.row, note.reason) for note in batch.notes),
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8))
def test_the_fast_path_means_what_the_slow_path_says(rows):
    mapping = ColumnMapping("conversation", conversation="messages", domain="domain", tools="tools")
    slow = seen(batch_from_rows(list(enumerate(rows, 1)), mapping, "f"))
    assert seen(decode_lines(lines(rows), 1, len(rows), mapping, "f")) == slow
    table = pa.Table.from_pylist(rows)
    padded = list(enumerate(table.to_pylist(), 1))
    slow = seen(batch_from_rows(padded, mapping, "f", padded=True))
    assert seen(parquet_files.batch_from_arrow(table, mapping, "f", 1)) == slow


PART = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["text", "thinking", "image", "output_text", "refusal", None]),
        "text": TEXT,
        "thinking": TEXT,
        "refusal": TEXT,
    }
)
IN_PARTS = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": st.one_of(st.none(), st.lists(PART, max_size=3)),
        "reasoning": TEXT,
        "weight": st.sampled_from([None, 0, 1.0]),
    }
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries({"messages": st.lists(IN_PARTS, max_size=3)}), min_size=1))
def test_parts_mean_the_same_on_every_path(rows):
    mapping = ColumnMapping("conversation", conversation="messages")
    slow = seen(batch_from_rows(list(enumerate(rows, 1)), mapping, "f"))
    assert seen(decode_lines(lines(rows), 1, len(rows), mapping, "f")) == slow
    table = pa.Table.from_pylist(rows)
    assert seen(parquet_files.batch_from_arrow(table, mapping, "f", 1)) == slow


def test_plain_rows_take_the_fast_path(monkeypatch):
    monkeypatch.setattr(json_lines, "parse_lines", lambda *_: pytest.fail("line by line"))
    monkeypatch.setattr("vocabtrim_core.corpora.decoders.arrow.batch_from_rows", None)
    mapping = ColumnMapping("conversation", conversation="messages", tools="tools", domain="domain")
    batch = decode_lines(lines(rows_of(9, extra={"deep": [1]})), 1, 9, mapping, "f")
    assert len(batch) == 9


CHAT_TEXTS = st.sampled_from([json.dumps(CHAT), json.dumps(CHAT[1:]), '["a", "b"]', " [1]", "[x"])
SAID = st.one_of(TEXT, CHAT_TEXTS)
PAIR = st.fixed_dictionaries({"p": SAID, "q": TEXT, "r": SAID, "s": TEXT, "domain": st.just("d")})


@settings(max_examples=100, deadline=None)
@given(st.lists(PAIR, min_size=1, max_size=8))
def test_pairs_mean_the_same_on_both_paths(rows):
    prompt = "p+q" if rows[0]["q"] else "p"
    mapping = ColumnMapping(
        "prompt_response", prompt=prompt, response="r", system="s", domain="domain"
    )
    slow = seen(batch_from_rows(list(enumerate(rows, 1)), mapping, "f"))
    assert seen(decode_lines(lines(rows), 1, len(rows), mapping, "f")) == slow
    table = pa.Table.from_pylist(rows)
    assert seen(parquet_files.batch_from_arrow(table, mapping, "f", 1)) == slow


# --- shards -------------------------------------------------------------------------------------


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(fingerprint, "SEGMENT", 1500)
    monkeypatch.setattr(fingerprint, "PIECE", 1000)
    monkeypatch.setattr(parquet_files, "SHARD_BYTES", 600)
    monkeypatch.setattr(json_lines, "CHUNK", 700)
    monkeypatch.setattr(table_files, "CHUNK", 700)
    monkeypatch.setattr(table_files, "BATCH_BYTES", 700)


@pytest.mark.parametrize("ending", [b"\n", b""])
def test_shards_of_json_lines_are_a_partition(tmp_path, small_pieces, ending):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(rows_of(200)).rstrip(b"\n") + ending)
    opened = open_corpus(path)
    shards = opened.shards()
    assert len(shards) > 5
    assert shards == opened.shards()
    assert sum(shard.rows for shard in shards) == 200
    assert sum(shard.bytes for shard in shards) == path.stat().st_size
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda shard: list(opened.batches(shard)), shards))
    rows = [int(row) for batches in parts for batch in batches for row in batch.rows]
    assert rows == list(range(1, 201))
    assert {batch.part for batches in parts for batch in batches} == {s.key for s in shards}


def test_shards_of_parquet_are_a_partition(tmp_path, small_pieces):
    opened = open_corpus(write(tmp_path / "a.parquet", rows_of(100)), limit=90)
    shards = opened.shards()
    assert len(shards) > 3
    rows = [int(r) for shard in shards for b in opened.batches(shard) for r in b.rows]
    assert rows == list(range(1, 91))


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json", "b.parquet"])
def test_finished_parts_of_a_sequential_file_are_not_decoded(tmp_path, monkeypatch, name):
    monkeypatch.setattr(json_lines, "CHUNK", 700)
    monkeypatch.setattr(table_files, "MOST_ROWS", 4)
    monkeypatch.setattr("vocabtrim_core.corpora.readers.json_array.CHUNK", 700)
    path = tmp_path / name
    if name == "b.parquet":
        pq.write_table(pa.Table.from_pylist(rows_of(200)), path)  # one row group
    else:
        write(path, rows_of(200))
    opened = open_corpus(path)
    (shard,) = opened.shards()
    whole = list(opened.batches(shard))
    keys = list(dict.fromkeys(batch.part for batch in whole))
    assert len(keys) > 3
    assert [row for b in whole for row in b.rows.tolist()] == list(range(1, 201))
    rest = list(opened.batches(shard, done=set(keys[:2])))
    assert [(b.part, b.rows.tolist()) for b in rest] == [
        (b.part, b.rows.tolist()) for b in whole if b.part not in keys[:2]
    ]
    assert sum(block.file_bytes for block in opened.blocks(shard)) <= path.stat().st_size


def test_one_row_longer_than_a_chunk(tmp_path, small_pieces):
    rows = rows_of(3)
    rows[1]["messages"][1]["content"] = "long " * 5000
    for name in ("a.jsonl", "a.jsonl.gz", "a.json"):
        found = conversations(open_corpus(write(tmp_path / name, rows)))
        assert [pairs(messages) for _, messages in found] == [pairs(r["messages"]) for r in rows]


# --- fingerprint --------------------------------------------------------------------------------


def test_fingerprint_is_of_what_is_read(tmp_path, monkeypatch):
    one = write(tmp_path / "a.jsonl", rows_of(5))
    same = write(tmp_path / "b.jsonl", rows_of(5))
    other = write(tmp_path / "c.jsonl", rows_of(6))
    base = open_corpus(one).fingerprint()
    assert open_corpus(same).fingerprint() == base
    assert (
        len(
            {
                base,
                open_corpus(other).fingerprint(),
                open_corpus(one, limit=3).fingerprint(),
                open_corpus([one, other]).fingerprint(),
                open_corpus([other, one]).fingerprint(),
                open_corpus(
                    one, mapping=ColumnMapping("conversation", conversation="messages", domain="id")
                ).fingerprint(),
            }
        )
        == 6
    )
    monkeypatch.setattr(fingerprint, "_read", lambda *_: pytest.fail("the file was read again"))
    assert open_corpus(one).fingerprint() == base
    monkeypatch.undo()
    write(one, rows_of(7))
    assert open_corpus(one).fingerprint() != base


# --- preview and corpus check ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama():
    from vocabtrim_core.templates.resolve import resolve_template

    tokenizer = real_tokenizer("llama-3.1")
    return tokenizer, resolve_template(tokenizer, "llama3")


def test_preview_shows_counted_spans(tmp_path, llama):
    opened = open_corpus(write(tmp_path / "a.jsonl", rows_of(4, domain="d")))
    shown = preview(opened, *llama, rule="assistant", n=3)
    assert len(shown) == 3
    first = shown[0]
    ((start, end),) = first.spans
    assert first.text[start:end].strip() == "answer 1 answer 1<|eot_id|>"
    assert (first.row, first.domain) == (1, "d")
    assert 4 < first.tokens < 12
    rendered = [{"text": item.text} for item in shown]
    again = preview(open_corpus(write(tmp_path / "b.jsonl", rendered)), *llama, n=3)
    assert [(a.text, a.spans, a.tokens) for a in again] == [
        (b.text, b.spans, b.tokens) for b in shown
    ]


def test_preflight_says_what_counting_will_meet(tmp_path, llama):
    rows = rows_of(40, domain="d")
    rows[3]["messages"][1]["content"] = "the literal <|eot_id|> inside"
    rows[5]["messages"] += [{"role": "user", "content": "?"}, {"role": "assistant", "content": " "}]
    rows[7]["messages"] = CHAT[:1]
    rows[9]["messages"][1]["content"] = "word " * 500
    opened = open_corpus(write(tmp_path / "a.jsonl", rows))
    found = preflight(opened, *llama, max_length=100)
    assert found.complete
    assert (found.rows, found.conversations, found.messages) == (40, 39, 80)
    assert found.skipped.reasons == (("no assistant text", 1, ("a.jsonl:8",)),)
    assert (found.empty_spans, found.empty_places) == (1, ("a.jsonl:6",))
    assert (found.special_messages, found.special_literals) == (1, (("<|eot_id|>", 1),))
    assert found.roles == (("user", 40), ("assistant", 40))
    assert found.turns.largest == 2
    assert found.domains == (("d", 39),)
    assert found.length.sample == 39
    assert found.length.cut == 1
    assert found.length.lost > 400
    assert 0.4 < found.length.share < 0.9


# --- the hub ------------------------------------------------------------------------------------


@pytest.fixture
def local_dataset(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "train.jsonl", [{"question": f"q{i}", "answer": f"a{i}"} for i in range(5000)])
    return folder


@pytest.mark.parametrize("streaming", [True, False])
def test_hub_datasets_become_local_files(local_dataset, monkeypatch, streaming):
    opened = hub.fetch_hub(str(local_dataset), limit=4500, streaming=streaming, refresh=True)
    found = conversations(opened)
    assert len(found) == 4500
    assert pairs(found[-1][1]) == [("user", "q4499"), ("assistant", "a4499")]
    assert opened.name == "set/train"
    monkeypatch.setattr(hub, "_tables", lambda *_: pytest.fail("fetched again"))
    assert hub.fetch_hub(str(local_dataset), limit=4500).fingerprint() == opened.fingerprint()


def test_hub_errors_are_sentences(local_dataset, monkeypatch):
    for options in ({"split": "nope"}, {"config": "nope"}, {"limit": 0}):
        with pytest.raises(InputError) as caught:
            hub.fetch_hub(str(local_dataset), **options)
        assert "\n" not in str(caught.value)

    def offline(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", offline)
    with pytest.raises(InputError, match="openai/gsm8k could not be fetched: no connection"):
        hub.fetch_preset("gsm8k")
    with pytest.raises(InputError, match=r"MT-Bench .* has no assistant text. Prompts only"):
        hub.fetch_preset("mt-bench")
    with pytest.raises(InputError, match="no preset 'nope'"):
        hub.fetch_preset("nope")


def test_an_interrupted_fetch_leaves_nothing(local_dataset, workspace_home):
    def stop(*_, **__):
        raise KeyboardInterrupt

    before = sorted((workspace_home / "datasets").glob("*"))
    with pytest.raises(KeyboardInterrupt):
        hub.fetch_hub(str(local_dataset), limit=77, progress=stop)
    assert sorted((workspace_home / "datasets").glob("*")) == before


def test_presets_map_known_columns():
    assert len(DATASET_PRESETS) == 9
    for preset in DATASET_PRESETS.values():
        assert preset.mapping.columns
        assert preset.licence
        assert "/" in preset.dataset


def test_the_package_imports_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys, vocabtrim_core.corpora, vocabtrim_core.corpora.hub, "
        "vocabtrim_core.counting.preflight; "
        "print({'datasets', 'torch', 'transformers', 'streamlit', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
