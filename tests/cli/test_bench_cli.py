"""`bench` and `measurements` from end to end: the torch loop, servers, launched servers."""

from __future__ import annotations

import json
import shlex

import pytest
from helpers.lazy import Lazy
from helpers.model_folders import H, V, write_draft
from helpers.sglang_server import SECRET, info, serving, write_interpreter, write_nvidia_smi
from helpers.tokenizer_makers import byte_level, write_folder
from helpers.training_folders import SPECIALS

from vocabtrim_core import workspace
from vocabtrim_core.cli import main
from vocabtrim_core.cli.bench_options import command_line, parsed
from vocabtrim_core.errors import Cancelled
from vocabtrim_core.serving import measurement
from vocabtrim_core.templates.presets import NAMED

torch = Lazy("torch")
transformers = Lazy("transformers")
torch_loop = Lazy("vocabtrim_core.serving.torch_loop")

FAST = ("--limit", "3", "--max-new-tokens", "6", "--warm-up", "1")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A random target with its tokenizer, and two drafts of a training run that never was."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    home = tmp_path_factory.mktemp("models")
    write_folder(home / "target", byte_level(SPECIALS, V - len(SPECIALS)), NAMED["llama3"].jinja)
    transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=V,
            hidden_size=H,
            intermediate_size=2 * H,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).save_pretrained(home / "target")
    for k in (100, V):
        write_draft(home / f"run/k-{k}/draft", range(k))
    rows = [{"prompt": f"word {n} .", "response": "a"} for n in range(9)]
    text = "\n".join(map(json.dumps, rows))
    (home / "asked.jsonl").write_text(text)
    return home


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path, monkeypatch, models) -> None:
    """An empty workspace, but for the training run."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    run = workspace.folder("runs") / "small"
    run.symlink_to(models / "run")
    drafts = {str(k): {"sha256": "", "steps": 1} for k in (100, V)}
    spec = {"target": {"folder": str(models / "target"), "vocab_size": V}, "vocabularies": drafts}
    (models / "run/run.json").write_text(json.dumps(spec))


@pytest.fixture
def run(capsys):
    """`run("bench", …)` -> what --json prints."""

    def call(*argv, code: int = 0) -> dict:
        assert main([*map(str, argv), "--json"]) == code, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return call


def asked(models, *more) -> list:
    return ["--target", models / "target", "--prompts", models / "asked.jsonl", *FAST, *more]


def test_the_torch_loop_with_its_baselines(models, run, tmp_path) -> None:
    out = tmp_path / "mine.json"
    found = run("bench", *asked(models, "--draft", "small/100", "--out", out, "--runs", 2))
    labels = [row["label"] for row in found["rows"]]
    assert labels == ["no speculation", "100", "500"]  # V, of the same run, by itself
    assert found["missing"] == []
    assert [row["runs"] for row in found["rows"]] == [2, 2, 2]
    assert found["settings"]["max_new_tokens"] == 6
    kept = measurement.find(found["key"])
    assert kept.encoded() == out.read_bytes()
    assert {run.tokens for run in kept.runs} == {18}
    assert kept.configurations[1].draft_tokens == 4
    assert len(found["verdicts"]) == 2
    assert "100 is" in found["verdicts"][0]
    assert found["fastest"][-1].startswith("2 runs at ")

    listed = run("measurements")["measurements"]
    assert [(m["key"], m["runs"], m["failed"]) for m in listed] == [(found["key"], 6, 0)]
    assert run("measurements", "show", found["key"][:6])["rows"] == found["rows"]
    again = run("measurements", "replay", found["key"])
    assert again["replayed"] == found["key"]
    assert [row["label"] for row in again["rows"]] == labels
    assert measurement.find(again["key"]).prompts_key == kept.prompts_key
    assert out.read_bytes() == kept.encoded()  # a replay leaves it alone
    run("measurements", "export", found["key"], "--out", tmp_path / "tables")
    assert (tmp_path / "tables/summary.csv").read_text().startswith("Prompts")
    assert run("measurements", "remove", again["key"]) == {"key": again["key"], "removed": True}
    assert len(run("measurements")["measurements"]) == 1


def test_several_numbers_of_drafted_tokens(models, run, capsys) -> None:
    argv = asked(models, "--draft", "small/100", "--runs", 2, "--steps", "1,2", "--steps=3")
    found = run("bench", *argv)
    assert [row["label"] for row in found["rows"]] == [
        "no speculation",
        *(f"{k} (n = {n})" for k in (100, 500) for n in (1, 2, 3)),
    ]
    assert [row["steps"] for row in found["rows"]] == [0, 1, 2, 3, 1, 2, 3]
    assert [set(row["ratios"]) for row in found["rows"][1:4]] == [{"no speculation", "500"}] * 3
    stored = measurement.find(found["key"])
    assert {len(r.accepted) for r in stored.runs if "n = 2" in r.configuration} == {3}
    assert [s.partition(" is fastest with n = ")[0] for s in found["best_steps"][1:]] == [
        "500",
        "100",
    ]
    starts = [r.configuration for r in sorted(stored.runs, key=lambda r: (r.started, r.index))]
    assert len(set(starts)) == 7
    assert "--steps 1,2 3" in stored.command
    again = run("measurements", "replay", found["key"])
    assert [row["label"] for row in again["rows"]] == [row["label"] for row in found["rows"]]
    assert main(["measurements", "show", found["key"]]) == 0
    assert "100 is fastest with n = " in capsys.readouterr().out


def test_one_draft_is_swept(models, run) -> None:
    argv = asked(models, "--draft", "small", "--runs", 1, "--steps", "1,2", "--sweep", "small/100")
    found = run("bench", *argv)
    assert [row["label"] for row in found["rows"]] == [
        "no speculation",
        "500 (n = 2)",
        "100 (n = 1)",
        "100 (n = 2)",
    ]
    assert "--sweep small/100" in found["command"]
    more = asked(models, "--draft", "small/100", "--only", "--sweep", "small/500")
    assert "--sweep names" in run("bench", *more, code=2)["error"]


def test_text_for_people(models, capsys) -> None:
    argv = ["bench", *map(str, asked(models, "--draft", models / "run/k-100/draft", "--runs", 1))]
    assert main([*argv, "--only"]) == 0
    text = capsys.readouterr().out
    assert "one run" in text
    assert "100 was measured without a baseline" in text
    assert main(["measurements"]) == 0
    assert "torch loop" in capsys.readouterr().out


def test_what_was_stopped_goes_on(models, run, monkeypatch) -> None:
    argv = ["bench", *asked(models, "--draft", "small", "--runs", "2")]
    real, seen = torch_loop.TorchLoop.answer, []

    def stop(self, prompts, *more):
        seen.append(len(prompts))
        if len(prompts) == 3 and seen.count(3) == 4:  # a warm-up has one
            raise Cancelled("Stopped.")
        return real(self, prompts, *more)

    monkeypatch.setattr(torch_loop.TorchLoop, "answer", stop)
    assert run(*argv, code=130)["error"] == "Stopped."
    assert measurement.stored() == []
    found = run(*argv)
    assert [row["runs"] for row in found["rows"]] == [2, 2, 2]
    assert seen.count(3) == 4 + 3
    assert not any(workspace.folder("journals").iterdir())


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--engine", "sglang"], "or servers that run already with --url"),
        (["--url", "http://x:1", "--engine", "torch"], "does not go with torch"),
        (["--draft", "a"], "Name the target with --target"),
        (["--target", "TARGET", "--k", "100"], "--k goes with --simulate-acceptance"),
        (["--target", "TARGET"], "Name what is asked with --prompts"),
        (["--target", "TARGET", "--draft", "nowhere"], "There is no draft at nowhere"),
        (["--target", "TARGET", "--topk", "4"], "needs --draft-tokens"),
        (["--target", "TARGET", "--draft-tokens", "9"], "verifies 4 tokens, not 9"),
        (["--target", "TARGET", "--steps", "0"], "steps must be at least 1"),
        (["--target", "TARGET", "--only", "--prompts", "ASKED"], "at least one draft"),
        (["--target", "TARGET", "--prompts", "ASKED", "--concurrency", "2"], "one sequence at a"),
        (["--target", "TARGET", "--prompts", "ASKED", "--max-new-tokens", "0"], "at least 1"),
        (["--target", "TARGET", "--prompts", "ASKED", "--warm-up", "-1"], "not be negative"),
        (["--target", "TARGET", "--prompts", "gsm9k"], "or name a benchmark"),
        (["--target", "demo"], "There is no target demo any more"),
        (["--target", "TARGET", "--engine", "launch"], "There is no NVIDIA GPU here"),
        (["--url", "http://x:1", "--header", "X=UNSET_FOR_SURE"], "UNSET_FOR_SURE is not set"),
        (["--url", "http://u:p@x:1"], "must not hold a password"),
    ],
)
def test_what_cannot_be_measured(models, run, monkeypatch, argv, words) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    places = {"TARGET": models / "target", "ASKED": models / "asked.jsonl"}
    said = run("bench", *(places.get(word, word) for word in argv), code=2)["error"]
    assert words in said
    assert measurement.stored() == []


# --- SGLang --------------------------------------------------------------------------------------


def test_servers_by_url(models, run, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SGLANG_API_KEY", "k3y-for-all")
    monkeypatch.setenv("MY_TOKEN", "an0ther")
    target = str(models / "target")
    trimmed = str(models / "run/k-100/draft")
    with serving(target=target) as base, serving(target=target, draft=trimmed) as drafted:
        base.key = drafted.key = "k3y-for-all"
        found = run(
            "bench",
            "--url",
            f"base={base.url}",
            "--url",
            f"100={drafted.url}",
            "--engine",
            "sglang",
            "--header",
            "X-Team=MY_TOKEN",
            "--prompts",
            models / "asked.jsonl",
            *FAST,
            "--concurrency",
            1,
            2,
            "--runs",
            2,
            "--out",
            tmp_path / "kept.json",
        )
        sent = [headers for path, _, headers in drafted.requests if path == "/generate"]
        assert {headers["X-Team"] for headers in sent} == {"an0ther"}
        # Two warm-ups of one and two prompts a round, three prompts a run; ids, not text.
        assert len(sent) == 2 * (1 + 2 + 3 + 3)
        assert all("input_ids" in body for body in drafted.generated)
    assert [(r["label"], r["concurrency"]) for r in found["rows"]] == [
        ("base", 1),
        ("100", 1),
        ("base", 2),
        ("100", 2),
    ]
    assert (found["target"], found["engine"]) == (target, "SGLang 0.5.14")
    assert any("all of V" in sentence for sentence in found["missing"])
    written = "".join(p.read_text() for p in workspace.home().rglob("*") if p.is_file())
    written += (tmp_path / "kept.json").read_text()
    for secret in ("k3y-for-all", "an0ther", SECRET):
        assert secret not in written


def test_failed_servers_stand_beside_good_ones(models, run) -> None:
    target = str(models / "target")
    with serving(target=target) as base, serving(target=target, draft="a/b") as bad:
        bad.misbehave = "garbage"
        argv = [
            "bench",
            "--url",
            base.url,
            "--url",
            f"100={bad.url}",
            "--prompts",
            models / "asked.jsonl",
            *FAST,
            "--runs",
            1,
        ]
        found = run(*argv)
        assert found["rows"][1]["throughput"] is None
        assert "answers garbage" in found["rows"][1]["failed"][0]
        base.misbehave = "html"
        assert "No run went well" in run(*argv, code=2)["error"]


def test_servers_are_launched(models, run, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    write_nvidia_smi(tmp_path, "0x0")
    python = write_interpreter(tmp_path)
    found = run(
        "bench",
        "--interpreter",
        python,
        "--simulate-acceptance",
        "2.5",
        "--k",
        "100",
        "--k",
        "full",
        *asked(models, "--runs", 1),
    )
    assert [row["label"] for row in found["rows"]] == ["no speculation", "100", "500"]
    assert found["settings"]["simulated_acceptance_length"] == 2.5
    assert "only its times mean something" in found["notes"][0]
    assert found["settings"]["clocks_first"].startswith("SM 1410")
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert len(calls) == 3
    folder = calls[1][calls[1].index("--speculative-draft-model-path") + 1]
    config = json.loads((workspace.home() / folder / "config.json").read_text())
    assert (config["draft_vocab_size"], config["vocab_size"]) == (100, V)


def test_a_command_line_says_what_was_given(models, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(models)
    (models / "gsm8k").touch()
    given = parsed(
        [
            "--target",
            "target",
            "--draft",
            "run/k-100/draft",
            "small/500",
            "--prompts",
            "gsm8k",
            "--url=http://x:1",
            "--concurrency",
            "1",
            "4",
            "--only",
            "--server-argument=--disable-cuda-graph",
            "--out",
            "x.json",
        ]
    )
    line = command_line(given)
    words = shlex.split(line)
    assert words[:4] == ["python", "-m", "vocabtrim_core", "bench"]
    assert "x.json" not in words
    monkeypatch.chdir(tmp_path)
    again = parsed(words[4:])
    assert again.target == str(models / "target")
    assert again.draft == [str(models / "run/k-100/draft"), "small/500"]
    assert again.prompts == ["gsm8k"]  # the benchmark, not a file that is called so
    assert (again.concurrency, again.only, again.url) == ([1, 4], True, ["http://x:1"])
    assert again.server_argument == ["--disable-cuda-graph"]


def test_one_server_at_a_time(models, run) -> None:
    target, asks = str(models / "target"), ["--prompts", models / "asked.jsonl", *FAST]
    with serving(target=target) as fake:
        first = run("bench", "--url", fake.url, *asks)
        fake.info = info(target, "a/b")
        both = run("bench", "--url", f"100={fake.url}", *asks, "--join", first["key"])
        assert [row["label"] for row in both["rows"]] == ["no speculation", "100"]
        assert [row["runs"] for row in both["rows"]] == [3, 3]
        assert "over no speculation" in both["verdicts"][0]
        assert both["notes"][-1].startswith("no speculation was measured before the others")
        keys = {each.key for each in measurement.stored()}
        assert keys == {first["key"], both["key"]}
        again = ["bench", "--url", f"100={fake.url}", *asks, "--join", first["key"]]
        said = run(*again, "--max-new-tokens", 7, code=2)["error"]
        assert "differ in max_new_tokens: 6 and 7" in said
        assert "is kept as" in said
        insisted = run(*again, "--max-new-tokens", 7, "--insist")
        assert any("max_new_tokens: 6 and 7" in note for note in insisted["notes"])
        assert "max_new_tokens" not in insisted["settings"]
        fake.info = info(target, "a/c", speculative_num_steps=5)
        said = run("bench", "--url", f"200={fake.url}", *asks, "--join", both["key"], code=2)
        assert "differ in draft steps" in said["error"]
        assert (
            "no measurements"
            in run("bench", "--url", fake.url, *asks, "--join", "f" * 16, code=2)["error"].lower()
        )
