"""coverage, stability, compare, select and forecast from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.real_data import load_once
from helpers.tokenizer_makers import byte_level, write_folder

from vocabtrim_core.counting.response_files import find_responses
from vocabtrim_core.counting.shard_counts import ShardCounts, save_shards
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.forecast.paper import FULL_K
from vocabtrim_core.vocabulary import DraftVocabulary

SPECIALS = ["<|im_start|>", "<|im_end|>", "<tool_call>"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("t") / "small", byte_level(SPECIALS))


@pytest.fixture(scope="module")
def draft(tmp_path_factory, tokenizer):
    """config.json of a target whose V is the small tokenizer's."""
    path = tmp_path_factory.mktemp("draft") / "config.json"
    size = load_once(tokenizer).vocab_size
    fields = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "vocab_size": size,
        "num_hidden_layers": 2,
    }
    path.write_text(json.dumps(fields))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


WORDS = {
    "chat": ["assistant", "user", "system", "word", "naïve", ".", "?!"],
    "code": ["-> {'a': 1};", "(x)", "\n\n", "tokenizers", "import", "str", "word"],
}


@pytest.fixture
def counted(tmp_path, ok, tokenizer):
    """Two corpora, counted: chat.npz and code.npz."""
    rng = np.random.default_rng(0)
    for name, words in WORDS.items():
        share = 1 / np.arange(1, len(words) + 1)
        with (tmp_path / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for i in range(120):
                text = " ".join(rng.choice(words, 15, p=share / share.sum()))
                turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]
                row = {"messages": turns, "domain": name if i % 3 else "other"}
                file.write(json.dumps(row) + "\n")
        ok(
            "count",
            "--tokenizer",
            tokenizer,
            "--template",
            "qwen",
            "--data",
            f"{name}.jsonl",
            "--out",
            f"{name}.npz",
        )
    return [TokenCounts.load(f"{name}.npz") for name in WORDS]


# --- count keeps the responses -------------------------------------------------------------------


def test_count_says_what_it_kept_and_writes_it_beside(ok, refused, counted, tokenizer):
    argv = ("count", "--tokenizer", tokenizer, "--template", "qwen", "--data", "chat.jsonl")
    kept = ok(*argv, "--out", "again.npz", "--with-responses")["responses"]
    assert kept == {"tokens": counted[0].tokens, "conversations": 120, "complete": True}
    beside = find_responses("again.npz", counted[0])
    assert beside.tokens == counted[0].tokens
    assert "give --out" in refused(*argv, "--with-responses")


# --- coverage ------------------------------------------------------------------------------------


def test_coverage_with_everything(ok, counted, tokenizer):
    result = ok(
        "coverage",
        "chat.npz",
        "--k",
        20,
        "--on",
        "code.npz",
        "--matrix",
        "--domains",
        "--missing",
        3,
        "--tokenizer",
        tokenizer,
        text="chosen on (row)",
    )
    chat, code = result["sets"]
    assert chat["in_sample"]
    assert not code["in_sample"]
    assert chat["interval"] is None
    assert chat["held_out"]["low"] < chat["held_out"]["value"] < chat["held_out"]["high"]
    assert {row["held_out"] for row in result["domains"] if row["name"] == "chat"} == {True}
    assert code["interval"][0] < code["coverage"] < code["interval"][1]
    assert chat["held_out"]["value"] <= chat["coverage"]
    assert "held_out" not in code
    matrix = np.array(result["matrix"]["coverage"])
    assert matrix[0, 1] == pytest.approx(code["coverage"])
    assert matrix[0, 1] < matrix[1, 1]
    assert matrix[0, 0] == chat["held_out"]["value"]
    assert result["matrix"]["basis"] == [["held out", ""], ["", "held out"]]
    assert {(d["name"], d["domain"]) for d in result["domains"]} == {
        ("chat", "chat"),
        ("chat", "other"),
        ("code", "code"),
        ("code", "other"),
    }
    missing = result["missing"][1]
    assert missing["share"] == pytest.approx(1 - code["coverage"])
    first = missing["tokens"][0]
    assert len(first["examples"]) == 3
    assert first["examples"][0]["token"] == first["token"]
    assert result["note"] is None


def test_coverage_of_a_vocabulary_from_a_file(ok, refused, counted):
    vocabulary = CoverageCurve.of(counted[1]).vocabulary(20)
    np.save("d2t.npy", vocabulary.d2t)
    np.save("t2d.npy", vocabulary.t2d)
    own = ok("coverage", "code.npz", "--k", 20)
    found = ok("coverage", "chat.npz", "--vocabulary", "d2t.npy", "--on", "code.npz")
    assert found["k"] == 20
    assert found["sets"][1]["coverage"] == pytest.approx(own["coverage"])
    assert not found["sets"][0]["in_sample"]
    assert found["note"] is None
    assert "not allowed with" in refused("coverage", "chat.npz", "--k", 1, "--vocabulary", "x")
    np.save("d2t.npy", vocabulary.ids)  # absolute ids, where offsets belong: measured, and said
    wrong = ok("coverage", "code.npz", "--vocabulary", "d2t.npy")
    assert wrong["coverage"] == own["coverage"]
    assert "d2t.npy is not sound, it is measured as what it holds: d2t holds" in wrong["note"]


def test_counts_without_their_responses_have_no_interval(ok, make_counts):
    make_counts(range(50)).save("plain.npz")
    result = ok("coverage", "plain.npz", "--k", 10, text="not at hand")
    assert result["sets"][0]["interval"] is None
    assert "held_out" not in result["sets"][0]
    assert result["sets"][0]["unseen"]["basis"] == "tokens"
    assert result["without_interval"] == ["corpus"]


def test_the_set_that_chose_has_no_interval_in_sample_under_any_name(ok, counted):
    result = ok("coverage", "chat.npz", "--k", 5, "--on", "chat.npz", text="held out (in sample")
    assert [row["in_sample"] for row in result["sets"]] == [True, True]
    assert [row["interval"] for row in result["sets"]] == [None, None]
    low, high = (result["sets"][0]["held_out"][end] for end in ("low", "high"))
    assert low < result["sets"][0]["held_out"]["value"] < high


def test_pieces_stand_in_for_conversations(ok, counted, monkeypatch):
    """Held out and unseen come from counts by piece where responses were not kept."""
    monkeypatch.setattr("vocabtrim_core.counting.response_files.find_responses", lambda *_: None)
    rows = [np.maximum(counted[0].counts // 8, counted[0].counts > 0) for _ in range(8)]
    save_shards(counted[0].key, ShardCounts.of(rows, [15] * 8))
    (chat,) = ok("coverage", "chat.npz", "--k", 5)["sets"]
    assert chat["interval"] is None
    held_out = chat["held_out"]
    assert 0 < held_out["low"] <= held_out["value"] <= held_out["high"] <= 1
    assert chat["unseen"]["basis"] == "pieces"


def test_missing_tokens_need_the_tokenizer_of_the_counts(refused, counted, tmp_path):
    other = write_folder(tmp_path / "other", byte_level(SPECIALS, size=400))
    argv = ("coverage", "chat.npz", "--k", 5, "--missing", 3)
    assert "not found by its name; give it with --tokenizer" in refused(*argv)
    assert "is not the tokenizer that chat" in refused(*argv, "--tokenizer", other)


# --- stability -----------------------------------------------------------------------------------


def test_stability(ok, counted, draft):
    result = ok(
        "stability",
        "chat.npz",
        "--draft-config",
        draft,
        "--alpha",
        0.9,
        "--sizes",
        20,
        60,
        "--repeats",
        3,
        "--draws",
        20,
        text="(95% interval)",
    )
    assert [s["conversations"] for s in result["samples"]] == [20, 60, 120]
    assert result["samples"][-1]["ks"] == [result["k"]] * 3
    assert result["interval"][0] <= result["k"] <= result["interval"][1]
    assert result["drawn_from"] == "conversations"
    assert result["optimism"] == pytest.approx(result["coverage"] - result["held_out"]["value"])


def test_stability_refuses(refused, ok, counted, draft, make_counts):
    argv = ("stability", "chat.npz", "--draft-config", draft)
    assert "within 1..120" in refused(*argv, "--sizes", 500)
    assert "repeats must be 2 or more" in refused(*argv, "--repeats", 1)
    size = counted[0].vocab_size
    make_counts([5] * size).save("plain.npz")
    sentence = refused("stability", "plain.npz", "--draft-config", draft)
    assert "neither its responses nor its counts by piece" in sentence


# --- compare -------------------------------------------------------------------------------------


def test_compare_two_vocabularies(ok, refused, counted, draft, tokenizer):
    size = counted[0].vocab_size
    for name, counts in zip(WORDS, counted, strict=True):
        ids = CoverageCurve.of(counts).vocabulary(15).ids
        Path(f"{name}.json").write_text(json.dumps({"vocab_size": size, "ids": ids.tolist()}))
    np.save("d2t.npy", np.arange(0, 60, 2))  # absolute, where offsets belong
    result = ok(
        "compare",
        "chat.json",
        "code.json",
        "--counts",
        "chat.npz",
        "code.npz",
        "--draft-config",
        draft,
        "--tokenizer",
        tokenizer,
        text="against chat.json",
    )
    assert result["reference"] == "chat.json"
    chat, code = result["mappings"]
    assert (chat["gained"], chat["lost"]) == (0, 0)
    assert code["gained"] == code["lost"] > 0
    assert code["lost_tokens"][0]["token"]
    assert chat["coverage"][0]["coverage"] == pytest.approx(chat["best_coverage_of_this_size"])
    assert chat["utility"] > code["utility"]
    bad = ok("compare", "d2t.npy", "--counts", "chat.npz", text="absolute token ids where")
    assert not bad["mappings"][0]["valid"]
    assert bad["mappings"][0]["utility"] is None
    assert "There is no mapping" in refused("compare", "x.pt", "--counts", "chat.npz")
    assert "alpha must lie" in refused("compare", "chat.json", "--counts", "chat.npz", "--alpha", 2)


# --- select --------------------------------------------------------------------------------------


def test_select_writes_what_it_reports(ok, counted, draft, tokenizer):
    result = ok(
        "select",
        "chat.npz",
        "code.npz",
        "--weights",
        3,
        1,
        "--draft-config",
        draft,
        "--alpha",
        0.9,
        "--protect",
        "specials",
        "digits",
        "--multiple",
        8,
        "--min-coverage-every",
        0.8,
        "--tokenizer",
        tokenizer,
        "--out",
        "out/ids.json",
        text="on every corpus",
    )
    written = json.loads(Path("out/ids.json").read_text())
    vocabulary = DraftVocabulary(np.array(written["ids"]), written["vocab_size"])
    assert vocabulary.sha256 == result["sha256"]
    assert len(vocabulary) == result["k"]
    assert result["k"] % 8 == 0
    assert result["weights"] == [0.75, 0.25]
    assert min(c["coverage"] for c in result["coverages"]) >= 0.8
    names = [price["name"] for price in result["prices"]]
    assert names == ["specials", "digits", "multiple of 8", "0.8 on every corpus"]
    floor = result["floor_everywhere"]
    assert floor["least_k"] <= floor["smallest_k"] <= floor["top_k_needed"]
    kept = load_once(tokenizer).backend.token_to_id("<tool_call>")
    assert kept in written["ids"]


def test_select_without_rules_is_optimize(ok, counted, draft):
    chosen = ok("select", "chat.npz", "--draft-config", draft, "--alpha", 0.9)
    assert chosen["k"] == ok("optimize", "chat.npz", "--draft-config", draft, "--alpha", 0.9)["k"]
    assert chosen["prices"] == []


def test_select_with_lists(ok, refused, counted, draft):
    Path("keep.txt").write_text("500\n501\n")
    Path("drop.json").write_text("[501]")
    argv = ("select", "chat.npz", "--draft-config", draft, "--k", 30, "--protect", "keep.txt")
    ok(*argv, "--out", "ids.json")
    assert {500, 501} <= set(json.loads(Path("ids.json").read_text())["ids"])
    sentence = refused(*argv, "--exclude", "drop.json", "--out", "no.json")
    assert "id 501 is both protected and excluded" in sentence
    assert not Path("no.json").exists()


def test_a_selection_is_exported(ok, refused, counted, draft, tokenizer):
    chosen = ok(
        "select",
        "chat.npz",
        "--draft-config",
        draft,
        "--protect",
        "digits",
        "--k",
        40,
        "--tokenizer",
        tokenizer,
        "--out",
        "ids.json",
    )
    argv = ("export", "chat.npz", "--format", "ids", "--out")
    written = ok(*argv, "out", "--vocabulary", "ids.json")
    assert written["vocabulary_sha256"] == chosen["sha256"]
    assert "--vocabulary ids.json" in json.loads(Path("out/manifest.json").read_text())["command"]
    np.save("d2t.npy", np.arange(0, 60, 2))
    sentence = refused(*argv, "no", "--vocabulary", "d2t.npy")
    assert "d2t.npy is not sound: d2t holds absolute token ids" in sentence


def test_select_refuses(refused, counted, draft, tokenizer, make_counts):
    size = counted[0].vocab_size
    make_counts([1] * size, rule="content").save("other.npz")
    argv = ("select", "chat.npz", "code.npz", "--draft-config", draft)
    tok = ("--tokenizer", tokenizer)
    assert "All domain weights are zero" in refused(*argv, "--weights", 0, 0)
    assert "2 corpora need as many weights" in refused(*argv, "--weights", 1)
    assert "neither a file nor one of end-of-turn" in refused(*argv, "--protect", "letters")
    assert "is not SCRIPT=N" in refused(*argv, "--script", "cjk")
    assert "no tokens of a script 'klingon'" in refused(*argv, "--script", "klingon=5", *tok)
    sentence = refused(*argv, "--min-coverage-every", 0.99, "--k", 5)
    assert "out of reach within k = 5" in sentence
    assert "chat gets to" in sentence or "code gets to" in sentence
    assert "above 0 and at most 1" in refused(*argv, "--min-coverage-every", 1.5)
    assert "k = 9,999 is outside" in refused(*argv, "--k", 9999)
    sentence = refused("select", "chat.npz", "other.npz", "--draft-config", draft)
    assert "other.npz cannot be compared with chat.npz" in sentence


# --- forecast ------------------------------------------------------------------------------------


@pytest.fixture
def llama(make_counts):
    values = np.zeros(FULL_K, np.int64)
    seen = np.random.default_rng(0).permutation(FULL_K)[:60_000]
    values[seen] = np.maximum(1e7 / np.arange(1, 60_001) ** 1.2, 1).astype(np.int64)
    make_counts(values).save("llama.npz")
    return "llama.npz"


def test_forecast_from_measurements(ok, llama):
    result = ok(
        "forecast",
        llama,
        "--measured",
        "13264=0.01493",
        "128256=0.01677",
        "--accept-length",
        2.89,
        "--measured-length",
        "13264=2.65",
        "--baseline",
        64000,
        "--at",
        13264,
        text="over 128,256",
    )
    assert [g["baseline"] for g in result["gains"]] == [128_256, 32_000, 64_000]
    low, high = result["recommended_range"]
    assert low <= result["recommended_k"] <= high
    assert 0 < result["equivalent_alpha"] < 1
    row = next(row for row in result["table"] if row["k"] == 13_264)
    assert row["accept_length"] == [pytest.approx(2.65)] * 3
    assert row["gains"]["128256"] == [pytest.approx(2.65 / 2.89 * 0.01677 / 0.01493 - 1)] * 3
    decision = result["decision"]
    assert decision["equivalent"][0] <= decision["recommended_k"] <= decision["equivalent"][1]
    assert f"{decision['k']:,} of 128,256 tokens" in result["decision_text"][0]
    assert result["basis"] == "in sample"
    assert "In sample" in " ".join(result["assumptions"])
    assert result["streams"] == []
    assert result["kappa"][0] == result["kappa"][1]
    assert max(abs(c["error"]) for c in result["paper_check"]) < 0.01
    assert "any order of its tokens" in " ".join(result["assumptions"])


def test_forecast_from_hardware_and_responses(ok, counted, draft):
    argv = ("forecast", "chat.npz", "--served", "code.npz", "--draft-config", draft)
    result = ok(*argv, "--hardware", "h100", "--depth", 4, "--batch", 8, text="arithmetic bound")
    assert "Memory-bound" in result["assumptions"][-1]
    assert result["table"][-1]["ceiling"] == pytest.approx(5)
    assert result["kappa"][0] < result["kappa"][1]
    assert (result["served"], result["basis"]) == ("code", "another set")
    assert [g["baseline"] for g in result["gains"]] == [counted[0].vocab_size]
    gains = [point["gain"][1] for point in result["streams"]]
    assert len(gains) == 7
    held_out = ok("forecast", "chat.npz", "--draft-config", draft)
    assert (held_out["served"], held_out["basis"]) == ("chat", "held out")
    several = ok(*argv[:3], "code.npz", "chat.npz", *argv[4:])
    assert several["served"] in ("code", "chat")
    tree = ok(*argv, "--hardware", "l4", "--tree-width", 8, "--verified", 64, "--batch", 64)
    assert "compute-bound" in tree["assumptions"][-1]


def test_one_measured_run_and_a_device_make_a_forecast(ok, llama):
    argv = ("forecast", llama, "--measured", "128256=0.01677", "--hardware", "a100-80g")
    result = ok(*argv, "--accept-length", 2.89, "--at", 13264)
    row = next(row for row in result["table"] if row["k"] == 13_264)
    low, middle, high = row["gains"]["128256"]
    assert low < middle < high
    assert "One run at 128,256 tokens was measured" in " ".join(result["assumptions"])


def test_evidence_is_held_against_the_forecast(ok, refused, tmp_path):
    result = ok("evidence", text="measured gains lie in the 90 % band")
    assert result["score"]["inside"] >= 0.9 * result["score"]["pairs"]
    papers = ok("evidence", "--class", "P", "--head", "eagle3", "--device", "a100-80g")
    assert papers["score"]["pairs"] == papers["score"]["inside"] == 7
    own = tmp_path / "own.csv"
    own.write_text("id,source,kind\nmine,lab book,P\n")
    alone = ok("evidence", own, "--own", text="Without a forecast, 1")
    assert [row["id"] for row in alone["rows"]] == ["mine"]
    own.write_text("id,kind\nmine,P\n")
    assert "own.csv, line 2" in refused("evidence", own)
    assert "no class 'X'" in refused("evidence", "--class", "X")


def test_forecast_refuses(refused, llama):
    argv = ("forecast", llama)
    assert "takes 16.48 ms on L4, longer than the 16.00 ms" in refused(
        *argv, "--measured", "128256=0.016", "--hardware", "l4", "--depth", 4
    )
    assert "no way 'magic' to make" in refused(*argv, "--training", "magic")
    assert "no head format 'int3'" in refused(*argv, "--head-format", "int3")
    assert "is 3 shares of 0..1" in refused(*argv, "--position-acceptance", 0.5)
    assert "negative memory bandwidth" in refused(*argv, "--measured", "13264=0.02", "128256=0.015")
    assert "'13264' is not K=VALUE" in refused(*argv, "--measured", "13264")
    assert "no hardware 'abacus'; choose one of a100-40g" in refused(*argv, "--hardware", "abacus")
    assert "within 1..4, but 5.0" in refused(*argv, "--accept-length", 5)
    assert "depth must lie within 1..16, but it is 17" in refused(*argv, "--depth", 17)
    assert "batch must be 1 or more" in refused(*argv, "--batch", 0)
    assert "k = 999,999, which is outside" in refused(*argv, "--measured-length", "999999=2")
    assert "outside 1..128,256" in refused(*argv, "--at", 0)
    assert "smallest k, 9, is above the largest k, 5" in refused(*argv, "--k-min", 9, "--k-max", 5)
    assert "not allowed with" in refused(*argv, "--measurement", "x", "--measured", "1=1")
