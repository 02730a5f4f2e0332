"""Results of engines' own tools: recorded files, and answers of llama.cpp's server and its log.

guidellm.json and aiperf.json are of one server each, vLLM 0.32.0 as in helpers/recorded_server.py;
what does not matter here is left out.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from helpers.recorded_server import RECORDED, bodies, log

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.importers import (
    Hints,
    find_importer,
    import_results,
    open_sources,
    read_source,
)
from vocabtrim_core.serving.measurement import Measurement

RESULTS = RECORDED / "results"
NAMES = ("vllm-bench-serve", "guidellm", "aiperf")


def value(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def imported(content, name="r.json", **hints) -> Measurement:
    text = content if isinstance(content, str) else json.dumps(content)
    (found,) = import_results([read_source(text.encode(), name)], hints=Hints(**hints))
    return found


def answers(name: str) -> list[dict]:
    return bodies(name)["answers"]


# --- recorded files -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_recorded_files_are_recognised_and_keep_within_k_plus_1(name):
    (found,) = import_results(open_sources([RESULTS / f"{name}.json"]), hints=Hints(ks=("4096",)))
    assert find_importer(read_source(json.dumps(value(name)).encode(), name)).name == name
    (run,) = found.runs
    (configuration,) = found.configurations
    assert (configuration.k, configuration.steps, configuration.draft_tokens) == (4096, 3, 4)
    assert (run.concurrency, found.target) == (2, "m")
    assert 1 <= run.acceptance_length <= 4
    assert run.latency.mean > 0
    assert run.throughput == pytest.approx(run.tokens / run.seconds, rel=0.01)


def test_vllms_numbers_are_its_own():
    told, run = value("vllm-bench-serve"), imported(value("vllm-bench-serve")).runs[0]
    drafts, accepted = told["spec_decode_num_drafts"], told["spec_decode_accepted_tokens"]
    assert run.verified == drafts
    assert run.acceptance_length == pytest.approx(1 + accepted / drafts)
    assert sum(i * n for i, n in enumerate(run.accepted)) == accepted
    assert run.latency.p95 == pytest.approx(told["p95_e2el_ms"] / 1e3)


@pytest.mark.parametrize("accepted_by_answer", [None, (9, 0, 3, 12, 7, 1)])
def test_guidellms_acceptance_is_the_sum_over_its_requests(accepted_by_answer):
    told = value("guidellm")
    (benchmark,) = told["benchmarks"]
    blocks = [
        request["response_metrics"]["speculative_decoding"]
        for request in benchmark["requests"]["successful"]
    ]
    for block, n in zip(blocks, accepted_by_answer or (), strict=False):  # none was recorded
        assert block["acceptance_histogram"][1:] == [0, 0, 0]
        steps = block["num_spec_steps"]
        block |= {"num_accepted_draft_tokens": 3 * n, "acceptance_histogram": [steps - n, 0, 0, n]}
    found = imported(told)
    steps = sum(block["num_spec_steps"] for block in blocks)
    accepted = sum(block["num_accepted_draft_tokens"] for block in blocks)
    (run,) = found.runs
    assert (run.verified, found.engine) == (steps, "vLLM")
    assert run.acceptance_length == pytest.approx(1 + accepted / steps)
    tokens = sum(request["output_tokens"] for request in benchmark["requests"]["successful"])
    assert run.tokens == tokens
    assert run.throughput == pytest.approx(tokens / benchmark["duration"])
    # Times of the requests, one by one.
    times = [request["request_latency"] for request in benchmark["requests"]["successful"]]
    assert run.latency.mean == pytest.approx(sum(times) / len(times))


def test_aiperfs_acceptance_is_that_of_its_histogram():
    told, found = value("aiperf"), imported(value("aiperf"))
    (run,) = found.runs
    steps = told["total_spec_decode_steps"]["avg"]
    assert run.verified == steps
    assert run.acceptance_length == pytest.approx(
        told["spec_decode_token_weighted_acceptance_length"]["avg"]
    )
    accepted = sum(i * n for i, n in enumerate(run.accepted))
    assert accepted == told["total_accepted_draft_tokens"]["avg"]
    assert run.tokens == told["total_usage_completion_tokens"]["avg"]


def test_files_without_acceptance_say_so():
    quiet = value("aiperf")
    for name in [name for name in quiet if "spec_decode" in name or "draft_tokens" in name]:
        del quiet[name]
    plain = value("guidellm")
    for request in plain["benchmarks"][0]["requests"]["successful"]:
        request["response_metrics"] = None
    for content in (quiet, plain):
        found = imported(content)
        assert [c.label for c in found.configurations] == ["no speculation"]
        assert found.runs[0].acceptance_length is None
        assert any("has no acceptance" in note for note in found.notes)
        sized = imported(content, ks=("4096",))
        assert any("that of k = 4,096 is not known" in note for note in sized.notes)


def test_a_sample_of_requests_gives_a_length_and_no_sums():
    told = value("guidellm")
    requests = told["benchmarks"][0]["requests"]
    requests["successful"] = requests["successful"][:2]
    found = imported(told)
    (run,) = found.runs
    assert run.verified is None
    assert 1 <= run.acceptance_length <= 4
    assert any("2 answers of 6" in note for note in found.notes)


def test_an_incomplete_run_is_said():
    assert any(
        "incomplete" in note for note in imported({**value("aiperf"), "is_complete": False}).notes
    )


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("aiperf", ("output_token_throughput", "avg"), "output_token_throughput"),
        ("aiperf", ("pooled_spec_decode_acceptance_histogram", "0"), "pooled_spec"),
        ("guidellm", ("benchmarks", 0, "duration"), "benchmark 1: duration"),
        ("guidellm", ("benchmarks", 0, "metrics", "request_latency"), "request_latency"),
        ("vllm-bench-serve", ("duration",), "duration"),
    ],
)
def test_bad_fields_are_named(name, place, words):
    told = value(name)
    inside = told
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = -1
    with pytest.raises(InputError, match=words) as refusal:
        imported(told)
    assert "\n" not in str(refusal.value)


# --- llama.cpp ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama-trimmed", "llama-random"])
def test_answers_and_log_of_one_server_agree_with_its_counters(name):
    from_answers, from_log = (
        imported(answers(name)),
        imported(log(name).read_text("utf-8"), "s.log"),
    )
    lines = "\n".join(map(json.dumps, answers(name)))
    assert imported(lines).runs == from_answers.runs
    counted = bodies(name)["/metrics"]
    drafts, accepted = (
        int(
            next(
                line for line in counted.splitlines() if line.startswith(f"llamacpp:{n} ")
            ).split()[1]
        )
        for n in ("spec_decode_num_drafts_total", "spec_decode_num_accepted_tokens_total")
    )
    for found in (from_answers, from_log):
        (run,) = found.runs
        assert run.acceptance_length == pytest.approx(1 + accepted / drafts, rel=0.005)
        assert run.tokens == sum(answer["timings"]["predicted_n"] for answer in answers(name))
        seconds = sum(
            answer["timings"]["prompt_ms"] + answer["timings"]["predicted_ms"]
            for answer in answers(name)
        )
        assert run.seconds == pytest.approx(seconds / 1e3, rel=1e-4)
        assert (found.engine, found.target) == ("llama.cpp", "target.gguf")
        assert found.configurations[0].steps == 3
    assert from_log.configurations[0].draft.startswith("draft-4096")


def test_a_server_without_a_draft_has_no_acceptance():
    for content in (answers("llama-plain"), log("llama-plain").read_text("utf-8")):
        found = imported(content)
        assert [c.label for c in found.configurations] == ["no speculation"]
        assert found.runs[0].acceptance_length is None


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_short_answers_never_exceed_k_plus_1(depth, seed):
    """Answers of 1 to 12 tokens, cut by a limit as a server cuts them, of good and bad drafts."""
    generator = random.Random(100 * depth + seed)
    told = []
    for _ in range(30):
        limit, tokens, drafted, hits = generator.randint(1, 12), 1, 0, 0
        while tokens < limit:
            n = min(depth, limit - tokens)
            run = 0
            while run < n and generator.random() < seed / 4:
                run += 1
            drafted, hits, tokens = drafted + n, hits + run, tokens + run + 1
        timings = {"predicted_n": min(tokens, limit), "predicted_ms": 1.0, "prompt_ms": 1.0}
        timings |= {"draft_n": drafted, "draft_n_accepted": hits} if drafted else {}
        told.append({"timings": timings})
    for content in (told, *[[one] for one in told if "draft_n" in one["timings"]]):
        (run,) = imported(content).runs
        assert 1 <= run.acceptance_length <= depth + 1


BENCH = {
    "build_commit": "abc1234",
    "cpu_info": "CPU",
    "gpu_info": "",
    "model_filename": "models/m.gguf",
    "n_threads": 2,
    "n_prompt": 0,
    "n_gen": 128,
    "n_depth": 0,
    "avg_ts": 64.0,
    "samples_ns": [2_000_000_000, 1_600_000_000],
    "samples_ts": [64.0, 80.0],
}


@pytest.mark.parametrize("lines", [True, False])
def test_llama_bench_is_the_target_alone(lines):
    reading = {**BENCH, "n_prompt": 512, "n_gen": 0}
    content = "\n".join(map(json.dumps, (reading, BENCH))) if lines else [reading, BENCH]
    found = imported(content)
    assert [c.label for c in found.configurations] == ["no speculation"]
    assert [run.throughput for run in found.runs] == BENCH["samples_ts"]
    assert (found.target, found.device, found.engine) == ("m.gguf", "CPU", "llama.cpp")
    assert any("tells no acceptance length" in note for note in found.notes)
    with pytest.raises(InputError, match="no test of llama-bench generates tokens"):
        imported([reading])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"timings": {"predicted_n": -1, "predicted_ms": 1}}], "predicted_n"),
        ([{"timings": {"predicted_n": 0, "predicted_ms": 1}}], "no answer was finished"),
        ([BENCH, {**BENCH, "samples_ns": [0]}], "test 2: .*samples_ns"),
        ("slot print_timing: id 0 | task 1 | nothing", "no answer was finished"),
        ("I srv init: loading model", "is not JSON"),
    ],
)
def test_bad_results_of_llama_cpp_are_refused_in_a_sentence(content, words):
    with pytest.raises(InputError, match=words) as refusal:
        imported(content)
    assert "\n" not in str(refusal.value)


def test_a_log_in_a_folder_of_its_own(tmp_path):
    path = Path(tmp_path) / "server.log"
    path.write_bytes(log("llama-trimmed").read_bytes())
    (found,) = import_results(open_sources([path]), hints=Hints(ks=("4096",), vocab_size=49_152))
    assert [c.label for c in found.configurations] == ["4,096"]
