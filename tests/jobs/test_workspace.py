"""The workspace: private, atomic, never tricked by a name, and clear about a full disk."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vocabtrim_core import workspace
from vocabtrim_core.corpora.uploads import list_uploads, remove_upload, store_upload
from vocabtrim_core.counts_store import find_counts, own_counts, remove_counts, save_counts
from vocabtrim_core.errors import InputError
from vocabtrim_core.optuna_storage import studies_url
from vocabtrim_core.process_identity import owner_mark
from vocabtrim_core.wording import format_bytes
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import atomic, sweep, write_atomic
from vocabtrim_core.workspace.records import known_damage


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_home_is_private_and_follows_the_environment(home):
    assert workspace.home() == home
    assert home.stat().st_mode & 0o777 == 0o700
    assert workspace.folder("counts").stat().st_mode & 0o777 == 0o700


def test_home_that_cannot_be_made_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(InputError, match="VOCABTRIM_HOME"):
        workspace.home()


@pytest.mark.parametrize("content", [b"new", lambda file: file.write(b"new")])
def test_write_atomic_replaces_whole_files(tmp_path, content):
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"old")
    assert write_atomic(path, content) == path
    assert path.read_bytes() == b"new"
    assert files(tmp_path) == ["deep/file"]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_atomic(tmp_path / "file", b"old")

    def broken(file):
        file.write(b"half")
        raise KeyError("bug")

    with pytest.raises(KeyError):
        write_atomic(path, broken)
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["file"]


def test_a_disk_that_is_read_only_is_a_sentence(tmp_path, monkeypatch):
    def refuse(self, *args, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(InputError, match=r"Cannot write .*file: the disk is read-only"):
        write_atomic(tmp_path / "file", b"new")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (
            errno.ENOSPC,
            "The disk that holds {folder} is full: 2.0 MB are needed and 1.5",
        ),
        (errno.EDQUOT, "Your quota on the disk that holds {folder} is used up, and 2.0 MB are"),
        (errno.EFBIG, "{folder}/file is too large: this process may write"),
    ],
)
def test_each_limit_has_its_own_sentence(tmp_path, monkeypatch, number, words):
    def full(self, *arguments, **options):
        raise OSError(number, "no room")

    monkeypatch.setattr(disk, "free_bytes", lambda path: 1_500_000)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError) as caught:
        write_atomic(tmp_path / "file", bytes(2_000_000))
    assert words.format(folder=tmp_path) in str(caught.value)
    assert files(tmp_path) == []


def test_much_free_space_is_not_called_full_without_doubt(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "free_bytes", lambda path: 65 * 10**9)
    sentence = disk.refusal(OSError(errno.ENOSPC, "no room"), tmp_path / "file", 10**6)
    assert "or a limit of this container is reached (65.0 GB look free)" in sentence


def test_a_disk_without_room_for_another_file_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "_free_inodes", lambda path: 0)
    sentence = disk.refusal(OSError(errno.ENOSPC, "no room"), tmp_path / "file", 10)
    assert "can hold no more files, however small" in sentence


def test_a_real_write_error_of_the_system_leaves_nothing(tmp_path):
    """RLIMIT_FSIZE makes the kernel refuse a write half-way, as a full disk does."""
    code = (
        "import resource, sys; from vocabtrim_core.workspace import files\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: files.write_atomic(sys.argv[1], bytes(1_000_000))\n"
        "except files.InputError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")], capture_output=True, text=True
    )
    said = "this process may write at most 100.0 kB for a file, and 1.0 MB are needed"
    assert said in done.stdout, done.stderr
    assert files(tmp_path) == []


def test_require_space_and_free_bytes_work_before_the_folder_exists(tmp_path):
    assert disk.free_bytes(tmp_path / "not" / "yet") > 0
    disk.require_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(InputError, match="are needed"):
        disk.require_space(tmp_path / "not" / "yet", 10**18)


def test_other_write_errors_are_sentences_too(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    with pytest.raises(InputError, match="Cannot write"):
        write_atomic(tmp_path / "taken", b"")
    assert files(tmp_path) == ["taken/x"]


def test_an_error_of_another_file_is_not_taken_for_ours(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "file", lambda file: (tmp_path / "none").read_bytes())


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_999, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_size(count, text):
    assert format_bytes(count) == text


# --- counts -------------------------------------------------------------------------------------


def test_counts_are_kept_once_and_found_by_key_and_path(home, make_counts, tmp_path):
    counts = make_counts([3, 0, 5])
    path = save_counts(counts)
    before = path.stat().st_mtime_ns
    assert save_counts(counts) == path
    assert path.stat().st_mtime_ns == before
    assert [stored.key for stored in own_counts()] == [counts.key]
    for spec in (path, str(path), counts.key, counts.key[:6]):
        assert find_counts(spec).key == counts.key
    remove_counts(counts.key)
    assert own_counts() == []


def test_counts_newest_first_and_a_broken_file_is_named_not_hidden(home, make_counts):
    for age, values in enumerate(([1, 2], [2, 1], [5, 5])):
        path = save_counts(make_counts(values))
        os.utime(path, (1000 - age, 1000 - age))
    (home / "counts" / "0000000000000000.npz").write_bytes(b"not counts")
    found = own_counts()
    assert [stored.counts.counts[0] for stored in found] == [1, 2, 5]
    (damage,) = known_damage()
    assert damage.path == home / "counts" / "0000000000000000.npz"
    damage.path.unlink()
    assert known_damage() == []


def test_unknown_and_ambiguous_counts(home, make_counts):
    with pytest.raises(InputError, match="no counts at nowhere"):
        find_counts("nowhere")
    with pytest.raises(InputError, match="no counts at abcdef"):
        find_counts("abcdef")
    for name in ("abcd000000000000", "abcd000000000001"):
        make_counts([1]).save(home / "counts" / f"{name}.npz")
    with pytest.raises(InputError, match="2 counts"):
        find_counts("abcd")


def test_a_changed_file_is_read_again(home, make_counts, tmp_path):
    path = tmp_path / "c.npz"
    make_counts([1, 2]).save(path)
    assert find_counts(path).tokens == 3
    make_counts([1, 2, 4]).save(path)
    assert find_counts(path).tokens == 7


# --- uploads ------------------------------------------------------------------------------------


def test_upload_keeps_the_label_but_never_makes_it_a_path(home):
    upload = store_upload(io.BytesIO(b'{"a": 1}\n'), "../../etc/my chats.JSONL.gz")
    assert upload.label == "my chats.JSONL.gz"
    assert upload.path == home / "corpora" / upload.key / "data.jsonl.gz"
    assert upload.path.read_bytes() == b'{"a": 1}\n'
    assert list_uploads() == [upload]
    inside = files(home / "corpora")
    assert inside == [f"{upload.key}/data.jsonl.gz", f"{upload.key}/upload.json"]
    remove_upload(upload.key)
    assert files(home) == []


def test_the_same_upload_is_stored_once(home):
    first = store_upload(io.BytesIO(b"x"), "a.jsonl")
    second = store_upload(io.BytesIO(b"x"), "b.jsonl")
    other = store_upload(io.BytesIO(b"x"), "a.csv")
    assert first.key == second.key != other.key
    assert {upload.label for upload in list_uploads()} == {"b.jsonl", "a.csv"}


@pytest.mark.parametrize(
    ("content", "label", "message"),
    [
        (b"x" * 101, "big.jsonl", "big.jsonl is larger than the upload limit of 100 bytes"),
        (b"", "none.jsonl", "none.jsonl is empty"),
        (b"x", "virus.exe", "virus.exe is not a kind of file"),
        (b"x", "", "upload is not a kind of file"),
    ],
)
def test_refused_uploads_leave_nothing(home, content, label, message):
    with pytest.raises(InputError, match=message):
        store_upload(io.BytesIO(content), label, cap=100)
    assert not home.exists() or files(home) == []


def test_upload_on_a_full_disk_leaves_nothing(home):
    class Endless(io.BytesIO):
        def read(self, size=-1):
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(InputError, match="is full"):
        store_upload(Endless(), "a.jsonl")
    assert files(home) == []


@pytest.mark.parametrize("key", ["..", "", "../../home", "0" * 15, "G" * 16])
def test_keys_from_links_cannot_leave_the_workspace(home, key):
    for remove in (remove_upload, remove_counts):
        with pytest.raises(InputError, match="is not a key"):
            remove(key)


def test_studies_url_is_a_database_in_the_workspace(home):
    assert studies_url() == f"sqlite:///{home}/studies/studies.db"


# --- scratch ------------------------------------------------------------------------------------


def left_behind(folder: Path) -> Path:
    """Scratch of a process that was killed while it wrote into the folder."""
    code = (
        "import os, sys; from vocabtrim_core.workspace.files import atomic, scratch_beside\n"
        "from pathlib import Path\n"
        "scratch_beside(Path(sys.argv[1], 'a-folder')).mkdir(parents=True)\n"
        "with atomic(sys.argv[1] + '/file') as scratch: scratch.touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert len(list(folder.iterdir())) == 2
    return folder


def test_scratch_of_a_killed_writer_goes_with_the_next_write(tmp_path):
    folder = left_behind(tmp_path / "counts")
    write_atomic(folder / "other", b"x")
    assert files(folder) == ["other"]
    assert [path.name for path in folder.iterdir()] == ["other"]


def test_scratch_of_a_living_writer_stays(tmp_path):
    with atomic(tmp_path / "file") as scratch:
        scratch.write_bytes(b"x")
        assert sweep(tmp_path) == 0
        assert scratch.exists()
    assert files(tmp_path) == ["file"]


def test_scratch_whose_owner_cannot_be_told_stays_for_a_day(tmp_path):
    """Of an earlier version, or of another host that shares the folder."""
    other_host = owner_mark()[:-8] + "00000000"
    names = [".file.4711.abcdef.tmp", f".file.{other_host}.abcdef.tmp"]
    for name in names:
        (tmp_path / name).touch()
    assert sweep(tmp_path) == 0
    for name in names:
        os.utime(tmp_path / name, (1.0, 1.0))
    assert sweep(tmp_path) == 2
