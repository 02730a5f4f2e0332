"""Mapping, counts and manifest files that lie about themselves: one sentence, little memory."""

import json
import struct
import zipfile
import zlib

import numpy as np
import psutil
import pytest
import torch

from vocabtrim_core.cli import main

V = 40
DRAFT = ("--draft", "llama-3.1-8b")


@pytest.fixture
def counts(tmp_path, make_counts):
    path = tmp_path / "counts.npz"
    make_counts(list(range(1, V + 1))).save(path)
    return path


def header(shape: str, descr: str = "'<i8'") -> bytes:
    """The header of an .npy that claims a shape."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def refused(argv, capsys) -> str:
    before = psutil.Process().memory_info().rss
    assert main([str(word) for word in argv]) == 2
    assert psutil.Process().memory_info().rss - before < 200_000_000
    out, err = capsys.readouterr()
    assert not out
    assert len(err.strip().splitlines()) == 1
    return err


NPY = {
    "claims": header("(375000000,)") + b"\0" * 8,
    "negative": header("(-5,)"),
    "beyond 64 bits": header("(99999999999999999999,)"),
    "objects": header("(5,)", "'|O'") + b"\0" * 40,
    "a call": header("(__import__('os').getpid(),)"),
    "nested": b"\x93NUMPY\x01\x00" + struct.pack("<H", 5001) + b"(" * 5000 + b"\n",
    "scalar": header("()") + b"\0" * 8,
    "no size": header("(10000000000,)", "'|S0'"),
    "version": b"\x93NUMPY\x09\x00" + b"\0" * 50,
    "long header": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "empty": b"",
    "two dimensions": header("(2, 1)") + b"\0" * 16,
}


@pytest.mark.parametrize("content", NPY.values(), ids=list(NPY))
def test_npy(content, counts, tmp_path, capsys):
    path = tmp_path / "ids.npy"
    path.write_bytes(content)
    assert "ids.npy" in refused(["compare", path, "--counts", counts], capsys)


def zeros(path, name: str, size: int) -> None:
    """A zip whose one entry is `size` bytes of zeros behind the header of an array, compressed."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as entry,
    ):
        entry.write(header(f"({size // 8},)"))
        for _ in range(size // 2**20):
            entry.write(bytes(2**20))


def test_an_npz_that_unpacks_to_gigabytes(counts, tmp_path, capsys):
    path = tmp_path / "bomb.npz"
    zeros(path, "ids.npy", 3 * 2**28)
    assert path.stat().st_size < 2**20
    assert "more than" in refused(["compare", path, "--counts", counts], capsys)
    assert "more than" in refused(["optimize", path, *DRAFT], capsys)


def of_unknown_method(content: bytes) -> bytes:
    changed = bytearray(content)
    for at in (8, changed.rfind(b"PK\x01\x02") + 10):
        changed[at] = 99
    return bytes(changed)


def encrypted(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[6] |= 1
    changed[changed.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


@pytest.mark.parametrize("change", [of_unknown_method, encrypted, lambda content: content[:-30]])
def test_odd_zips(change, counts, tmp_path, capsys):
    path = tmp_path / "odd.npz"
    np.savez(path, ids=np.arange(3))
    path.write_bytes(change(path.read_bytes()))
    assert "odd.npz" in refused(["compare", path, "--counts", counts], capsys)


def test_stored_zips_that_overlap_are_refused(counts, tmp_path, capsys):
    path = tmp_path / "over.npz"
    content = header("(1000,)") + bytes(8000)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ids.npy", content)
        for name in ("a", "b", "c"):  # entries that all point at the first one's bytes
            info = zipfile.ZipInfo(name)
            info.file_size = info.compress_size = len(content)
            info.CRC, info.header_offset = zlib.crc32(content), 0
            archive.filelist.append(info)
    assert "claims" in refused(["compare", path, "--counts", counts], capsys)


TORCH = {
    "stride 0": {
        "d2t": torch.zeros(1, dtype=torch.int64).expand(10**9),
        "t2d": torch.ones(1, dtype=torch.bool).expand(10**9),
    },
    "in a list": [torch.zeros(1, dtype=torch.int64).expand(10**9)],
    "sparse": torch.sparse_coo_tensor(torch.tensor([[0]]), torch.tensor([1]), (10**9,)),
    "scalar head": {
        "d2t": torch.arange(3),
        "t2d": torch.ones(5, dtype=torch.bool),
        "lm_head.weight": torch.tensor(1.0),
    },
    "nothing": None,
    "text": "x",
    "fractions": torch.rand(5),
    "a matrix": torch.zeros(2, 2, dtype=torch.int64),
}


@pytest.mark.parametrize("value", TORCH.values(), ids=list(TORCH))
def test_torch_files(value, counts, tmp_path, capsys):
    path = tmp_path / "map.pt"
    torch.save(value, path)
    assert "map.pt" in refused(["compare", path, "--counts", counts], capsys)


def test_a_torch_file_that_was_compressed_afterwards(counts, tmp_path, capsys):
    torch.save([1, 2], tmp_path / "plain.pt")
    path = tmp_path / "packed.pt"
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    assert "compressed" in refused(["compare", path, "--counts", counts], capsys)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" + "9" * 6000 + "]",
        '{"ids": [1], "about": "\\ud800"}',
        "[1.5]",
        "[true]",
        "[[0, 4611686018427387904]]",
        "null",
        "",
    ],
)
def test_json_lists(text, counts, tmp_path, capsys):
    path = tmp_path / "list.json"
    path.write_text(text)
    assert "list.json" in refused(["compare", path, "--counts", counts], capsys)


WRONG = (5, "x", None, [5], {"a": 5}, -1, 2**70, ["\ud800"])


def checked(argv, capsys) -> None:
    """The file is used, or refused in a sentence; never anything else."""
    assert main([str(word) for word in argv]) in (0, 2)
    assert "Unexpected" not in capsys.readouterr().err


def test_manifests_with_fields_of_other_types(counts, tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(["export", str(counts), "--k", "5", "--format", "specforge", "--out", str(out)]) == 0
    )
    manifest = out / "manifest.json"
    written = json.loads(manifest.read_text())
    for name in written:
        for value in WRONG:
            manifest.write_text(json.dumps({**written, name: value}))
            checked(["compare", out, "--counts", counts], capsys)
    manifest.write_text(json.dumps({**written, "k": "5"}))
    assert "`$.k`" in refused(["compare", out, "--counts", counts], capsys)


def test_counts_with_fields_of_other_types(counts, capsys):
    with np.load(counts) as arrays:
        numbers, meta = arrays["counts"], json.loads(str(arrays["meta"]))

    def save(changed, values=numbers):
        np.savez(counts, counts=values, meta=np.array(json.dumps(changed)))

    for name in meta:
        for value in WRONG:
            save({**meta, name: value})
            checked(["optimize", counts, *DRAFT], capsys)
    for name in meta["provenance"]:
        for value in WRONG:
            save({**meta, "provenance": {**meta["provenance"], name: value}})
            checked(["optimize", counts, *DRAFT], capsys)
    save({**meta, "conversations": -1})
    assert "negative" in refused(["optimize", counts, *DRAFT], capsys)
    save({**meta, "provenance": {**meta["provenance"], "corpora": [{"name": "x"}]}})
    assert "sha256" in refused(["optimize", counts, *DRAFT], capsys)
    save(meta, np.full(V, 2**62))
    assert "add up" in refused(["optimize", counts, *DRAFT], capsys)
