"""Throughput's section "Is the draft used?" through AppTest, on recorded servers and logs."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from helpers import APP
from helpers.lazy import Lazy
from helpers.recorded_server import log, replaying

from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.jobs import control as jobs

testing = Lazy("streamlit.testing.v1")
SECTION = "Is the draft used?"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    monkeypatch.setattr(jobs, "start", lambda *argv, **more: None)
    return tmp_path


def opened() -> testing.AppTest:
    app = testing.AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["section"] = SECTION
    app.run()
    app.switch_page("pages/throughput.py").run()
    assert not app.exception
    return app


def words(app: testing.AppTest) -> str:
    kinds = (*app.markdown, *app.caption, *app.error, *app.success, *app.info, *app.subheader)
    return "\n".join(element.value for element in kinds).replace("\\", "")


def examine(app: testing.AppTest, **fields) -> str:
    for key, value in fields.items():
        app.text_input(key=f"doctor_{key}").set_value(value)
    app.run()
    next(button for button in app.button if button.key == "examine").click().run()
    assert not app.exception
    return words(app)


def said_on(app: testing.AppTest) -> str:
    return "\n".join(element.value for element in (*app.caption, *app.markdown))


def command(app: testing.AppTest) -> list[str]:
    lines = [block.value for block in app.code if " doctor " in block.value]
    return shlex.split(lines[-1])[3:]


def test_nothing_is_asked_before_something_is_named():
    app = opened()
    assert "Name a server of this machine" in words(app)
    assert next(button for button in app.button if button.key == "examine").disabled
    assert command(app) == ["doctor", "URL"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vllm-trimmed", "Is its acceptance that of a working draft?** yes"),
        ("vllm-random", "Is its acceptance that of a working draft?** no"),
        ("llama-plain", "Is a draft loaded?** no"),
        ("sglang-trimmed", "SGLang 0.5.23 at"),
        ("vllm-no-d2t", "Name the draft's folder with “Folder of the draft”."),
    ],
)
def test_a_server_of_this_machine_is_examined(name, said):
    app = opened()
    with replaying(name) as server:
        server.posted.append(("", {}))
        assert said in examine(app, url=server.url)
        assert command(app) == ["doctor", server.url]
    assert "--draft" not in said_on(app)
    faults = name in ("vllm-random", "llama-plain")
    assert bool(app.error) is faults


def test_an_uploaded_log_is_examined_with_counts_of_the_text(make_counts):
    counts = make_counts([1, *range(1, 49_152)])
    save_counts(counts)
    key = counts.key
    app = opened()
    app.selectbox(key="doctor_counts").set_value(key)
    path = log("llama-verbose")
    app.file_uploader(key="doctor_log").upload(path.name, path.read_bytes())
    said = examine(app)
    assert "llama.cpp loaded 4,096 rows." in said
    assert command(app) == ["doctor", "llama-verbose.log", "--counts", key]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://10.0.0.7:8000", "for 10.0.0.7 run the command below in a shell"),
        ("http://127.0.0.1.evil.example:80", "this machine alone"),
        ("http://u:secret@127.0.0.1:1", "must not hold a password"),
        ("127.0.0.1:9", "does not answer"),
        ("file:///etc/passwd", "this machine alone"),
    ],
)
def test_other_addresses_are_refused_in_a_sentence(url, said):
    assert said in examine(opened(), url=url)


def test_what_is_no_log_is_refused_in_a_sentence():
    app = opened()
    app.file_uploader(key="doctor_log").upload("notes.txt", b"hello\n<b>bold</b>")
    said = examine(app)
    assert "notes.txt is no log of" in said
    assert "bold" not in said
