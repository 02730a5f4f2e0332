"""What every engine's back-end must do, over sockets: bodies recorded from real servers.

llama.cpp of October 2026 and vLLM 0.32.0 answered the same eight tokens of a prompt (SmolLM2, a
draft of 4,096 tokens), and SGLang 0.5.23 on a CPU, with stand-in kernels, 23 tokens of it (a draft
of 2,048). The torch loop keeps the same protocol. Failures are those of the replaying server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers.lazy import Lazy
from helpers.replay_server import PATHS, RECORDED, replaying
from helpers.tiny_models import write_folders

from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.serving.acceptance_length import length_of
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines import counters
from vocabtrim_core.serving.engines.identify import CLIENTS, connect, identify
from vocabtrim_core.serving.engines.process import free_port
from vocabtrim_core.serving.engines.servers import Servers
from vocabtrim_core.serving.measurement import Configuration, Run
from vocabtrim_core.serving.torch_loop import TorchLoop

torch = Lazy("torch")

IDS = (1, 4093, 198, 504, 3817, 282, 4649, 314)
PROMPT = Prompt("<|im_start|>user\nThe website of France is", IDS)
GREEDY = Generation(24)
NAMES = {"llama_cpp": "llama.cpp", "vllm": "vllm", "sglang": "sglang"}
DRAFTS = {"llama_cpp": "k-4096", "vllm": "k-4096", "sglang": "k-2048"}
TOKENS = {"llama_cpp": 24, "vllm": 24, "sglang": 23}  # of the recorded answer
EVERY_SERVER = pytest.mark.parametrize("name", NAMES)


def nothing() -> None:
    """A check that lets go on."""


def measured(servers: Servers) -> Run:
    """One run over the prompt."""
    servers.use(servers.configurations[0], 1)
    servers.flush()
    answers, seconds = servers.answer([PROMPT], GREEDY, 1, nothing)
    return Run.of("x", 1, 0, answers, seconds, counted=servers.counted())


# --- identify -------------------------------------------------------------------------------------


@EVERY_SERVER
def test_a_url_is_identified_and_another_engine_is_refused(name):
    with replaying(name) as fake:
        assert identify(fake.url) is CLIENTS[NAMES[name]]
        title = CLIENTS[NAMES[name]].title
        for other in set(CLIENTS) - {NAMES[name]}:
            wrong = (
                rf"is a {title} server, not one of {CLIENTS[other].title}.*--engine {NAMES[name]}"
            )
            with pytest.raises(InputError, match=wrong):
                connect(fake.url, engine=other)


@EVERY_SERVER
def test_without_its_list_of_models_it_is_known_by_other_pages(name):
    with replaying(name) as fake:
        fake.missing = {"/v1/models"}
        assert identify(fake.url) is CLIENTS[NAMES[name]]


def test_what_does_not_answer_is_of_no_engine():
    assert identify(f"http://127.0.0.1:{free_port()}") is None


@pytest.mark.parametrize(
    ("name", "version", "draft", "told"),
    [
        ("vllm", "0.32.0", "drafts/k-4096", {"dtype": "torch.bfloat16", "max_model_len": 2048}),
        ("llama_cpp", "b0-unknown", "", {"context_length": 2048, "weights": "Q4_1"}),
        ("sglang", "0.5.23", "drafts/k-2048", {"dtype": "bfloat16", "context_length": 1024}),
    ],
)
def test_what_a_server_says_of_itself(name, version, draft, told):
    with replaying(name) as fake:
        client = connect(fake.url)
        fake.answered = 1
        served = client.read()
    assert (served.version, served.draft) == (version, draft)
    assert (served.steps, served.draft_tokens) == (3, 4)
    assert served.algorithm in ("eagle3", "draft-eagle3", "EAGLE3")
    assert told.items() <= dict(served.arguments).items()


# --- answers and acceptance -----------------------------------------------------------------------


@EVERY_SERVER
def test_answers_go_out_and_come_back_as_token_ids(name):
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    with replaying(name) as fake:
        client = connect(fake.url)
        client.read()
        (answer,), _ = client.answer([PROMPT], GREEDY, 1, nothing)
        (sent,) = [body for body in fake.bodies if body["path"] == PATHS[name]][-1:]
    assert tuple(sent.get("prompt") or sent["input_ids"]) == IDS
    assert sent.get("sampling_params", sent)["temperature"] == 0
    pieces = [json.loads(event) for event in recorded["events"] if event != "[DONE]"]
    choices = [c for piece in pieces for c in piece.get("choices", [piece])]
    ids = [i for c in choices for i in c.get("token_ids", c.get("tokens", []))]
    ids = pieces[-1].get("output_ids", ids)  # SGLang's last event has all of them
    assert client.ids[PROMPT, GREEDY] == tuple(ids)
    assert answer.tokens == len(ids) == TOKENS[name]
    assert answer.first_token_s is not None


@EVERY_SERVER
def test_the_first_token_has_no_time_where_it_comes_with_others(name):
    """As on a busy server, whose first event may hold all that it has by then."""
    with replaying(name) as fake:
        first, second, *rest = fake.events
        if name == "vllm":
            ids = '"token_ids":[253]'
            assert ids in first
            first = first.replace(ids, '"token_ids":[253,3432]')
        elif name == "llama_cpp":
            content = json.loads(first)
            assert len(content["tokens"]) == 1
            first = json.dumps(content | {"tokens": [253, 3432]})
        else:
            first = second
            assert json.loads(second)["meta_info"]["completion_tokens"] > 1
        fake.events = [first, *rest]
        client = connect(fake.url)
        client.read()
        answer = client.generate(PROMPT, GREEDY, threading.Event())
    assert answer.first_token_s is None
    assert answer.seconds > 0


# Verifications and accepted tokens as the recorded bodies have them: all tokens but the first are
# one for each verification and the accepted ones.
@pytest.mark.parametrize(
    ("name", "verified", "histogram"),
    [
        ("vllm", 17, (11, 6, 0, 0)),
        ("llama_cpp", 19, (15, 4, 0, 0)),
        ("sglang", 15, (10, 3, 2)),
    ],
)
def test_acceptance_is_one_more_than_accepted_over_verified(name, verified, histogram):
    accepted = sum(j * n for j, n in enumerate(histogram))
    assert verified + accepted + 1 == TOKENS[name]
    with replaying(name) as fake:
        run = measured(Servers([("4096", fake.url)], vocab_size=49_152))
    assert (run.verified, run.accepted) == (verified, histogram)
    assert run.acceptance_length == pytest.approx(1 + accepted / verified)
    reached = [sum(histogram[i:]) / verified for i in range(1, len(histogram))]
    assert run.position_acceptance == pytest.approx(reached)


def test_vllm_without_the_block_of_a_request_is_counted_at_its_metrics():
    with replaying("vllm") as fake:
        fake.events = [
            json.dumps({k: v for k, v in json.loads(e).items() if k != "metrics"})
            if e != "[DONE]"
            else e
            for e in fake.events
        ]
        run = measured(Servers([("4096", fake.url)]))
    assert (run.verified, run.accepted) == (17, (11, 6, 0, 0))


def test_llama_cpp_without_metrics_is_counted_by_its_answers_and_it_is_said():
    with replaying("llama_cpp") as fake:
        fake.missing = {"/metrics"}
        servers = Servers([("4096", fake.url)])
        run = measured(servers)
        assert any("has no /metrics" in note for note in servers.notes)
    assert (run.verified, run.accepted) == (19, ())
    assert run.acceptance_length == pytest.approx(23 / 19)  # 1 + 4 / 19


def test_the_lengths_of_the_engines_themselves_are_converted():
    vllm = json.loads((RECORDED / "vllm.json").read_text())
    block = json.loads(vllm["events"][-2])["metrics"]["speculative_decoding"]
    own = length_of(block["num_spec_steps"], None, block["acceptance_histogram"])
    assert own == pytest.approx(block["mean_acceptance_length"])  # the same definition
    # SGLang 0.5.23 on a CPU: its own length is tokens / verifications, with that of the prefill.
    sglang = json.loads((RECORDED / "sglang.json").read_text())
    meta = json.loads(sglang["events"][-2])["meta_info"]
    verified, histogram = meta["spec_verify_ct"], meta["spec_correct_drafts_histogram"]
    assert meta["spec_accept_length"] == pytest.approx(meta["completion_tokens"] / verified)
    own = length_of(verified, None, histogram)
    assert own == pytest.approx(1 + meta["spec_num_correct_drafts"] / verified)
    assert own == pytest.approx((meta["completion_tokens"] - 1) / verified)


def test_a_draft_without_a_histogram_that_adds_up_keeps_its_verifications():
    text = 'vllm:generation_tokens_total 5\nvllm:spec_decode_num_drafts_total{a="b"} 4\n'
    text += "vllm:spec_decode_num_accepted_tokens_total 3\n"
    found = counters.read(text, "vllm")
    assert found is not None
    counted = found.since(counters.Counters()).counted()
    assert (counted.verified, counted.accepted) == (4, ())
    assert counters.read(text, "llamacpp") is None


# --- caches, traffic, other engines ---------------------------------------------------------------


def test_the_prefix_cache_is_emptied_or_it_is_said():
    with replaying("vllm") as fake:
        servers = Servers([("4096", fake.url)])
        measured(servers)
        assert any(body["path"] == "/reset_prefix_cache" for body in fake.bodies)
        assert not any("prefix cache" in note for note in servers.notes)
        fake.missing = {"/reset_prefix_cache"}
        measured(servers)
        assert any("was not emptied between runs" in note for note in servers.notes)
    with replaying("llama_cpp") as fake:
        measured(Servers([("4096", fake.url)]))
        assert all(b["cache_prompt"] is False for b in fake.bodies if b["path"] == "/completion")


@EVERY_SERVER
def test_other_traffic_is_refused(name):
    with replaying(name) as fake:
        servers = Servers([("4096", fake.url)])
        fake.others = 7
        tokens = TOKENS[name]
        words = f"generated {tokens + 7} tokens while it answered with {tokens}"
        with pytest.raises(EngineError, match=words):
            measured(servers)


@pytest.mark.parametrize("name", ["llama_cpp", "sglang"])  # vLLM counts tokens as they come
def test_a_request_of_others_that_goes_on_is_refused(name, monkeypatch):
    """These two count a request's tokens once it is done."""
    monkeypatch.setattr(counters, "SETTLE_SECONDS", 0.2)
    with replaying(name) as fake:
        client = connect(fake.url)
        client.read()
        client.answer([PROMPT], GREEDY, 1, nothing)
        fake.busy = True
        with pytest.raises(EngineError, match="works on requests of others"):
            client.answer([PROMPT], GREEDY, 1, nothing)


def test_sglang_without_metrics_says_what_is_not_seen():
    with replaying("sglang") as fake:
        fake.missing, fake.others = {"/metrics"}, 7
        servers = Servers([("2048", fake.url)])
        run = measured(servers)
        assert any("has no /metrics, so requests of others" in note for note in servers.notes)
    assert (run.verified, run.accepted) == (15, (10, 3, 2))


def test_engines_are_compared_only_where_that_is_asked_for():
    with replaying("vllm") as vllm, replaying("llama_cpp") as llama:
        urls = [("a", vllm.url), ("b", llama.url)]
        with pytest.raises(InputError, match=r"different engines \(vLLM and llama.cpp\)"):
            Servers(urls, insist=True)
        servers = Servers(urls, insist=True, across_engines=True)
        assert servers.label == "vLLM 0.32.0 and llama.cpp b0-unknown"
        assert servers.versions == {"vllm": "0.32.0", "llama.cpp": "b0-unknown"}


@EVERY_SERVER
def test_a_draft_of_unknown_size_is_said(name):
    with replaying(name) as fake:
        servers = Servers([("", fake.url)])
        assert any("is not known" in note for note in servers.notes)


# --- near ties ------------------------------------------------------------------------------------


@EVERY_SERVER
def test_how_near_a_tie_two_tokens_are(name):
    first, second = 253, 260
    with replaying(name) as fake:
        client = connect(fake.url)
        client.read()
        if name == "vllm":  # as it answers with return_tokens_as_token_ids
            fake.tie["choices"][0]["logprobs"]["top_logprobs"][0] = {
                "token_id:253": -1.9021997451782227,
                "token_id:260": -2.7771997451782227,
            }
        gap = client.gap(IDS, first, second)
        assert client.gap(IDS, first, 49_000) is None
    expected = {
        "llama_cpp": 2.864452600479126 - 2.0075056552886963,
        "vllm": 0.875,
        "sglang": 2.7659831047058105 - 1.8909831047058105,
    }[name]
    assert gap == pytest.approx(expected)


@EVERY_SERVER
def test_answers_that_differ_are_noted_with_their_gap(name):
    with replaying(name) as fake:
        servers = Servers([("4096", fake.url)])
        measured(servers)
        measured(servers)
        assert "All 1 repeated answers equal the same prompt's first." in servers.notes
        fake.events = [event.replace("[253", "[260") for event in fake.events]
        if name == "vllm":
            fake.tie["choices"][0]["logprobs"]["top_logprobs"][0] = {
                "token_id:253": -1.0,
                "token_id:260": -1.0625,
            }
        measured(servers)
        notes = " ".join(servers.notes)
    assert "1 of 2 repeated answers differ" in notes
    if name == "vllm":
        assert "at most 0.062 apart (1 measured)." in notes
    else:  # 0.857 and 0.875
        assert "that is no near tie" in notes


# --- failures -------------------------------------------------------------------------------------


@EVERY_SERVER
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("dies", "broke the connection off"),
        ("stalls", r"was silent for 0\.5 s"),
        ("garbage", "answers garbage"),
        ("error", "failed while it answered: .*the slot is gone"),
        ("cut", "broke an answer off before its end"),
    ],
)
def test_failures_in_the_middle_are_sentences(name, wrong, words):
    with replaying(name) as fake:
        servers = Servers([("4096", fake.url)], stall=0.5)
        fake.misbehave = wrong
        with pytest.raises(EngineError, match=words):
            measured(servers)


@EVERY_SERVER
def test_a_server_that_was_started_anew_is_found_out(name):
    with replaying(name) as fake:
        client = connect(fake.url)
        client.read()
        fake.answered = 5
        before = client.counters()
        fake.answered = 1
        assert before is not None
        with pytest.raises(EngineError, match="was started anew"):
            counters.added_by(24, before, client.counters, fake.url)


# --- one protocol ---------------------------------------------------------------------------------

ATTACHED = ("torch", *NAMES)
EVERY = pytest.mark.parametrize("name", ATTACHED)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A random target with two drafts, for the torch loop."""
    torch.set_num_threads(1)
    return write_folders(tmp_path_factory.mktemp("models"))


@contextmanager
def attached(name: str, models) -> Iterator[tuple[Any, Configuration]]:
    """An engine, and a configuration of it with a draft."""
    if name == "torch":
        draft = str(models.drafts[11])
        yield TorchLoop(models.target, device="cpu"), Configuration("11", 11, draft, 3, 1, 4)
        return
    with replaying(name) as fake:
        servers = Servers([(DRAFTS[name].removeprefix("k-"), fake.url)], vocab_size=49_152)
        yield servers, servers.configurations[0]
        servers.close()


def prompt_of(name: str) -> Prompt:
    return Prompt("", (1, 4, 9)) if name == "torch" else PROMPT


@EVERY
def test_every_engine_says_what_it_is(name, models):
    with attached(name, models) as (engine, configuration):
        assert engine.label
        assert engine.device
        assert engine.target
        assert engine.vocab_size in (40, 49_152)
        assert all(isinstance(v, str) and v for v in engine.versions.values())
        assert engine.versions
        assert all(note.endswith(".") for note in engine.notes)
        assert isinstance(engine.alternates, bool)
        scalars = (str, int, float, bool, type(None))
        assert all(isinstance(value, scalars) for value in engine.settings.values())
        assert configuration.k in (11, 2048, 4096)


@EVERY
def test_every_engine_accounts_for_every_token(name, models):
    """The first token is the prefill's; each verification gives the accepted ones and one more."""
    with attached(name, models) as (engine, configuration):
        engine.use(configuration, 1)
        engine.flush()
        answers, seconds = engine.answer([prompt_of(name)], GREEDY, 1, nothing)
        run = Run.of("x", 1, 0, answers, seconds, counted=engine.counted())
        assert engine.answered == len(answers) == 1
    (answer,) = answers
    assert 0 < answer.first_token_s <= answer.seconds <= seconds
    assert 1 < answer.tokens <= GREEDY.max_new_tokens
    assert run.verified == sum(run.accepted)
    accepted = sum(j * n for j, n in enumerate(run.accepted))
    assert answer.tokens - 1 == run.verified + accepted
    assert run.acceptance_length == pytest.approx((answer.tokens - 1) / run.verified)


@EVERY
def test_every_engine_wants_a_configuration_first_and_can_be_stopped(name, models):
    with attached(name, models) as (engine, configuration):
        with pytest.raises(EngineError, match="call `use` first"):
            engine.answer([prompt_of(name)], GREEDY, 1, nothing)
        engine.use(configuration, 1)

        def stop() -> None:
            raise Cancelled("Stopped.")

        with pytest.raises(Cancelled):
            engine.answer([prompt_of(name)], GREEDY, 1, stop)
        engine.close()
        engine.close()  # what is closed stays closed


@EVERY
def test_a_wrong_k_is_refused_by_every_engine_that_knows_its_draft(name, models, tmp_path):
    if name == "torch":
        wrong = Configuration("12", 12, str(models.drafts[11]), 3, 1, 4)
        with pytest.raises(InputError, match=r"drafts 11 tokens, but .* says k = 12"):
            TorchLoop(models.target, device="cpu").use(wrong)
        return
    folder = tmp_path / DRAFTS[name]
    folder.mkdir()
    (folder / "config.json").write_text('{"draft_vocab_size": 4096}')
    with replaying(name) as fake:
        if name == "llama_cpp":  # nothing tells its draft: what is named is taken, and said
            assert Servers([("500", fake.url)], drafts=[folder]).configurations[0].k == 500
            return
        with pytest.raises(InputError, match=r"drafts 4,096 tokens.*but k = 500"):
            Servers([("500", fake.url)], drafts=[folder])


# --- processes ------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from vocabtrim_core.serving.engines import process
from vocabtrim_core.serving.engines.process import ServerProcess
process.GRACE_SECONDS = 2
server = ServerProcess([sys.executable, "-c", sys.argv[2]], {}, Path(sys.argv[1]))
server.wait(lambda: "ready" in server.log.read_text().splitlines(), 30, lambda: None)
print(*server.pids, flush=True)
time.sleep(60)
"""
WORKERS = (
    "import os, signal, subprocess, sys, time\n"
    "worker = 'import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); time.sleep(60)'\n"
    "subprocess.Popen([sys.executable, '-c', worker])\n"
    "time.sleep(0.3)\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)


def test_kill_9_of_the_command_leaves_no_server_behind(tmp_path):
    environment = {**os.environ, "VOCABTRIM_HOME": str(tmp_path / "home")}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "log.txt"), WORKERS],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        start_new_session=True,
    )
    assert holder.stdout is not None
    guard, server, *workers = map(int, holder.stdout.readline().split())
    assert workers
    group = os.getpgid(server)
    assert group == server  # a group of its own
    assert {os.getpgid(pid) for pid in workers} == {group}
    for pid in (guard, server, *workers):
        assert os.getpgid(pid) != os.getpgid(holder.pid)
    stubborn = [psutil.Process(pid) for pid in (guard, server, *workers)]
    os.killpg(holder.pid, signal.SIGKILL)
    holder.wait()
    # The worker ignores SIGTERM, so it goes with the SIGKILL that follows the grace time.
    until = time.monotonic() + 60
    while time.monotonic() < until and any(map(_runs, stubborn)):
        time.sleep(0.1)
    assert not any(map(_runs, stubborn))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
