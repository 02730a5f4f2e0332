"""Files whose name and content disagree, and rows that are no objects."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vocabtrim_core.cli import main
from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.errors import InputError

ROW = {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "hi"}]}
LINES = (json.dumps(ROW) + "\n").encode() * 3
CONTENTS = {
    "rows.jsonl": LINES,
    "rows.json": json.dumps([ROW] * 3).encode(),
    "rows.csv": b"prompt,response\n" + b"u,hi\n" * 3,
}
PACKERS = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def said(path: Path) -> list[str]:
    batches = [*open_corpus(path).batches()]
    return [b.messages(i)[-1]["content"] for b in batches for i in range(len(b))]


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_is_read_as_what_it_is_whatever_its_name(name, packer, tmp_path):
    path = tmp_path / name
    path.write_bytes(PACKERS[packer](CONTENTS[name]))
    assert said(path) == ["hi"] * 3


def test_parquet_that_was_compressed_again(tmp_path):
    pq.write_table(pa.Table.from_pylist([ROW] * 3), tmp_path / "plain.parquet")
    path = tmp_path / "rows.parquet"
    path.write_bytes(gzip.compress((tmp_path / "plain.parquet").read_bytes()))
    assert said(path) == ["hi"] * 3


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2"])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_plain_file_named_as_compressed(name, suffix, tmp_path):
    """As a browser leaves it that unpacked a download."""
    path = tmp_path / f"{name}{suffix}"
    beginnings = ("", "\ufeff", " \n") if name != "rows.csv" else ("", "\ufeff")
    for beginning in beginnings:
        path.write_bytes(beginning.encode() + CONTENTS[name])
        assert said(path) == ["hi"] * 3


def test_plain_parquet_named_as_compressed(tmp_path):
    path = tmp_path / "rows.parquet.gz"
    pq.write_table(pa.Table.from_pylist([ROW] * 3), path)
    assert said(path) == ["hi"] * 3


def test_zstd_that_begins_with_a_frame_to_skip(tmp_path):
    """Its first bytes are not those of other zstd files, so its name decides."""
    path = tmp_path / "rows.jsonl.zst"
    path.write_bytes(b"\x50\x2a\x4d\x18\x04\0\0\0note" + PACKERS["zstd"](LINES))
    assert said(path) == ["hi"] * 3


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2"])
def test_another_suffix_than_its_compression(suffix, tmp_path):
    path = tmp_path / f"rows.jsonl{suffix}"
    for pack in PACKERS.values():
        path.write_bytes(pack(LINES))
        assert said(path) == ["hi"] * 3


@pytest.mark.parametrize("kind", ["xz", "ZIP"])
def test_a_compression_that_is_not_read_is_named(kind, tmp_path):
    path = tmp_path / "rows.jsonl"
    if kind == "xz":
        path.write_bytes(lzma.compress(LINES))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("rows.jsonl", LINES)
    with pytest.raises(InputError, match=f"rows.jsonl is compressed .*{kind}.*; unpack it"):
        open_corpus(path)


NO_ROWS = {"null": "null", "[1, 2]": "a list of numbers", "5": "a number", '"a"': "text"}


@pytest.mark.parametrize("line", NO_ROWS)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_a_row_that_is_no_object_is_one_unusable_row(name, first, line, tmp_path):
    rows = [json.dumps(ROW)] * 3
    rows.insert(0 if first else 2, line)
    path = tmp_path / name
    path.write_text("\n".join(rows) if name.endswith("l") else f"[{','.join(rows)}]")
    batches = [*open_corpus(path).batches()]
    assert sum(map(len, batches)) == 3
    (skip,) = [skip for batch in batches for skip in batch.skipped]
    assert (skip.row, skip.reason) == (
        1 if first else 3,
        f"no object with named fields but {NO_ROWS[line]}",
    )


@pytest.mark.parametrize(("rows", "code"), [(199, 0), (20, 2)])
def test_such_rows_are_reported_and_allowed_up_to_the_share(rows, code, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text((json.dumps(ROW) + "\n") * rows + "null\n")
    line = ["count", "--tokenizer", "tekken", "--template", "mistral", "--data", str(path)]
    assert main([*line, "--json"]) == code
    out = json.loads(capsys.readouterr().out)
    if code:
        assert f"rows.jsonl:{rows + 1}: no object with named fields but null" in out["error"]
    else:
        (skip,) = out["skips"]
        assert (skip["rows"], skip["places"]) == (1, [f"rows.jsonl:{rows + 1}"])


def test_a_file_of_nothing_else_says_what_to_write(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("null\n[1]\n")
    with pytest.raises(InputError, match="write every row as an object"):
        open_corpus(path)
