"""Files as they come: JSON in every arrangement, CSV with odd quotes, encodings, datasets."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from helpers.lazy import Lazy
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.corpora import ColumnMapping, open_corpus
from vocabtrim_core.corpora.readers import csv_files, json_array, table_files
from vocabtrim_core.errors import InputError

datasets = Lazy("datasets")


def row(i: int) -> dict:
    return {
        "messages": [
            {"role": "user", "content": f"q{i}"},
            {"role": "assistant", "content": f"a{i}"},
        ]
    }


def answers(path: Path | str | list, **options) -> list[str]:
    """The assistant's texts in order."""
    return [
        m["content"]
        for batch in open_corpus(path, **options).batches()
        for i in range(len(batch))
        for m in batch.messages(i)
        if m["role"] == "assistant"
    ]


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        answers(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


A, B, C = (json.dumps(row(i)) for i in (1, 2, 3))
PRETTY = json.dumps(row(1), indent=2)

# --- JSON ---------------------------------------------------------------------------------------

# name -> (text, the answers in it)
ARRANGED = {
    "an array": (f"[{A},\n{B}]\n \n", ["a1", "a2"]),
    "one object": (A, ["a1"]),
    "one object, indented": (PRETTY, ["a1"]),
    "objects, indented": (f"{PRETTY}\n{PRETTY}\n", ["a1", "a1"]),
    "objects, indented with a first line of their own": (
        "{ " + PRETTY[1:].lstrip() + "\n" + PRETTY,
        ["a1", "a1"],
    ),
    "objects on one line": (f"{A}{B} {C}", ["a1", "a2", "a3"]),
    "lines": (f"{A}\n{B}\n", ["a1", "a2"]),
    "CR line ends": (f"{A}\r{B}\r", ["a1", "a2"]),
    "rows in an object": (f'{{"version": 2, "data": [{A}, {B}]}}', ["a1", "a2"]),
    "rows deeper": (f'{{"result": {{"rows": [{A}, {B}]}}, "ok": true}}', ["a1", "a2"]),
    "splits": (f'{{"train": [{A}, {B}], "test": [{C}]}}', ["a1", "a2", "a3"]),
    "rows beside other lists": (f'{{"authors": [{{"name": "x"}}], "data": [{A}]}}', ["a1"]),
    "columns": ('{"prompt": ["p", "q"], "response": ["a1", "a2"]}', ["a1", "a2"]),
    "columns of messages": (
        f'{{"messages": [{json.dumps(row(1)["messages"])}, {json.dumps(row(2)["messages"])}]}}',
        ["a1", "a2"],
    ),
    "columns as pandas writes them": (
        '{"prompt": {"0": "p", "1": "q"}, "response": {"0": "a1", "1": "a2"}}',
        ["a1", "a2"],
    ),
    "one conversation": (json.dumps(row(1)["messages"]), None),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", [n for n, (_, found) in ARRANGED.items() if found])
def test_json_in_every_arrangement(tmp_path, monkeypatch, name, packed):
    text, expected = ARRANGED[name]
    path = tmp_path / ("a.json.gz" if packed else "a.json")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert answers(path) == expected
    assert answers(path, limit=1) == expected[:1]
    monkeypatch.setattr(json_array, "CHUNK", 7)
    assert answers(path) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[{A}]\n[{B}]", "line 2: a second array after the end of the JSON array"),
        (f"[{A}][{B}]", "line 1: a second array after"),
        (f"[{A}]\n\n, {B}", "line 3: more text (', {"),
        (f"[{A}]]", "more text (']')"),
        (f"[{A}]{B}", 'more text (\'{"messages": [{"role'),
        (f"[{A},\n{B}", "ends inside its JSON array, after row 2"),
        (f"{PRETTY}\n{PRETTY[:-9]}", "row 2: not JSON"),
        ('{"messages": [', "row 1: not JSON"),
    ],
)
@pytest.mark.parametrize("chunk", [5, 8 * 2**20])
def test_json_that_would_lose_rows_is_refused(tmp_path, monkeypatch, text, words, chunk):
    monkeypatch.setattr(json_array, "CHUNK", chunk)
    (tmp_path / "a.json").write_text(text)
    assert words in refused(tmp_path / "a.json")


def test_what_is_advised_for_json_helps(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(f"[{A}]\n[{B}]")
    sentence = refused(path)
    assert "make it one array, or one object per line in a .jsonl file" in sentence
    path.write_text(f"[{A},\n{B}]")
    lines = tmp_path / "b.jsonl"
    lines.write_text(f"{A}\n{B}\n")
    assert answers(path) == answers(lines) == ["a1", "a2"]

    lines.write_text(f"{C}\n{A}{B}\n")
    sentence = refused(lines)
    assert "b.jsonl, line 2" in sentence
    assert "a second value on the line" in sentence
    assert "write one object per line, for example with `jq -c .`" in sentence
    lines.write_text(f"{C}\n{A}\n{B}\n")  # as jq does
    assert answers(lines) == ["a3", "a1", "a2"]


def test_what_is_advised_for_a_byte_order_mark_helps(tmp_path):
    """Where a file with one was appended to another, an editor shows nothing."""
    path = tmp_path / "a.jsonl"
    path.write_text(f"{A}\n\ufeff{B}\n", "utf-8")
    sentence = refused(path)
    assert "a.jsonl, line 2, column 1: not JSON (a byte order mark" in sentence
    command = re.search(r"`(sed .*)`", sentence)
    assert command
    done = subprocess.run(
        [*shlex.split(command[1]), str(path)], capture_output=True, check=True, timeout=60
    )
    path.write_bytes(done.stdout)
    assert answers(path) == ["a1", "a2"]


# --- CSV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('prompt,response\nq1,a1\n"q2,a2\nq3,a3\n', 3),
        ('prompt,response\nq1,"a1\nq2,"a2"\n', 2),
        ('prompt,response\n"q\n1",a1\nq2,"a2\nq3,a3\nq4,"a4"\nq5,a5\n', 4),
        ('prompt,response\nq1,"a1" \nq2,a2\n', 2),
        ('prompt,response\nq1,"a1', 2),
        ('prompt\tresponse\nq1\ta1\nq2\t"a2', 3),
        ('"prompt,response\nq1,a1\n', 1),
        ('prompt,response\rq1,"a1\rq2,a2\r', 2),
        ('prompt,response\r\nq1,a1\r\nq2,"a2\r\n', 3),
        ('prompt,response\nq1,5" pipe\nq2,"a2\nq3,a3\n', 3),
    ],
)
@pytest.mark.parametrize("chunk", [23, 8 * 2**20])
def test_a_quote_that_swallows_lines_is_refused_with_its_line(
    tmp_path, monkeypatch, text, line, chunk
):
    monkeypatch.setattr(csv_files, "CHUNK", chunk)
    path = tmp_path / ("a.tsv" if "\t" in text else "a.csv")
    path.write_bytes(text.encode())
    assert f"{path.name}, line {line}: a quote opens a field" in refused(path)


def test_what_is_advised_for_quotes_helps(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('prompt,response\nq1,"he said "yes""\nq2,a2\n')
    assert 'write quotes inside a quoted field twice ("")' in refused(path)
    path.write_text('prompt,response\nq1,"he said ""yes"""\nq2,a2\n')
    assert answers(path) == ['he said "yes"', "a2"]


@pytest.mark.parametrize(
    ("text", "words", "mended"),
    [
        ("prompt,response\nq1,a1\nq2\n", "row 2: not CSV", "prompt,response\nq1,a1\nq2,\n"),
        (
            'prompt,response\nq1, "a1, b"\n',
            "a value with a comma in it in quotes, without a blank before them",
            'prompt,response\nq1,"a1, b"\n',
        ),
        (
            "prompt;response\nq1;a;1\n",
            "a value with a semicolon in it in quotes",
            'prompt;response\nq1;"a;1"\n',
        ),
        (
            "prompt,response,response\nq1,a1,b1\n",
            "has 2 columns called response; give each a name of its own",
            "prompt,response,other\nq1,a1,b1\n",
        ),
        (
            "What?,This.\nAnd?,That.\n",
            "If its first line is a row already, write a line above it that names the columns",
            "prompt,response\nWhat?,This.\nAnd?,That.\n",
        ),
    ],
)
def test_what_is_advised_for_rows_of_csv_helps(tmp_path, text, words, mended):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert words in refused(path)
    path.write_text(mended)
    table = csv.DictReader(io.StringIO(mended), delimiter=";" if ";" in mended else ",")
    assert answers(path) == [row["response"] for row in table if row["response"]]


def test_the_delimiter_is_not_one_inside_quotes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"question, in full";response\n"a, b";c\n')
    words = refused(path).partition("for example ")[2].partition(" If its")[0].rstrip(".")
    assert answers(path, mapping=ColumnMapping.parse(shlex.split(words))) == ["c"]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv"])
@pytest.mark.parametrize(("twin", "read"), [("response", False), ("note", True)])
def test_two_columns_of_one_name_are_refused_where_they_are_read(tmp_path, name, twin, read):
    names, path = ["prompt", "response", twin, twin], tmp_path / name
    table = pa.Table.from_arrays([pa.array([t]) for t in ("q", "a", "b", "c")], names=names)
    if path.suffix == ".csv":
        path.write_text(f"{','.join(names)}\nq,a,b,c\n")
    elif path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)
    if read:
        assert answers(path) == ["a"]
    else:
        assert f"{name} has 3 columns called response" in refused(path)


def test_quotes_inside_plain_fields_are_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('prompt,response\nq1,a 5" pipe\nq2,he said "yes"\nq3,"a\n3"\n')
    assert answers(path) == ['a 5" pipe', 'he said "yes"', "a\n3"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(st.sampled_from('ab"",\n\r '), max_size=12), max_size=6),
    st.sampled_from([24, 40, 8 * 2**20]),
)
def test_csv_is_what_pythons_csv_module_reads(tmp_path_factory, pieces, chunk):
    """Strictly, with as many fields in every row: the same rows, or an error where it has one."""
    text = "prompt,response\n" + ",".join(pieces)
    path = tmp_path_factory.mktemp("csv") / "random.csv"
    path.write_bytes(text.encode())
    try:
        rows = [r for r in csv.reader(io.StringIO(text, newline=""), strict=True) if r]
    except csv.Error:
        rows = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_files, "CHUNK", chunk)
        try:
            found = [list(each.values()) for each in _all_rows(path)]
        except InputError:
            found = None
    good = rows is not None and all(len(fields) == 2 for fields in rows)
    assert found == (rows[1:] if rows and good else None)


PAIR = ColumnMapping("prompt_response", prompt="prompt", response="response")


def _all_rows(path: Path):
    from vocabtrim_core.corpora.compression import open_stream

    with open_stream(path) as stream:
        for batch in csv_files._csv_batches(stream, path, PAIR):
            yield from batch.to_pylist()


# --- encodings and line ends --------------------------------------------------------------------

TEXTS = {
    "a.jsonl": json.dumps(row(1)) + "\n" + json.dumps(row(2)) + "\n",
    "a.json": json.dumps([row(1), row(2)], indent=1),
    "b.json": json.dumps(row(1), indent=1) + json.dumps(row(2), indent=1),
    "a.csv": 'prompt,response\nq1,a1\n"q2",a2\n',
    "a.tsv": 'prompt\tresponse\nq1\ta1\n"q2"\ta2\n',
}
UTF16 = [
    ("utf-16", b"", "UTF-16"),
    ("utf-16-le", b"", "UTF-16LE"),
    ("utf-16-be", b"", "UTF-16BE"),
    ("utf-16-be", codecs.BOM_UTF16_BE, "UTF-16"),
    ("utf-32", b"", "UTF-32"),
]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_and_marks(tmp_path, name, end, mark, packed):
    data = mark + TEXTS[name].replace("\n", end).encode()
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert answers(path) == ["a1", "a2"]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(("encoding", "mark", "called"), UTF16)
def test_other_encodings_are_refused_with_what_helps(tmp_path, name, encoding, mark, called):
    path = tmp_path / name
    path.write_bytes(mark + TEXTS[name].encode(encoding))
    sentence = refused(path)
    assert f"{name}, line 1: not UTF-8 but {called}" in sentence
    assert f"iconv -f {called} -t UTF-8" in sentence
    if not shutil.which("iconv"):
        pytest.skip("iconv is not installed here")
    done = subprocess.run(["iconv", "-f", called, "-t", "UTF-8", path], capture_output=True)
    path.write_bytes(done.stdout)
    assert answers(path) == ["a1", "a2"]


# --- Arrow files --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["stream", "file"])
@pytest.mark.parametrize("limit", [None, 1, 7, 100])
def test_arrow_files(tmp_path, monkeypatch, kind, limit):
    monkeypatch.setattr(table_files, "MOST_ROWS", 3)
    table = pa.Table.from_pylist([row(i) for i in range(20)])
    make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    path = tmp_path / "a.arrow"
    with make(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=8)
    assert answers(path, limit=limit) == [f"a{i}" for i in range(20)][:limit]
    assert open_corpus(path).describe().files[0].format == "Arrow"
    (shard,) = open_corpus(path).shards()
    rows = [int(r) for batch in open_corpus(path).batches(shard) for r in batch.rows]
    assert rows == list(range(1, 21))


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.999])
@pytest.mark.parametrize("kind", ["stream", "file"])
def test_an_arrow_file_that_is_cut_off_is_refused(tmp_path, kind, kept):
    table = pa.Table.from_pylist([row(i) for i in range(50)])
    make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    with make(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=5)
    data = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(data[: int(len(data) * kept)])
    assert "a.arrow cannot be read as Arrow" in refused(tmp_path / "a.arrow")


def test_an_arrow_stream_cut_between_its_messages_is_refused(tmp_path):
    table = pa.Table.from_pylist([row(1)])
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    data = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(data.removesuffix(b"\xff\xff\xff\xff\0\0\0\0"))
    assert "cut off" in refused(tmp_path / "a.arrow")


# --- folders of datasets ------------------------------------------------------------------------


def dataset(first: int, last: int) -> datasets.Dataset:
    return datasets.Dataset.from_list([row(i) for i in range(first, last)])


def test_a_saved_dataset_is_read_as_it_is(tmp_path):
    dataset(0, 9).save_to_disk(tmp_path / "set", num_shards=3)
    (tmp_path / "set" / "cache-1234.arrow").write_bytes(b"of an earlier map()")
    corpus = open_corpus(tmp_path / "set")
    loaded = datasets.load_from_disk(tmp_path / "set")
    assert answers(tmp_path / "set") == [each[1]["content"] for each in loaded["messages"]]
    assert corpus.labels == tuple(f"data-{i:05d}-of-00003.arrow" for i in range(3))
    assert corpus.left_out == (
        "cache-1234.arrow (not named in state.json)",
        "dataset_info.json (describes the dataset)",
        "state.json (describes the dataset)",
    )
    assert answers(tmp_path / "set" / "data-00001-of-00003.arrow") == ["a3", "a4", "a5"]
    (tmp_path / "set" / "data-00001-of-00003.arrow").unlink()
    assert "lacks data-00001-of-00003.arrow, which its state.json names" in refused(
        tmp_path / "set"
    )


def test_a_saved_dataset_of_splits_is_read_in_its_order_and_said(tmp_path):
    splits = datasets.DatasetDict({"train": dataset(0, 3), "test": dataset(3, 5)})
    splits.save_to_disk(tmp_path / "set")
    corpus = open_corpus(tmp_path / "set")
    assert answers(tmp_path / "set") == ["a0", "a1", "a2", "a3", "a4"]
    (note,) = corpus.describe().notes
    assert note.startswith("The splits train, test are all read; give ")
    advised = note.partition("give ")[2].removesuffix(" for one.")
    assert answers(advised) == ["a0", "a1", "a2"]


@pytest.mark.parametrize("name", ["_indices_data_files", "_indices_files"])
def test_a_dataset_with_indices_of_an_older_version_is_refused(tmp_path, name):
    """Up to 1.x select() and shuffle() were saved as a second file that orders the rows."""
    dataset(0, 5).save_to_disk(tmp_path / "set")
    state = tmp_path / "set" / "state.json"
    fields = json.loads(state.read_text())
    state.write_text(json.dumps({**fields, name: None}))
    assert answers(tmp_path / "set") == ["a0", "a1", "a2", "a3", "a4"]
    state.write_text(json.dumps({**fields, name: []}))
    assert answers(tmp_path / "set") == ["a0", "a1", "a2", "a3", "a4"]
    state.write_text(json.dumps({**fields, name: [{"filename": "indices.arrow"}]}))
    with pytest.raises(InputError, match=rf"{name} in its state\.json.*flatten_indices"):
        open_corpus(tmp_path / "set")
    dataset(0, 5).select([3, 1]).flatten_indices().save_to_disk(tmp_path / "flat")
    assert answers(tmp_path / "flat") == ["a3", "a1"]


def test_a_cloned_repository_is_read_as_its_data(tmp_path):
    (tmp_path / "data").mkdir()
    for split, first, last in (("test", 3, 5), ("train", 0, 3)):
        dataset(first, last).to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# A set")
    (tmp_path / ".gitattributes").write_text("*.parquet filter=lfs")
    (tmp_path / "dataset_infos.json").write_text(json.dumps({"default": {"splits": {}}}))
    (tmp_path / "package.json").write_text(json.dumps({"name": "x", "files": [{"a": "b"}]}))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.json").write_text("[]")
    (tmp_path / ".git" / "objects").mkdir()
    (tmp_path / ".git" / "objects" / "y").write_text("")
    (tmp_path / "data" / "_old").mkdir()
    (tmp_path / "data" / "_old" / "z.jsonl").write_text("")
    corpus = open_corpus(tmp_path)
    assert answers(tmp_path) == ["a3", "a4", "a0", "a1", "a2"]
    assert corpus.left_out == (
        ".gitattributes (hidden)",
        "README.md (not a data file)",
        "dataset_infos.json (describes the dataset)",
        "package.json (one JSON object, not rows)",
        ".git/, 2 files (hidden)",
        "data/_old/, 1 file (hidden)",
    )
    assert corpus.describe().data_left_out == (
        "dataset_infos.json (describes the dataset)",
        "package.json (one JSON object, not rows)",
    )
    (note,) = corpus.describe().notes
    assert note.startswith("The splits test, train are all read")
    advised = note.partition("give ")[2].removesuffix(" for one.")
    assert answers(advised) == ["a3", "a4"]


CARDS = {
    "configs:\n- config_name: chat\n  data_files: good/*.jsonl": ["good/a.jsonl"],
    "configs:\n- config_name: chat\n  data_dir: good": ["good/a.jsonl"],
    "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: good/a.jsonl\n"
    "  - split: test\n    path: [good/b.jsonl]": ["good/a.jsonl", "good/b.jsonl"],
    "configs:\n- config_name: old\n  data_files: old.jsonl\n- config_name: new\n  default: true\n"
    "  data_files:\n    train: good/**": ["good/a.jsonl"],
    "configs:\n- config_name: gone\n  data_files: gone/*.jsonl": None,
    "configs:\n- config_name: out\n  data_files: ['../**', '/**', 'good/../*.jsonl']": None,
    "configs: 3": None,
    "configs:\n- config_name: [": None,
    "license: mit": None,
}


@pytest.mark.parametrize("card", CARDS)
def test_the_card_of_a_repository_says_what_its_data_are(tmp_path, card):
    names = {
        "good/a.jsonl": 1,
        "old.jsonl": 2,
        **({"good/b.jsonl": 3} if "b.jsonl" in card else {}),
    }
    for name, i in names.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(row(i)) + "\n")
    (tmp_path / "README.md").write_text(f"---\n{card}\n---\n# A set\n")
    right = CARDS[card] or sorted(names)
    assert answers(tmp_path) == [f"a{names[name]}" for name in right]
    others = [f"{name} (not named in README.md)" for name in sorted(names) if name not in right]
    assert list(open_corpus(tmp_path).describe().data_left_out) == others


def test_files_beside_the_shards_of_a_repository_are_no_rows_of_it(tmp_path):
    """`datasets` loads data/SPLIT-… alone; a table of labels beside it stopped the whole count."""
    (tmp_path / "data").mkdir()
    dataset(0, 3).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    (tmp_path / "data" / "labels.csv").write_text("name,type\nmath,int\n")
    (tmp_path / "trees.jsonl").write_text(json.dumps(row(0)) + "\n")
    assert answers(tmp_path) == ["a0", "a1", "a2"]
    beside = "(beside the shards in data)"
    assert open_corpus(tmp_path).left_out == (
        f"data/labels.csv {beside}",
        f"trees.jsonl {beside}",
    )
    assert answers(tmp_path / "trees.jsonl") == ["a0"]


def test_a_folder_of_single_conversations(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.json").write_text(json.dumps({"id": i, **row(i)}, indent=2))
    (tmp_path / "settings.json").write_text('{"theme": "dark"}')
    assert answers(tmp_path) == ["a0", "a1", "a2"]
    assert open_corpus(tmp_path).left_out == ("settings.json (one JSON object, not rows)",)


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.json", "a.arrow", "a.csv"])
@pytest.mark.parametrize("folder", [True, False])
def test_a_pointer_of_git_lfs_is_refused_with_what_helps(tmp_path, name, folder):
    path = tmp_path / name
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    path.write_text(pointer)
    (tmp_path / "0.jsonl").write_text(A + "\n")
    sentence = refused(tmp_path if folder else path)
    assert f"{name} is a Git LFS pointer, not the data" in sentence
    assert "`git lfs pull`" in sentence
    table = pa.Table.from_pylist([{"prompt": "q", "response": "pulled"}])
    if name == "a.parquet":
        pq.write_table(table, path)
    elif name == "a.arrow":
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    else:
        path.write_text(
            "prompt,response\nq,pulled\n"
            if name == "a.csv"
            else json.dumps({"prompt": "q", "response": "pulled"}) + "\n"
        )
    assert answers(path) == ["pulled"]


def test_pickles_are_never_read(tmp_path):
    import pickle

    path = tmp_path / "rows.pkl"
    path.write_bytes(pickle.dumps([row(1)]))
    assert "is not a kind of file that can be read" in refused(path)
    np.savez(tmp_path / "rows.npz", rows=np.array([row(1)], object))
    assert "rows.npz (not a data file), rows.pkl (not a data file)" in refused(tmp_path)
