"""The command line end to end: one JSON object, numbers as numbers, one sentence for bad input."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zstandard
from helpers.real_data import OWN, load_once, messages, new_home, shared_corpus
from helpers.tokenizer_makers import byte_level, write_folder

from vocabtrim_core.cli import COMMANDS, main
from vocabtrim_core.cli.command import Command, table
from vocabtrim_core.cli.run import run
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import own_counts
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import Cancelled

V = 128_256
MODULE = [sys.executable, "-m", "vocabtrim_core"]


def process(line, **options) -> subprocess.CompletedProcess[str]:
    """A process of its own, wherever it runs."""
    return subprocess.run(line, capture_output=True, text=True, **options)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A fresh workspace, but the converted tokenizers of the run's common one."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(new_home(tmp_path / "home")))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def counts(tmp_path, make_counts):
    """A file of counts over Llama's V: 5,000 tokens seen, Zipf-like, in no order."""
    values = np.zeros(V, np.int64)
    seen = np.random.default_rng(0).permutation(V)[:5000]
    values[seen] = (1e7 / np.arange(1, 5001) ** 1.5).astype(np.int64)
    path = tmp_path / "counts.npz"
    make_counts(values).save(path)
    return path


# --- the frame ----------------------------------------------------------------------------------


def test_every_command_has_help_worth_reading(cli, capsys):
    names = {c.name for c in COMMANDS}
    issue = {
        "count",
        "optimize",
        "merge",
        "coverage",
        "export",
        "demo",
        "tokenizers",
        "drafts",
        "formats",
    }
    assert issue <= names
    assert len(names) == len(COMMANDS)
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in names)
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command.name, "--help"])
        text = capsys.readouterr().out
        assert command.help[1:] in " ".join(text.split())
        assert "--json" in text


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from vocabtrim_core.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pyarrow', 'torch', 'transformers', 'tokenizers', 'optuna', 'pandas',"
        " 'datasets', 'streamlit', 'plotly', 'psutil'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = process([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_result_that_cannot_be_written_is_a_sentence(counts, more):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*MODULE, "optimize", counts, *more],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "The result cannot be written to standard output (No space left on device); choose another "
        "place for it."
    ]


def test_as_a_program_stdout_is_json_and_the_exit_code_says_how_it_went(counts):
    good = process([*MODULE, "optimize", str(counts), "--json"])
    assert good.returncode == 0
    assert json.loads(good.stdout)["k"] > 0
    assert good.stderr == ""
    bad = process([*MODULE, "optimize", "nowhere.npz", "--json"])
    assert bad.returncode == 2
    assert json.loads(bad.stdout) == {"error": bad.stderr.strip()}


def test_usage_errors_are_one_sentence(refused):
    assert "invalid choice: 'conut'" in refused("conut")
    assert "--k" in refused("coverage", "c.npz")
    assert "'many' is not a whole number" in refused("coverage", "c.npz", "--k", "many")
    assert "'nan' is not a number" in refused("optimize", "c.npz", "--alpha", "nan")
    assert "not allowed with" in refused("optimize", "c.npz", "--draft", "a", "--draft-config", "b")


def probe(action):
    """A table of one command that does `action`."""
    return [Command("probe", "probe", lambda a, p: action(), lambda parser: None, str)]


def test_bugs_keep_their_traceback_for_debug(capsys):
    def bug():
        raise KeyError("x")

    assert run(probe(bug), ["probe", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == err.strip()
    assert "this is a bug" in err
    assert "Traceback" not in err
    assert run(COMMANDS, ["bug-report"]) == 0
    report = capsys.readouterr().out
    assert "KeyError: 'x'" in report
    assert "doing: probe --json" in report
    assert run(probe(bug), ["probe", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_anywhere_is_a_sentence(capsys, tmp_path):
    def full():
        raise OSError(28, "No space left on device", str(tmp_path / "big.bin"))

    assert run(probe(full), ["probe"]) == 2
    assert f"The disk that holds {tmp_path} is full" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [Cancelled("Stopped."), KeyboardInterrupt()])
def test_cancelled_is_130(capsys, stop):
    def stopped():
        raise stop

    assert run(probe(stopped), ["probe", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"].startswith("Stopped")


def test_sigterm_ends_a_command_tidily(capsys):
    def wait():
        signal.raise_signal(signal.SIGTERM)
        time.sleep(10)

    assert run(probe(wait), ["probe"]) == 130


def test_what_libraries_print_does_not_reach_json(capsys):
    def chatty():
        print("downloading")
        return {"n": np.int64(3), "x": np.float32(0.5), "a": np.arange(2), "p": Path("f")}

    assert run(probe(chatty), ["probe", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"n": 3, "x": 0.5, "a": [0, 1], "p": "f"}
    assert "downloading" in err


def test_a_reader_that_leaves_early_is_no_error():
    done = process(f"{sys.executable} -m vocabtrim_core drafts | head -c 1", shell=True)
    assert (done.stdout, done.stderr) == ("d", "")


def test_table_aligns_numbers():
    text = table([("name", "n", "share"), ("a", 1234567, 0.5), ("bcd", 7, 1.0)])
    assert text.splitlines() == [
        "name          n  share",
        "a     1,234,567    0.5",
        "bcd           7      1",
    ]


# --- optimize -----------------------------------------------------------------------------------


def test_optimize_exact(ok, cli, counts):
    found = ok("optimize", counts)
    assert {"k", "coverage", "latency_reduction", "utility", "method"} <= found.keys()
    assert (found["method"], found["draft"], found["alpha"]) == ("exact", "llama-3.1-8b", 0.5)
    assert isinstance(found["k"], int)
    assert found["utility"] == 0.5 * found["coverage"] + 0.5 * found["latency_reduction"]
    assert found["note"] is None
    assert "regret" not in found
    code, out, _ = cli("optimize", counts)
    assert code == 0
    assert out.startswith(f"k = {found['k']:,} of 128,256 tokens")
    # Three draft steps of Llama-3.1-8B's EAGLE-3: 293.6 M weights and 4,096 for each row.
    assert found["cycle_bytes"] == 3 * 2 * (293_601_280 + 4096 * found["k"])
    assert found["copied_bytes"] == 0
    mtp = ok("optimize", counts, "--draft", "glm-4.5-mtp")
    assert mtp["copied_bytes"] == 2 * 5120 * mtp["k"]
    assert "a trimmed copy takes" in cli("optimize", counts, "--draft", "glm-4.5-mtp")[1]


def test_optimize_follows_alpha_floor_bounds_and_draft(ok, counts, tmp_path):
    ks = [ok("optimize", counts, "--alpha", a)["k"] for a in (0.1, 0.5, 0.9)]
    assert ks == sorted(ks)
    floor = ok("optimize", counts, "--min-coverage", "0.995")
    assert floor["coverage"] >= 0.995
    assert floor["k"] > ks[1]
    assert ok("optimize", counts, "--k-max", "7")["k"] == 7
    assert ok("optimize", counts, "--k-min", "4,000")["k"] == 4000
    assert ok("optimize", counts, "--draft", "llama-3.2-1b")["k"] < ks[1]
    config = {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": V,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert ok("optimize", counts, "--draft-config", path)["k"] == ks[1]


def test_a_draft_of_another_v_is_used_over_the_counts_as_on_the_page(cli, tmp_path, make_counts):
    config = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "vocab_size": 500,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    make_counts([5, 3, 2, 1]).save(tmp_path / "small.npz")
    for draft, name, size in (
        (("--draft", "qwen3-8b"), "qwen3-8b", "151,936"),
        (("--draft-config", tmp_path / "config.json"), tmp_path.name, "500"),
    ):
        code, out, err = cli("optimize", "small.npz", *draft, "--json")
        assert (code, json.loads(out)["vocab_size"]) == (0, 4)
        assert f"{name} has V = {size}; its shapes are used here with the counted" in err


def test_a_published_draft_of_the_target_is_named(cli, counts, tmp_path):
    config = {"model_type": "gpt_oss", "num_hidden_layers": 24, "num_local_experts": 32}
    (tmp_path / "config.json").write_text(json.dumps(config))
    code, _, err = cli("optimize", counts, "--draft-config", "config.json")
    assert code == 0
    assert "feed-forward of 2,880; the draft config that SpecForge publishes" in err
    assert "17,280, which is the preset gpt-oss-20b" in err


def test_optimize_tpe_reports_regret_and_resumes(ok, counts, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    line = ("optimize", counts, "--method", "tpe", "--k-max", 50_000, "--storage", url)
    few = ok(*line, "--trials", "12")
    assert (few["method"], few["trials"], few["k_min"], few["k_max"]) == ("tpe", 12, 1, 50_000)
    exact = ok("optimize", counts, "--k-max", 50_000)
    assert few["exact"]["k"] == exact["k"]
    assert few["regret"] == exact["utility"] - few["utility"] >= 0
    more = ok(*line, "--trials", "20")
    assert more["study"] == few["study"]
    assert more["regret"] <= few["regret"]
    assert ok(*line, "--trials", "20") == more
    elsewhere = ok(*line[:-1], f"sqlite:///{tmp_path}/other.db", "--trials", "20")
    assert elsewhere["k"] == more["k"]  # uninterrupted: the same


def test_optimize_refuses(refused, counts, tmp_path, make_counts):
    assert "alpha must lie within 0..1, but it is 1.5" in refused(
        "optimize", counts, "--alpha", "1.5"
    )
    assert "min-coverage must lie within 0..1" in refused(
        "optimize", counts, "--min-coverage", "-0.1"
    )
    sentence = refused("optimize", counts, "--min-coverage", "0.99", "--k-max", "100")
    largest = TokenCounts.load(counts).counts
    largest = np.sort(largest)[::-1][:100].sum() / largest.sum()
    assert f"the most there is {100 * largest:.6g}%" in sentence
    assert "k = 200,000 is outside 1..128,256" in refused("optimize", counts, "--k-max", "200000")
    crossed = refused("optimize", counts, "--k-min", 9, "--k-max", 8)
    assert "The smallest k, 9, is above the largest k, 8" in crossed
    assert "choose one of llama-3.1-8b" in refused("optimize", counts, "--draft", "gpt-9")
    assert "trials must be at least 1" in refused(
        "optimize", counts, "--method", "tpe", "--trials", "0"
    )
    small = tmp_path / "small.npz"
    make_counts([1, 2, 3]).save(small)
    assert "No draft preset has V = 3" in refused("optimize", small)
    empty = tmp_path / "empty.npz"
    make_counts(np.zeros(V)).save(empty)
    assert "no tokens" in refused("optimize", empty)
    (tmp_path / "text.npz").write_text("hello")
    assert "text.npz is not a counts file" in refused("optimize", tmp_path / "text.npz")
    assert "There are no counts at gone.npz" in refused("optimize", "gone.npz")
    broken = tmp_path / "config.json"
    broken.write_text('{"hidden_size": 1}')
    assert "'intermediate_size'" in refused("optimize", counts, "--draft-config", broken)


# --- coverage, merge ----------------------------------------------------------------------------


def test_coverage_in_sample_and_elsewhere(ok, cli, counts, tmp_path, make_counts):
    values = TokenCounts.load(counts).counts
    other = np.zeros(V, np.int64)
    kept = np.argsort(-values, kind="stable")[:100]
    other[kept[0]], other[np.flatnonzero(values == 0)[:3]] = 6, 1
    make_counts(other).save(tmp_path / "other.npz")
    found = ok("coverage", counts, "--k", "100", "--on", "other.npz", "--on", counts)
    assert found["coverage"] == values[kept].sum() / values.sum()
    assert found["unique_coverage"] == 100 / 5000
    here, elsewhere, again = found["sets"]
    assert (here["in_sample"], elsewhere["in_sample"]) == (True, False)
    assert (elsewhere["coverage"], elsewhere["unique_coverage"]) == (6 / 9, 1 / 4)
    assert (elsewhere["tokens"], elsewhere["missing_tokens"]) == (9, 3)
    assert again["coverage"] == here["coverage"]
    assert found["note"] is None
    assert "66.67%" in cli("coverage", counts, "--k", "100", "--on", "other.npz")[1]


def test_k_beyond_the_seen_tokens_is_explained(ok, cli, counts):
    found = ok("coverage", counts, "--k", "5003")
    assert "Only 5,000 distinct tokens were seen" in found["note"]
    assert "3 tokens that never occurred" in found["note"]
    assert "lowest ids" in found["note"]
    assert found["coverage"] == found["unique_coverage"] == 1
    assert found["note"] in cli("coverage", counts, "--k", "5003")[1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rule": "content"}, "rule is content, not assistant"),
        ({"tokenizer_sha256": "zz"}, "tokenizer is tiny (zz), not tiny (t)"),
    ],
)
def test_coverage_refuses_counts_of_another_kind(refused, counts, make_counts, change, field):
    make_counts(np.ones(V), **change).save("other.npz")
    sentence = refused("coverage", counts, "--k", 5, "--on", "other.npz")
    assert field in sentence
    assert "other.npz cannot be compared" in sentence


def test_coverage_refuses_another_v_and_k_out_of_range(refused, counts, make_counts):
    make_counts([1, 2]).save("two.npz")
    sentence = refused("coverage", counts, "--k", 5, "--on", "two.npz")
    assert "its V is 2, not 128,256" in sentence
    assert "k = 0 is outside 1..128,256" in refused("coverage", counts, "--k", 0)
    assert "k = 128,257 is outside" in refused("coverage", counts, "--k", V + 1)


def test_merge_adds_and_keeps_the_sum_in_the_workspace(ok, counts):
    merged = ok("merge", counts, counts, "--out", "deep/sum.npz")
    assert "both hold the counts of" in merged["warnings"][0]
    one = TokenCounts.load(counts)
    assert (merged["tokens"], merged["merged"]) == (2 * one.tokens, 2)
    assert (merged["conversations"], merged["vocab_size"]) == (4, V)
    assert TokenCounts.load("deep/sum.npz").tokens == 2 * one.tokens
    assert [stored.key for stored in own_counts()] == [merged["key"]]
    assert ok("optimize", merged["key"])["k"] == ok("optimize", counts)["k"]


def test_merge_refuses_counts_of_another_kind_and_writes_nothing(refused, counts, make_counts):
    make_counts(np.ones(V), template_sha256="zz").save("other.npz")
    sentence = refused("merge", counts, "other.npz", "--out", "sum.npz")
    assert f"{counts} and other.npz were counted differently" in sentence
    assert "template is llama3 (m…) against llama3 (zz…)" in sentence
    assert not Path("sum.npz").exists()


# --- export and the lists -----------------------------------------------------------------------


def test_export_says_when_the_coverage_is_below_the_recorded_floor(ok, counts):
    line = ("export", counts, "--k", "100", "--format", "ids")
    coverage = ok("coverage", counts, "--k", "100")["coverage"]
    below = ok(*line, "--out", "below", "--min-coverage", "0.99")["note"]
    assert f"The coverage, {coverage:.2%}, is below the floor of 99.00%" in below
    assert ok(*line, "--out", "above", "--min-coverage", str(coverage))["note"] is None


def test_export_writes_what_it_lists(ok, cli, counts):
    line = ("export", counts, "--k", "100", "--format", "ids", "--format", "speculators")
    made = ok(*line, "--out", "out", "--alpha", "0.5")
    assert (made["k"], made["vocab_size"], made["formats"]) == (100, V, ["ids", "speculators"])
    for file in made["files"]:
        assert (Path("out") / file["path"]).stat().st_size == file["bytes"]
    ids = json.loads(Path("out/ids/ids.json").read_text())
    ids = ids["ids"] if isinstance(ids, dict) else ids
    top = np.argsort(-TokenCounts.load(counts).counts, kind="stable")[:100]
    assert ids == sorted(top.tolist())
    assert made["coverage"] == ok("coverage", counts, "--k", 100)["coverage"]
    again = ok(*line, "--out", "again", "--alpha", "0.5")
    assert [f["sha256"] for f in again["files"]] == [f["sha256"] for f in made["files"]]
    code, out, _ = cli(*line, "--out", "text")
    assert code == 0
    assert "100 of 128,256 tokens" in out


def test_export_says_what_padding_means(ok, counts):
    made = ok("export", counts, "--k", "5001", "--format", "ids", "--out", "out")
    assert "Only 5,000 distinct tokens were seen" in made["note"]


def test_export_refuses_and_writes_nothing(refused, counts):
    line = ("export", counts, "--out", "out")
    assert "no export format 'zip'" in refused(*line, "--k", 5, "--format", "zip")
    assert "outside 1..128,256" in refused(*line, "--k", V + 1, "--format", "ids")
    assert "alpha must lie within 0..1" in refused(*line, "--k", 5, "--format", "ids", "--alpha", 2)
    assert not Path("out").exists()
    Path("out").mkdir()
    Path("out/mine").touch()
    assert "not empty" in refused(*line, "--k", 5, "--format", "ids")
    assert [path.name for path in Path("out").iterdir()] == ["mine"]


def test_lists(ok, cli):
    drafts = {draft["name"]: draft for draft in ok("drafts")["drafts"]}
    assert drafts["llama-3.1-8b"]["head_share"] == pytest.approx(0.641, abs=5e-4)
    assert drafts["llama-3.1-8b"]["flops"] / 1e6 == pytest.approx(1637.9, abs=0.05)
    tokenizers = {t["name"]: t["vocab_size"] for t in ok("tokenizers")["tokenizers"]}
    assert {"llama-3.1": V, "tekken": 131_072}.items() <= tokenizers.items()
    assert {"specforge", "speculators", "sglang", "ids"} <= {
        form["name"] for form in ok("formats")["formats"]
    }
    for name in ("drafts", "tokenizers", "formats", "jobs"):
        code, out, _ = cli(name)
        assert code == 0
        assert out.strip()


# --- count --------------------------------------------------------------------------------------

CHATS = [
    [("user", "Hi"), ("assistant", "Hello there, how are you?")],
    [("user", "2+2?"), ("assistant", "4"), ("user", "sure?"), ("assistant", "  Yes, 4. ")],
    [("system", "Be brief."), ("user", "Add them"), ("assistant", "{'sum': 3}")],
]


def write_chats(path: Path, chats=CHATS) -> Path:
    rows = ({"messages": [{"role": r, "content": c} for r, c in chat]} for chat in chats)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def llama():
    return load_once("llama-3.1", revision=None, config=None, vocab_size=None).backend


def expected(llama, contents) -> int:
    """Tokens of assistant texts and their end-of-turn, by the HF tokenizer and nothing else."""
    return sum(len(llama.encode(c.strip(), add_special_tokens=False).ids) + 1 for c in contents)


def test_count_and_everything_after_it(ok, cli, tmp_path, llama):
    chats = write_chats(tmp_path / "chats.jsonl")
    line = ("count", "--tokenizer", "llama-3.1", "--data", chats)
    made = ok(*line, "--out", "chats.npz")
    said = [text for chat in CHATS for role, text in chat if role == "assistant"]
    assert made["tokens"] == expected(llama, said)
    assert (made["conversations"], made["skipped"], made["vocab_size"]) == (3, 0, V)
    assert (made["rule"], made["cached"], made["warnings"]) == ("assistant", False, [])
    assert {"distinct", "seconds", "engine", "template", "key", "out", "proof"} <= made.keys()
    assert made["seconds"] > 0
    again = ok(*line)
    assert (again["cached"], again["key"], again["out"]) == (True, made["key"], None)
    content = ok(*line, "--rule", "content")
    assert (content["tokens"], content["cached"]) == (made["tokens"] - len(said), False)
    last = ok(*line, "--last-turn-only")
    assert last["tokens"] == expected(llama, [said[0], said[2], said[3]])
    assert ok(*line, "--limit", "1")["tokens"] == expected(llama, said[:1])
    assert ok(*line, "--engine", "tokenizers", "--fresh")["engine"].startswith("tokenizers")
    code, out, _ = cli(*line)
    assert code == 0
    assert "proof: " in out

    k = ok("optimize", made["key"])["k"]
    assert ok("coverage", "chats.npz", "--k", k)["coverage"] > 0.9
    exported = ok("export", "chats.npz", "--k", k, "--format", "specforge", "--out", "draft")
    assert exported["k"] == k


def test_count_takes_several_files_and_says_what_it_skipped(ok, tmp_path, llama):
    write_chats(tmp_path / "a.jsonl")
    write_chats(tmp_path / "b.jsonl", [[("user", "x"), ("assistant", "y")], [("user", "alone")]])
    made = ok("count", "--tokenizer", "llama-3.1", "--data", "a.jsonl", "--data", "b.jsonl")
    assert (made["conversations"], made["skipped"]) == (4, 1)
    (skip,) = made["skips"]
    assert (skip["rows"], skip["places"]) == (1, ["b.jsonl:2"])


def test_count_with_mapped_columns(ok, refused, tmp_path, llama):
    (tmp_path / "odd.jsonl").write_text('{"ask": "Hi", "reply": "Hello"}\n' * 2)
    line = ("count", "--tokenizer", "llama-3.1", "--data", "odd.jsonl")
    assert "odd.jsonl" in refused(*line)
    made = ok(*line, "--map", "prompt=ask", "response=reply")
    assert made["tokens"] == 2 * expected(llama, ["Hello"])
    assert "no column wrong" in refused(*line, "--map", "prompt=ask", "response=wrong")
    assert "is not name=column" in refused(*line, "--map", "ask")


ASKED, SAID = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
WRONG = {"role": "assistant", "content": "Wrong wrong wrong."}

# name of the file -> (row, what is counted, words of the warnings)
SHAPED = {
    "dpo.jsonl": (
        {"rejected": [ASKED, WRONG], "prompt": [ASKED], "chosen": [ASKED, SAID]},
        ["Hello"],
        "Answers in `rejected` are not counted.",
    ),
    "arena.jsonl": (
        {"conversation_a": [ASKED, WRONG], "conversation_b": [ASKED, SAID], "winner": "model_b"},
        ["Hello"],
        "`winner` names is counted",
    ),
    "kto.jsonl": ({"prompt": "Hi", "completion": "Hello", "label": True}, ["Hello"], "`label`"),
    "ultrachat.jsonl": (
        {"id": "0", "data": ["Hi", "Hello", "So?", "Yes"]},
        ["Hello", "Yes"],
        "user and assistant in turn",
    ),
    "batch.jsonl": (
        {"custom_id": "c", "response": {"body": {"choices": [{"message": SAID}]}}},
        ["Hello"],
        "empty user turn",
    ),
    "wrapped.json": ({"conversation": {"messages": [ASKED, SAID]}}, ["Hello"], ""),
    "output.jsonl": ({"messages": [ASKED], "output": "Hello"}, ["Hello"], ""),
    "columns.json": ({"prompt": ["Hi", "So?"], "response": ["Hello", "Yes"]}, ["Hello", "Yes"], ""),
}


@pytest.mark.parametrize("name", SHAPED)
def test_count_reads_shapes_and_says_what_it_leaves_out(ok, tmp_path, llama, name):
    row, said, words = SHAPED[name]
    (tmp_path / name).write_text(json.dumps(row) + "\n")
    made = ok("count", "--tokenizer", "llama-3.1", "--data", name)
    assert made["tokens"] == expected(llama, said)
    assert made["skipped"] == 0
    assert words in " ".join(made["warnings"])
    assert bool(words) == bool(made["warnings"])


def test_count_reads_a_saved_dataset(ok, tmp_path, llama):
    import datasets

    rows = datasets.Dataset.from_list([{"messages": [ASKED, SAID]}] * 3)
    splits = datasets.DatasetDict({"train": rows, "test": rows})
    splits.save_to_disk(tmp_path / "set")
    line = ("count", "--tokenizer", "llama-3.1", "--data")
    made = ok(*line, "set")
    assert made["tokens"] == 6 * expected(llama, ["Hello"])
    warnings = " ".join(made["warnings"])
    assert "The splits train, test are all read" in warnings
    assert "Left out: train/state.json (describes the dataset)." in warnings
    one = ok(*line, "set/train/data-00000-of-00001.arrow")
    assert (one["tokens"], one["warnings"]) == (3 * expected(llama, ["Hello"]), [])


def bad_corpora(folder: Path) -> dict[str, str]:
    """File name -> what its sentence must say."""
    good = json.dumps(
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    ).encode()
    (folder / "empty.jsonl").touch()
    (folder / "syntax.jsonl").write_bytes(good + b"\n{oops\n" + good)
    (folder / "latin.jsonl").write_bytes(good + b"\n" + good.replace(b'"b"', b'"\xe9"'))
    lines = b"\n".join(good.replace(b'"b"', json.dumps(f"b{i}" * 99).encode()) for i in range(999))
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(lines)[:-20])
    (folder / "cut.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(lines)[:-20])
    (folder / "silent.jsonl").write_bytes(good.replace(b"assistant", b"user"))
    (folder / "role.jsonl").write_bytes(good.replace(b"assistant", b"robot"))
    (folder / "data.exe").write_bytes(good)
    asked = good.replace(b"assistant", b"user")
    (folder / "asked.jsonl").write_bytes(b"\n".join([asked] * 200))
    (folder / "two.json").write_bytes(b"[" + good + b"]\n[" + good + b"]")
    (folder / "quote.csv").write_text('prompt,response\nq1,"a1\nq2,a2\nq3,"a3"\n')
    (folder / "open.csv").write_text('prompt,response\nq1,a1\nq2,"a2\nq3,a3\n')
    (folder / "wide.csv").write_bytes("prompt,response\nq,a\n".encode("utf-16"))
    (folder / "wide.jsonl").write_bytes(good.decode().encode("utf-16-le"))
    (folder / "pointer.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    (folder / "none.arrow").write_bytes(b"ARROW1 or not")
    (folder / "masked.jsonl").write_bytes(good.replace(b'"b"', b'"b", "weight": 0'))
    (folder / "id.jsonl").write_text('{"id": "0", "n": [1]}\n')
    return {
        "asked.jsonl": "no assistant text in 200 of 200 rows",
        "two.json": "line 2: a second array",
        "quote.csv": "line 2: a quote opens a field",
        "open.csv": "line 3: a quote opens a field",
        "wide.csv": "not UTF-8 but UTF-16",
        "wide.jsonl": "not UTF-8 but UTF-16LE",
        "pointer.parquet": "is a Git LFS pointer",
        "none.arrow": "cannot be read as Arrow",
        "masked.jsonl": "no assistant turn that is trained",
        "id.jsonl": "columns found: `id` (text), `n` (list of numbers)",
        "empty.jsonl": "is empty",
        "syntax.jsonl": "line 2",
        "latin.jsonl": "line 2",
        "cut.jsonl.gz": "cut off",
        "cut.jsonl.zst": "cut off",
        "silent.jsonl": "no assistant text",
        "role.jsonl": "unknown role 'robot' in 1 of 1 row (role.jsonl:1)); rename it to one of",
        "data.exe": "not a kind of file",
        "missing.jsonl": "no file",
    }


def test_bad_corpora_are_one_sentence_and_leave_nothing_half_written(refused, tmp_path):
    for name, says in bad_corpora(tmp_path).items():
        line = ("count", "--tokenizer", "llama-3.1", "--data", name, "--out", "out.npz")
        sentence = refused(*line)
        assert name in sentence, sentence
        assert says in sentence, sentence
        assert not Path("out.npz").exists()
        assert own_counts() == []


def test_tokenizers_of_ones_own_good_and_bad(ok, refused, tmp_path):
    chats = write_chats(tmp_path / "a.jsonl")
    made = byte_level(["<|im_start|>", "<|im_end|>"])
    chatml = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    )
    good = write_folder(tmp_path / "good", made, chatml, config={"vocab_size": 777})
    counted = ok("count", "--tokenizer", good, "--data", chats)
    assert (counted["vocab_size"], counted["tokenizer"]) == (777, "good")
    assert any("777" in warning for warning in counted["warnings"])
    said = [text for chat in CHATS for role, text in chat if role == "assistant"]
    assert counted["tokens"] == sum(len(made.encode(f"{text}<|im_end|>").ids) for text in said)

    plain = write_folder(tmp_path / "plain", made)
    assert "template" in refused("count", "--tokenizer", plain, "--data", chats)
    assert ok("count", "--tokenizer", plain, "--data", chats, "--template", "qwen")["tokens"] > 0
    raising = write_folder(tmp_path / "raising", made, "{{ raise_exception('never') }}")
    assert "never" in refused("count", "--tokenizer", raising, "--data", chats)
    small = write_folder(tmp_path / "small", made, chatml, config={"vocab_size": 100})
    assert "vocab_size 100, but" in refused("count", "--tokenizer", small, "--data", chats)
    close = write_folder(tmp_path / "close", made, chatml, config={"vocab_size": 600})
    assert "a.jsonl, line 1: the tokenizer gives id 601, which a model with V = 600" in refused(
        "count", "--tokenizer", close, "--data", chats
    )
    foreign = ok("count", "--tokenizer", good, "--data", chats, "--template", "gemma")
    assert any("<end_of_turn>" in warning for warning in foreign["warnings"])
    assert len(own_counts()) == 3


def test_v_given_by_hand_is_in_counts_and_exports(ok, refused, tmp_path):
    chats = write_chats(tmp_path / "a.jsonl")
    plain = write_folder(tmp_path / "plain", byte_level(["<|im_start|>", "<|im_end|>"]))
    line = ("count", "--tokenizer", plain, "--data", chats, "--template", "qwen")
    assumed = ok(*line)
    assert (assumed["vocab_size"], assumed["vocab_size_from"]) == (602, "the tokenizer's own size")
    given = ok(*line, "--vocab-size", "1,024", "--out", "v.npz")
    assert (given["vocab_size"], given["vocab_size_from"]) == (1024, "given by hand")
    made = TokenCounts.load("v.npz")
    assert (made.vocab_size, made.provenance.vocab_size_from) == (1024, "given by hand")
    ok(
        "export",
        "v.npz",
        "--k",
        "30",
        "--format",
        "ids",
        "--format",
        "specforge",
        "--draft",
        "llama-3.2-1b",
        "--out",
        "out",
    )
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert (manifest["vocab_size"], manifest["counts"]["vocab_size_from"]) == (
        1024,
        "given by hand",
    )
    assert "V:          1,024, given by hand" in Path("out/README.txt").read_text()
    assert json.loads(Path("out/ids/ids.json").read_text())["vocab_size"] == 1024
    # A preset's shapes over another V are another model's: no draft config is written from them.
    assert not Path("out/specforge/config.json").exists()
    Path("own.json").write_text(json.dumps(PRESETS["llama-3.2-1b"].draft_config(30)))
    own = ("--draft-config", "own.json", "--out", "own")
    ok("export", "v.npz", "--k", "30", "--format", "specforge", *own)
    assert json.loads(Path("own/specforge/config.json").read_text())["vocab_size"] == 1024

    for wrong in ("601", "0", "-5", 2**63):
        assert "V must lie within 602..16,777,216" in refused(*line, f"--vocab-size={wrong}")
    assert "not allowed with" in refused(*line, "--vocab-size", 700, "--model-config", "c.json")


def test_count_refuses_bad_arguments(refused, tmp_path):
    write_chats(tmp_path / "a.jsonl")
    line = ("count", "--tokenizer", "llama-3.1", "--data", "a.jsonl")
    assert "no counting rule some" in refused(*line, "--rule", "some")
    assert "llama9" in refused(*line, "--template", "llama9")
    assert "no engine warp" in refused(*line, "--engine", "warp")
    assert "no address of a Dask scheduler" in refused(*line, "--cluster", "nonsense:foo")
    assert "workers must be at least 1" in refused(*line, "--workers", "0")
    assert "limit" in refused(*line, "--limit", "0")
    assert "no tokenizer nothing" in refused("count", "--tokenizer", "nothing", "--data", "a.jsonl")
    assert "either as --data" in refused("count", "--tokenizer", "llama-3.1")
    assert "either as --data" in refused(*line, "--dataset", "gsm8k")
    assert "no assistant text" in refused(
        "count", "--tokenizer", "llama-3.1", "--dataset", "mt-bench"
    )


def test_a_hub_id_without_internet_is_a_sentence(refused, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    write_chats(tmp_path / "a.jsonl")
    sentence = refused("count", "--tokenizer", "nobody/nothing", "--data", "a.jsonl")
    assert "nobody/nothing" in sentence


def test_a_killed_count_job_resumes_to_the_same_counts(ok, tmp_path):
    """The command as the app runs it: killed early, resumed, equal to an undisturbed count."""
    from vocabtrim_core.jobs import control as jobs

    many = [[("user", f"q{i}"), ("assistant", f"answer {i} " * (i % 300 + 1))] for i in range(6000)]
    write_chats(tmp_path / "many.jsonl", many)
    line = ["count", "--tokenizer", "llama-3.1", "--data", "many.jsonl"]
    slowly = [*line, "--engine", "tokenizers", "--workers", "1"]  # to be killed in time
    job = jobs.start(slowly, "Count many")
    deadline = time.monotonic() + 60
    while (now := jobs.get(job.id)).active and now.total is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if now.process and now.active:
        os.kill(now.process.pid, signal.SIGKILL)
    ended = jobs.wait(job.id, 60)
    assert ended.state == "lost"
    done = jobs.wait(jobs.resume(job.id).id, 60)
    assert done.state == "done", done.log()
    resumed = done.result()
    assert resumed["tokens"] == ok(*line, "--fresh")["tokens"]
    assert resumed["conversations"] == 6000


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The embedded demo from a few of its sources, built by the command: name -> path."""
    from itertools import islice

    from vocabtrim_core.corpora import demo

    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        few = list(islice(demo.sources(), 40, 160))
        patch.setattr(demo, "sources", lambda: iter(few))
        assert main(["demo", "--out", str(out)]) == 0
    return {name: out / f"{name}.jsonl.zst" for name in demo.NAMES}


def test_the_demo_shows_that_a_narrow_domain_needs_fewer_tokens(ok, demo, capsys):
    found = {}
    for name, path in demo.items():
        made = ok("count", "--tokenizer", "llama-3.1", "--data", path, "--out", f"{name}.npz")
        assert made["conversations"] > 50
        found[name] = ok("optimize", f"{name}.npz")
    broad, narrow = found["python-assistant"], found["tool-calls"]
    assert narrow["k"] < broad["k"]
    other = ok("coverage", "tool-calls.npz", "--k", narrow["k"], "--on", "python-assistant.npz")
    here, there = other["sets"]
    assert there["coverage"] < here["coverage"]


@pytest.mark.parametrize("source", ["own", "shared"])
def test_a_corpus_equals_hf_and_is_searched(ok, source, llama):
    path = OWN / "plain.jsonl" if source == "own" else shared_corpus("gsm8k_test")
    made = ok("count", "--tokenizer", "llama-3.1", "--data", path, "--out", "gsm8k.npz")
    rows = messages(path, 10_000)
    said = [m["content"] for row in rows for m in row if m["role"] == "assistant"]
    assert made["tokens"] == expected(llama, said)
    assert made["conversations"] == len(rows)
    found = ok("optimize", "gsm8k.npz", "--method", "tpe", "--trials", "30", "--k-min", "50")
    assert 0 <= found["regret"] < 0.01
