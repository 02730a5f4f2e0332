"""Regeneration: the local target, and servers that speak over a real socket."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from vocabtrim_core.cli import main
from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.drafts.alignment import compare
from vocabtrim_core.drafts.completion_clients import Sampling, ServerAnswerer
from vocabtrim_core.drafts.local_answerer import LocalAnswerer
from vocabtrim_core.drafts.regenerate import regenerate
from vocabtrim_core.errors import Cancelled, InputError


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _corpus(tmp_path: Path, conversations: list[list[str]]):
    """Each list alternates user and assistant."""
    roles = ("user", "assistant")
    lines = [
        json.dumps(
            {
                "conversations": [
                    {"role": roles[i % 2], "content": text} for i, text in enumerate(texts)
                ]
            }
        )
        for texts in conversations
    ]
    path = tmp_path / "asked.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return open_corpus(path)


def test_answers_follow_the_new_history(server, tmp_path) -> None:
    corpus = _corpus(tmp_path, [["a", "old", "b", "old"], ["c", "old"]])
    out = tmp_path / "new.jsonl"
    made = regenerate(corpus, ServerAnswerer(server.url, Sampling(0.7, 9)), Sampling(0.7, 9), out)
    assert (made.conversations, made.answers) == (2, 3)
    first, second = _rows(out)
    assert [m["content"] for m in first["conversations"]] == ["a", "About a", "b", "About b"]
    assert [m["content"] for m in second["conversations"]] == ["c", "About c"]
    bodies = [body for _, body in server.requests]
    assert all(
        b["model"] == "tiny" and b["temperature"] == 0.7 and b["max_tokens"] == 9 for b in bodies
    )
    histories = [len(b["messages"]) for b in bodies]
    assert sorted(histories) == [1, 1, 3]
    settings = json.loads((tmp_path / "new.jsonl.about.json").read_text("utf-8"))["settings"]
    assert (settings["temperature"], settings["template"]) == (0.7, "the server's")
    assert made.corpus().describe().sure
    # Finished: asked again, it answers from disk; with other settings it refuses.
    before = len(server.requests)
    again = regenerate(corpus, ServerAnswerer(server.url, Sampling(0.7, 9)), Sampling(0.7, 9), out)
    assert again == made
    assert len(server.requests) == before
    with pytest.raises(InputError, match="another temperature"):
        regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(0.0, 9), out)


def test_sglang_gets_our_rendering(server, tmp_path, small_recipe) -> None:
    corpus = _corpus(tmp_path, [["a", "old"]])
    who = ServerAnswerer(server.url, Sampling(), api="sglang", template=small_recipe.template)
    regenerate(corpus, who, Sampling(), tmp_path / "new.jsonl")
    ((path, body),) = server.requests
    assert path == "/generate"
    assert body["text"].endswith("<|start_header_id|>assistant<|end_header_id|>\n\n")
    assert body["text"].startswith("<|begin_of_text|>")
    assert body["sampling_params"] == {"temperature": 0.0, "max_new_tokens": 512}


def test_a_stopped_regeneration_continues_by_row(server, tmp_path) -> None:
    corpus = _corpus(tmp_path, [[f"q{i}", "old"] for i in range(12)])
    out, partial = tmp_path / "new.jsonl", tmp_path / "new.jsonl.partial"

    def stop(done, total=None, message="", **rates) -> None:
        if partial.is_file() and len(partial.read_text("utf-8").splitlines()) > 4:
            raise Cancelled("Stopped.")

    server.fail = lambda n, body: time.sleep(0.15)
    with pytest.raises(Cancelled):
        regenerate(
            corpus, ServerAnswerer(server.url, Sampling(), 1), Sampling(), out, progress=stop
        )
    kept = len(partial.read_text("utf-8").splitlines()) - 1
    assert 0 < kept < 12
    with partial.open("a") as file:
        file.write('{"row": 11, "conv')  # what a kill leaves behind
    server.fail, before = (lambda n, body: None), len(server.requests)
    regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), out)
    assert len(server.requests) - before == 12 - kept
    assert [row["row"] for row in _rows(out)] == list(range(12))
    assert not partial.exists()


def test_rows_that_get_no_answer_are_left_out_and_named(server, tmp_path) -> None:
    corpus = _corpus(tmp_path, [["good", "x"], ["bad", "x"], ["busy", "x"], ["empty", "x"]])
    tries: dict[str, int] = {}

    def fail(n, body):
        said = body["messages"][-1]["content"]
        tries[said] = tries.get(said, 0) + 1
        return {
            "bad": (b"no such thing", 400),
            "busy": (b"wait", 503) if tries[said] < 3 else None,
            "empty": ({"choices": [{"message": {"content": " "}}]},),
        }.get(said)

    server.fail = fail
    who = ServerAnswerer(server.url, Sampling(), wait=0.01)
    made = regenerate(corpus, who, Sampling(), tmp_path / "new.jsonl")
    assert [row["row"] for row in _rows(made.path)] == [0, 2]
    assert made.refused == {"HTTP 400: no such thing": 1, "an empty answer": 1}
    assert tries["bad"] == 1


TALKS = [
    ["a", "x"],
    ["cut at once", "x", "never asked", "x"],
    ["b", "x", "cut later", "x", "never asked either", "x"],
    ["unsaid, full", "x"],
    ["unsaid, short", "x"],
]


def test_answers_cut_by_the_limit_are_left_out(server, tmp_path) -> None:
    corpus, out = _corpus(tmp_path, TALKS), tmp_path / "new.jsonl"
    made = regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), out)
    contents = [[m["content"] for m in row["conversations"]] for row in _rows(out)]
    assert contents == [
        ["a", "About a"],
        ["b", "About b"],
        ["unsaid, short", "About unsaid, short"],
    ]
    assert (made.conversations, made.answers, made.cut) == (3, 3, 3)
    assert made.note.startswith(
        "3 answers reached the limit of 512 tokens and are incomplete: left"
    )
    asked = {body["messages"][-1]["content"] for _, body in server.requests}
    assert not {text for text in asked if "never" in text}
    again = regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), out)
    assert again == made


def test_marked_answers_stay_as_context_and_carry_no_loss(server, tmp_path, small_recipe) -> None:
    from vocabtrim_core.drafts.tokenized_dataset import read_sequences

    corpus, out = _corpus(tmp_path, TALKS), tmp_path / "new.jsonl"
    sampling = Sampling(cut_answers="mark")
    made = regenerate(corpus, ServerAnswerer(server.url, sampling), sampling, out)
    # Rows 1 and 2 go on behind the cut answer; row 3 holds nothing but one.
    assert [row["row"] for row in _rows(out)] == [0, 1, 2, 4]
    assert made.note.endswith("kept as context, but not trained on.")
    flags = {
        m["content"]: m.get("train", True)
        for row in _rows(out)
        for m in row["conversations"]
        if m["role"] == "assistant"
    }
    assert {text: flag for text, flag in flags.items() if "cut" in text} == {
        "About cut at once": False,
        "About cut later": False,
    }
    assert all(flag for text, flag in flags.items() if "cut" not in text)
    sequences = read_sequences(made.corpus(), small_recipe, held_out=0.3)
    decode = small_recipe.tokenizer.backend.decode
    trained = "".join(
        decode(ids[mask].tolist()) for ids, mask in map(sequences.sample, range(len(sequences)))
    )
    assert "About b" in trained
    assert "cut" not in trained


def test_sglang_says_what_it_cut(server, tmp_path, small_recipe) -> None:
    corpus = _corpus(tmp_path, TALKS[:2])
    who = ServerAnswerer(server.url, Sampling(), api="sglang", template=small_recipe.template)
    made = regenerate(corpus, who, Sampling(), tmp_path / "new.jsonl")
    assert (made.conversations, made.cut) == (1, 1)


def test_nothing_but_cut_answers_says_what_to_raise(server, tmp_path) -> None:
    corpus = _corpus(tmp_path, [["cut", "x"], ["cut too", "x"]])
    with pytest.raises(InputError, match=r"all 2 were cut at 512 tokens; raise --answer-tokens"):
        regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), tmp_path / "n.jsonl")


def test_many_at_once_lose_no_count(server, tmp_path) -> None:
    """Requests end in any order; what is reported is what the server answered."""
    corpus = _corpus(tmp_path, [[f"q{i}", "x"] * (1 + i % 3) for i in range(40)])
    answers = sum(1 + i % 3 for i in range(40))
    seconds = random.Random(0)
    server.fail = lambda n, body: time.sleep(seconds.uniform(0, 0.03))
    reports: list[tuple[int, int]] = []

    def progress(done, total=None, message="", *, answers=0) -> None:
        assert total == 40
        assert answers <= len(server.requests)
        reports.append((done, answers))

    who = ServerAnswerer(server.url, Sampling(), 16)
    made = regenerate(corpus, who, Sampling(), tmp_path / "new.jsonl", progress=progress)
    assert made.answers == answers == len(server.requests)
    assert reports == sorted(reports)
    assert reports[-1] == (40, answers)


def test_a_stopped_talk_goes_on_at_its_next_turn(server, tmp_path) -> None:
    """An answer is stored when it is there, not when its conversation is finished."""
    corpus, out = _corpus(tmp_path, [["a", "x", "b", "x", "c", "x"]]), tmp_path / "new.jsonl"

    def stop(done, total=None, message="", *, answers=0) -> None:
        if answers == 2:
            raise Cancelled("Stopped.")

    server.fail = lambda n, body: time.sleep(2) if len(body["messages"]) == 5 else None
    with pytest.raises(Cancelled):
        regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), out, progress=stop)
    server.fail = lambda n, body: None
    server.requests.clear()
    made = regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), out)
    assert [len(body["messages"]) for _, body in server.requests] == [5]
    assert made.answers == 3


def test_two_processes_never_write_the_same_answers(server, tmp_path) -> None:
    corpus, out = _corpus(tmp_path, [["a", "x"]]), tmp_path / "new.jsonl"
    inner: list[str] = []

    def progress(*_, **__) -> None:
        with pytest.raises(InputError) as refused:
            regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), out)
        inner.append(str(refused.value))

    regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), out, progress=progress)
    assert "Another process is writing the answers" in inner[0]


def test_a_server_that_is_none(server, tmp_path) -> None:
    corpus = _corpus(tmp_path, [["a", "b"]])
    for url in ("http://127.0.0.1:9", "http://", f"{server.url}/elsewhere"):
        with pytest.raises(InputError, match=r"does not answer|no http"):
            regenerate(corpus, ServerAnswerer(url, Sampling()), Sampling(), tmp_path / "n.jsonl")
    assert not (tmp_path / "n.jsonl").exists()


def test_nobody_answers(server, tmp_path) -> None:
    server.fail = lambda n, body: (b"no", 400)
    corpus = _corpus(tmp_path, [["a", "b"]])
    with pytest.raises(InputError, match=r"No prompt of asked got an answer .HTTP 400: no"):
        regenerate(corpus, ServerAnswerer(server.url, Sampling()), Sampling(), tmp_path / "n.jsonl")


def test_the_local_target_says_what_it_says_alone(
    small, small_target, small_recipe, tmp_path
) -> None:
    """Batches and padding must not change a greedy answer (up to bfloat16 near-ties)."""
    import torch
    from transformers import AutoModelForCausalLM

    asked = [["How do I open the table number 5?", "x"], ["How do I read the list?", "x"]]
    corpus = _corpus(tmp_path, asked)
    sampling = Sampling(0.0, 120)
    who = LocalAnswerer(small_target, small_recipe.tokenizer, small_recipe.template, sampling)
    made = regenerate(corpus, who, sampling, tmp_path / "new.jsonl")
    model = AutoModelForCausalLM.from_pretrained(small.folder, dtype=torch.bfloat16).eval()
    same = 0
    for row in _rows(made.path):
        prompt = asked[row["row"]][0]
        text = small_recipe.template.render([{"role": "user", "content": prompt}])
        ids = torch.tensor([small_recipe.tokenizer.ids(text + small_recipe.template.header)])
        with torch.inference_mode():
            out = model.generate(
                ids, max_new_tokens=120, do_sample=False, eos_token_id=4, pad_token_id=1
            )[0, ids.shape[1] :]
        alone = small_recipe.tokenizer.backend.decode(out.tolist(), skip_special_tokens=True)
        same += alone == row["conversations"][1]["content"]
    assert same >= 1


def test_the_local_target_says_what_it_cut(small_target, small_recipe, tmp_path) -> None:
    corpus, sampling = _corpus(tmp_path, [["How do I read the list?", "x"]]), Sampling(0.0, 2)
    who = LocalAnswerer(small_target, small_recipe.tokenizer, small_recipe.template, sampling)
    doing: list[str] = []

    def progress(done, total=None, message="", **rates) -> None:
        doing.append(who.activity)

    with pytest.raises(InputError, match="all 1 were cut at 2 tokens"):
        regenerate(corpus, who, sampling, tmp_path / "new.jsonl", progress=progress)
    assert doing[-1] == "token 2 of 2"


def test_command_regenerates(small, small_corpus, server, tmp_path, capsys) -> None:
    base = [
        "regenerate",
        "--target",
        str(small.folder),
        "--data",
        str(small_corpus.files[0]),
        "--limit",
        "5",
        "--json",
    ]
    out = tmp_path / "own.jsonl"
    assert main([*base, "--by", server.url, "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["conversations"] == 5
    for wrong, sentence in (
        (["--by", "somebody", "--out", str(tmp_path / "a.jsonl")], "an http(s) URL"),
        (["--temperature", "9", "--out", str(tmp_path / "a.jsonl")], "temperature"),
        (["--out", str(tmp_path / "a.txt")], "must end in .jsonl"),
    ):
        assert main([*base, *wrong]) == 2
        assert sentence in json.loads(capsys.readouterr().out)["error"]


def test_comparison_of_the_choices() -> None:
    about = Provenance("assistant", "t", "t", "m", "m")
    original = TokenCounts([8, 4, 2, 1], 1, 0, about)
    own = TokenCounts([10, 0, 0, 10], 1, 0, about)
    found = compare(original, own, lambda counts: int((counts.counts > 1).sum()))
    assert found == {"k_original": 3, "k_regenerated": 2, "coverage_of_regenerated": 0.5}


def test_command_compares_the_best_sizes(small, small_corpus, server, tmp_path, capsys) -> None:
    from vocabtrim_core.counts_store import find_counts

    base = [
        "regenerate",
        "--target",
        str(small.folder),
        "--data",
        str(small_corpus.files[0]),
        "--limit",
        "5",
        "--by",
        server.url,
        "--compare",
    ]
    out = tmp_path / "own.jsonl"
    assert main([*base, "--out", str(out), "--alpha", "0.8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["alignment"]
    ours, theirs = find_counts(found["original"]), find_counts(found["regenerated"])
    assert (ours.tokens, theirs.tokens) == (found["tokens_original"], found["tokens_regenerated"])
    assert (ours.conversations, theirs.conversations) == (5, 5)
    assert ours.vocab_size == 700
    assert 1 <= found["k_regenerated"] <= 700
    assert 0 < found["coverage_of_regenerated"] < 1
    assert main([*base, "--out", str(out), "--alpha", "0.8"]) == 0
    said = capsys.readouterr().out
    assert f"k* is {found['k_regenerated']:,} on the target's own answers" in said
