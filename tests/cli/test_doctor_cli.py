"""The command `doctor`: its exit codes, its text, and what it refuses."""

from __future__ import annotations

import pytest
from helpers.recorded_server import log, replaying


def test_exit_codes_are_0_without_a_fault_and_1_with_one(cli, ok):
    found = ok("doctor", log("vllm-trimmed"), text="Is a draft loaded? yes")
    assert found["faults"] == 0
    assert {row["verdict"] for row in found["findings"]} == {"yes", "unknown"}
    code, out, _ = cli("doctor", log("vllm-random"))
    assert code == 1
    assert "! Is its acceptance that of a working draft? no" in out
    assert "\n  -> " in out
    code, out, err = cli("doctor", log("vllm-plain"), "--json")
    assert code == 1
    assert '"key": "loaded"' in out
    assert "Traceback" not in err


def test_a_url_with_questions_and_counts(ok, make_counts, tmp_path):
    counts = make_counts([*range(1, 49_152 + 1)])
    path = tmp_path / "my.npz"
    counts.save(path)
    with replaying("llama-trimmed") as server:
        found = ok("doctor", server.url, log("llama-verbose"), "--answers", 3, "--counts", path)
    reasons = {row["key"]: row["reason"] for row in found["findings"]}
    assert "by the 1,207,984,128 tokens of" in reasons["acceptance"]
    assert len(server.posted) == 3
    assert found["engine"] == "llama.cpp"
    assert found["source"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("http://name:secret@127.0.0.1:1",), "must not hold a password"),
        (("http://127.0.0.1:9",), "does not answer"),
        (("missing.log",), "cannot be read"),
        ((log("vllm-trimmed"), "--engine", "tgi"), "is none of"),
        ((log("vllm-trimmed"), log("llama-plain")), "one server"),
        ((log("vllm-trimmed"), "--draft", "nowhere"), "no model folder"),
        ((log("vllm-trimmed"), "--answers", 2), "a log cannot be asked"),
        ((log("vllm-trimmed"), "--counts", "nowhere.npz"), "nowhere"),
    ],
)
def test_bad_input_is_exit_code_2(refused, argv, words):
    sentence = refused("doctor", *argv)
    assert words in sentence
    assert "secret" not in sentence
