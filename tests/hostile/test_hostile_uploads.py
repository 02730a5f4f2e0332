"""An upload that takes too much to read is met by another process, not by the app."""

import json

import pytest

from vocabtrim_core import upload_checks
from vocabtrim_core.errors import InputError
from vocabtrim_core.upload_checks import check_upload


@pytest.fixture
def reader(monkeypatch, tmp_path):
    """Lets the child read with other Python code: `reader("x = 1")`."""

    def install(code: str) -> None:
        script = tmp_path / "child.py"
        script.write_text(
            "import os, sys\n"
            "from vocabtrim_core import upload_checks\n"
            f"def read(path):\n    {code}\n"
            "upload_checks.READERS = {'mapping': read}\n"
            f"upload_checks.CPU_SECONDS = {upload_checks.CPU_SECONDS}\n"
            f"upload_checks.MEMORY = {upload_checks.MEMORY}\n"
            "os._exit(upload_checks.main(sys.argv[1:]))\n"
        )
        run = upload_checks.subprocess.run

        def with_script(command, **options):
            return run([command[0], str(script), *command[3:]], **options)

        monkeypatch.setattr(upload_checks.subprocess, "run", with_script)

    return install


def test_memory(reader, monkeypatch, tmp_path):
    monkeypatch.setattr(upload_checks, "MEMORY", 2**30)
    reader("bytearray(2**31)")
    with pytest.raises(InputError, match="of memory to read"):
        check_upload("mapping", tmp_path)


def test_cpu_time(reader, monkeypatch, tmp_path):
    monkeypatch.setattr(upload_checks, "CPU_SECONDS", 1)
    reader("while True: pass")
    with pytest.raises(InputError, match="1 s of CPU time"):
        check_upload("mapping", tmp_path)


def test_wall_time(reader, monkeypatch, tmp_path):
    monkeypatch.setattr(upload_checks, "WALL_SECONDS", 2)
    reader("import time; time.sleep(60)")
    with pytest.raises(InputError, match="more than 2 s"):
        check_upload("mapping", tmp_path)


def test_a_reader_that_dies(reader, tmp_path):
    reader("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(InputError, match="ends the program"):
        check_upload("mapping", tmp_path)


def test_bad_content_is_left_to_the_page(tmp_path):
    path = tmp_path / "ids.json"
    path.write_text("[1.5]")
    check_upload("mapping", path)
    check_upload("corpus", path)
    (tmp_path / "tokenizer.json").write_text("{}")
    check_upload("tokenizer", tmp_path)


def test_good_uploads_pass(tmp_path):
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    corpus = tmp_path / "chat.jsonl"
    corpus.write_text(json.dumps(row) + "\n")
    check_upload("corpus", corpus)
