"""Results of other tools, recorded ones and ones in the shape their code writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vocabtrim_core.cli import main
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.importers import (
    FORMATS,
    Hints,
    find_importer,
    import_results,
    open_sources,
    own_measurement,
    read_source,
    save_once,
)
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.statistics import acceptance_length
from vocabtrim_core.serving.verdict import verdict

EAGLE3 = {
    "model": "org/llama-eagle3",
    "mtbench": [
        {
            "batch_size": 1,
            "steps": 0,
            "topk": 0,
            "num_draft_tokens": 0,
            "num_samples": 80,
            "metrics": [{"latency": 100.0, "output_throughput": 100.0, "accept_length": 1.0}],
        },
        {
            "batch_size": 1,
            "steps": 3,
            "topk": 1,
            "num_draft_tokens": 4,
            "num_samples": 80,
            "metrics": [
                {"latency": 10.0, "output_throughput": 170.0, "accept_length": 1700 / 600},
                {
                    "latency": 10.0,
                    "output_throughput": 180.0,
                    "accept_length": 1800 / 650,
                    "accuracy": None,
                    "num_questions": 80,
                },
            ],
        },
    ],
}
SERVING = {
    "dataset_name": "custom",
    "request_rate": float("inf"),
    "max_concurrency": 4,
    "duration": 10.0,
    "completed": 20,
    "total_output_tokens": 4000,
    "output_throughput": 400.0,
    "mean_e2e_latency_ms": 900.0,
    "median_e2e_latency_ms": 800.0,
    "p95_e2e_latency_ms": 2000.0,
    "concurrency": 3.7,
    "accept_length": 2.5,
    "server_info": {
        "version": "0.5.14",
        "model_path": "meta/llama",
        "speculative_num_steps": 3,
        "speculative_algorithm": "EAGLE3",
        "speculative_eagle_topk": 1,
        "speculative_num_draft_tokens": 4,
        "speculative_draft_model_path": "drafts/k-13264",
    },
}
ONE_BATCH = {
    "run_name": "default",
    "batch_size": 8,
    "input_len": 256,
    "output_len": 128,
    "latency": 2.0,
    "input_throughput": 1e4,
    "output_throughput": 600.0,
    "overall_throughput": 1536.0,
    "last_gen_throughput": 590.0,
    "acc_length": 2.0,
    "total_output_tokens": None,
}
VLLM = {
    "model": "meta/llama",
    "num_prompts": 64,
    "completed": 64,
    "failed": 0,
    "output_tokens": 6400,
    "wall_clock_s": 10.0,
    "output_throughput_tok_s": 640.0,
    "accept_length": 2.4,
    "num_drafts": 2500,
    "num_draft_tokens": 7500,
    "num_accepted_tokens": 3500,
    "baseline_throughput_tok_s": 320.0,
    "speedup": 2.0,
}
# In the shape of `vllm bench serve --save-result`, with numbers of our own.
SERVE = {
    "date": "20260901-101500",
    "endpoint_type": "openai-chat",
    "backend": "openai-chat",
    "label": None,
    "model_id": "meta/Ex-8B",
    "tokenizer_id": "meta/Ex-8B",
    "num_prompts": 80,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 4,
    "duration": 40.5,
    "completed": 80,
    "failed": 0,
    "total_input_tokens": 6400,
    "total_output_tokens": 20480,
    "request_throughput": 1.97,
    "request_goodput": None,
    "output_throughput": 505.7,
    "total_token_throughput": 663.7,
    "mean_ttft_ms": 41.0,
    "median_ttft_ms": 39.0,
    "std_ttft_ms": 5.0,
    "p99_ttft_ms": 60.0,
    "mean_tpot_ms": 7.7,
}
SPEC = {
    "spec_decode_acceptance_rate": 61.3,
    "spec_decode_acceptance_length": 2.84,
    "spec_decode_num_drafts": 1000,
    "spec_decode_draft_tokens": 3000,
    "spec_decode_accepted_tokens": 1840,
    "spec_decode_per_position_acceptance_rates": [0.81, 0.61, 0.42],
}
SGL_NULL = {
    "backend": "sglang",
    "dataset_name": "sharegpt",
    "request_rate": float("inf"),
    "max_concurrency": 1,
    "duration": 100.0,
    "completed": 40,
    "total_input_tokens": 5000,
    "total_output_tokens": 20000,
    "total_output_tokens_retokenized": 19990,
    "output_throughput": 200.0,
    "accept_length": None,
}
SPECBUNDLE = {
    "Llama-3.1-8B": {
        "mtbench": {
            "benchmark_name": "mtbench",
            "results": [
                {
                    "batch_size": 8,
                    "steps": steps,
                    "topk": 1,
                    "num_draft_tokens": steps + 1,
                    "metrics": [
                        {
                            "Name": "Wihtout EAGLE3",
                            "output_throughput": 500.0,
                            "accept_length": 1.0,
                        },
                        {"Name": "org/A", "output_throughput": 900.0, "accept_length": 2.6},
                        {"Name": "org/B", "output_throughput": 800.0, "accept_length": 2.4},
                    ],
                }
                for steps in (3, 5)
            ],
        }
    }
}


def source(value, name="results.json"):
    return read_source(json.dumps(value).encode(), name)


def imported(value, **hints) -> Measurement:
    (found,) = import_results([source(value)], hints=Hints(**hints))
    return found


def test_bench_eagle3_gives_runs_as_ratios_of_sums():
    found = imported(EAGLE3, ks=("13264",), target="llama")
    assert (found.prompts, found.target, found.origin) == ("MT-Bench", "llama", "imported")
    none, draft = found.configurations
    assert (none.label, none.k, none.draft) == ("no speculation", None, "")
    assert (draft.label, draft.k, draft.draft) == ("13,264", 13_264, "org/llama-eagle3")
    assert (draft.steps, draft.topk, draft.draft_tokens) == (3, 1, 4)
    runs = found.good("13,264")
    assert [(run.index, run.tokens, run.verified) for run in runs] == [
        (0, 1700, 600),
        (1, 1800, 650),
    ]
    # 80 questions of two turns are 160 answers, whose first tokens no verification gave.
    assert [run.acceptance_length for run in runs] == [1540 / 600, 1640 / 650]
    assert acceptance_length(runs) == pytest.approx(3180 / 1250)
    assert found.good("no speculation")[0].acceptance_length is None
    assert "over no speculation on MT-Bench" in verdict(found, "13,264")


def test_a_server_of_unknown_shape_is_recognised_by_what_it_accepted():
    metrics = {"latency": 1.0, "output_throughput": 9.0, "accept_length": 1.0}
    shape = dict.fromkeys(("steps", "topk", "num_draft_tokens"))
    entry = {"batch_size": 2, **shape, "metrics": [metrics]}
    (one,) = imported({"model": None, "gsm8k": [entry]}).configurations
    assert one.label == "no speculation"


def test_the_recorded_specforge_benchmark(shared):
    path = shared / "reference" / "specforge_sglang" / "sb.json"
    (found,) = import_results(open_sources([path]))
    (run,) = found.runs
    assert (found.prompts, run.tokens, run.seconds) == ("GSM8K", 24, 2.134804545999941)
    assert run.throughput == pytest.approx(24 / 2.134804545999941)
    assert [c.label for c in found.configurations] == ["no speculation"]
    assert any("mean of per-request values" in note for note in found.notes)
    assert any("how many requests ran at once" in note for note in found.notes)


def test_specforge_acceptance_leaves_out_first_tokens_and_is_not_its_mean():
    value = {
        "average_acceptance_length": 3.0,
        "backend": "sglang",
        "dataset": "mt-bench",
        "latency_seconds": 10.0,
        "output_tokens": 1000,
        "samples": 80,
        "spec_verify_count": 400,
        "throughput_tokens_per_second": 100.0,
    }
    found = imported(value, ks=("4380",))
    assert (found.prompts, found.runs[0].acceptance_length) == ("MT-Bench", 920 / 400)


def test_the_recorded_bench_serving_line_with_infinity(shared):
    path = shared / "reference" / "specforge_sglang" / "bs.jsonl"
    (found,) = import_results(open_sources([path]))
    (run,) = found.runs
    assert (found.target, found.engine, found.device) == ("exp/target", "SGLang 0.5.14", "cpu")
    assert (run.concurrency, run.tokens, run.acceptance_length) == (2, 64, None)
    assert run.latency is not None
    assert run.latency.p95 == pytest.approx(0.8426990604998081)
    assert found.versions == {"sglang": "0.5.14"}


def test_bench_serving_lines_of_one_server_are_its_runs():
    content = "\n".join(json.dumps({**SERVING, "output_throughput": v}) for v in (400.0, 410.0))
    sources = [read_source(content.encode(), "r.jsonl")]
    (found,) = import_results(sources, hints=Hints(ks=("k-13264=13,264",)))
    assert [run.index for run in found.good("13,264", 4)] == [0, 1]
    assert found.runs[0].verified == 1592  # 20 of the 4,000 tokens are first ones
    assert found.runs[0].acceptance_length == 2.5
    assert any("since it started" in note for note in found.notes)


def test_loads_of_one_file_are_told_apart(tmp_path, capsys):
    """Two lines at 16 and at 32 requests at once: a rate each, none over both."""
    path = tmp_path / "r.jsonl"
    lines = [{**SERVING, "max_concurrency": n, "output_throughput": 50.0 * n} for n in (16, 32)]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert main(["import-results", str(path), "--k", "32000", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["measurements"]
    rows = [
        (c["label"], c["concurrency"], c["runs"], c["throughput"]) for c in found["configurations"]
    ]
    assert rows == [("32,000", 16, 1, 800.0), ("32,000", 32, 1, 1600.0)]
    assert main(["import-results", str(path), "--k", "32000"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in shown[2:4]] == [
        ["32,000", "16", "1", "800.0"],
        ["32,000", "32", "1", "1,600.0"],
    ]


@pytest.mark.parametrize("value", [SERVING, SERVE])
def test_a_run_without_completed_requests_is_no_result(value):
    with pytest.raises(InputError, match="no request was completed, so nothing was measured"):
        imported({**value, "completed": 0, "output_throughput": 0.0, "total_output_tokens": 0})


def test_one_batch_counts_over_the_whole_latency():
    found = imported(ONE_BATCH)
    run = found.runs[0]
    assert (run.throughput, run.tokens, run.concurrency) == (512.0, 1024, 8)
    assert (run.acceptance_length, run.verified) == (2.0, 508)  # 1,024 less 8 first tokens
    assert imported({**ONE_BATCH, "acc_length": -1}).configurations[0].label == "no speculation"


def test_nemo_with_vllm_has_exact_counters_and_a_baseline():
    found = imported(VLLM, ks=("32000",), concurrency=8)
    drafted, plain = found.good("32,000")[0], found.good("no speculation")[0]
    assert (drafted.acceptance_length, drafted.verified) == (2.4, 2500)
    assert (plain.throughput, plain.concurrency, found.engine) == (320.0, 8, "vLLM")


def test_vllms_own_benchmark_is_two_drafts_on_vllm():
    full = {**SERVE, **SPEC, "output_throughput": 430.2, "spec_decode_acceptance_length": 2.91}
    sources = [source(full, "full.json"), source({**SERVE, **SPEC}, "trimmed.json")]
    (found,) = import_results(sources, hints=Hints(ks=("128256", "13264")))
    assert (found.engine, found.target) == ("vLLM", "meta/Ex-8B")
    assert [(c.label, c.k, c.steps, c.draft_tokens) for c in found.configurations] == [
        ("128,256", 128_256, 3, 4),
        ("13,264", 13_264, 3, 4),
    ]
    for label, rate, length in (("128,256", 430.2, 2.91), ("13,264", 505.7, 2.84)):
        (run,) = found.good(label, 4)
        assert (run.throughput, run.verified) == (rate, 1000)
        assert acceptance_length([run]) == pytest.approx(length)
        assert run.position_acceptance == pytest.approx((0.81, 0.61, 0.42))
        assert run.accepted == (190, 200, 190, 420)
    (plain,) = import_results([source(SERVE)])
    assert [c.label for c in plain.configurations] == ["no speculation"]
    (unlimited,) = import_results([source({**SERVE, **SPEC, "max_concurrency": None})])
    assert unlimited.runs[0].concurrency == 80
    (both,) = import_results([source(SERVE, "plain.json"), source({**SERVE, **SPEC}, "draft.json")])
    assert [c.label for c in both.configurations] == ["no speculation", "draft.json"]


# What each tool writes where it does not know of any speculation.
SILENT = {
    "bench-eagle3": {
        "model": None,
        "gsm8k": [
            {
                "batch_size": 2,
                "steps": None,
                "topk": None,
                "num_draft_tokens": None,
                "metrics": [{"latency": 1.0, "output_throughput": 9.0, "accept_length": 1.0}],
            }
        ],
    },
    "bench-serving": SGL_NULL,
    "bench-one-batch-server": {**ONE_BATCH, "acc_length": -1},
    "modelopt": [{"Output TPS": 300.0}],
    "nemo-automodel": {
        **VLLM,
        "accept_length": None,
        "num_drafts": None,
        "baseline_throughput_tok_s": None,
    },
    "specforge-benchmark": {
        "dataset": "gsm8k",
        "latency_seconds": 10.0,
        "samples": 8,
        "output_tokens": 1000,
        "throughput_tokens_per_second": 100.0,
    },
    "vllm-bench-serve": SERVE,
    "aiperf": {
        "aiperf_version": "0.13.0",
        "output_token_throughput": {"avg": 90.0},
        "benchmark_duration": {"avg": 9.0},
    },
    "guidellm": {
        "metadata": {"guidellm_version": "0.8.1"},
        "benchmarks": [
            {
                "duration": 9.0,
                "metrics": {
                    name: {"successful": {"mean": 1.0, "total_sum": 90.0, "count": 9}}
                    for name in ("output_token_count", "request_latency", "time_to_first_token_ms")
                },
            }
        ],
    },
    "llama-server": [{"timings": {"predicted_n": 90, "predicted_ms": 900.0}}],
    "llama-bench": [
        {
            "model_filename": "m.gguf",
            "n_prompt": 0,
            "n_gen": 90,
            "avg_ts": 9.0,
            "samples_ns": [10**10],
        }
    ],
}
LOUD = {
    "bench-eagle3": EAGLE3,
    "bench-serving": SERVING,
    "bench-one-batch-server": ONE_BATCH,
    "nemo-automodel": VLLM,
    "vllm-bench-serve": {**SERVE, **SPEC},
    "specbundle": SPECBUNDLE,
    "aiperf": {
        **SILENT["aiperf"],
        "total_spec_decode_steps": {"avg": 40.0},
        "total_draft_tokens": {"avg": 120.0},
        "total_accepted_draft_tokens": {"avg": 50.0},
    },
    "llama-server": [
        {
            "timings": {
                "predicted_n": 90,
                "predicted_ms": 9.0,
                "draft_n": 120,
                "draft_n_accepted": 49,
            }
        }
    ],
}


@pytest.mark.parametrize("name", SILENT)
def test_a_size_that_is_given_wins_over_a_file_that_tells_nothing(name):
    assert find_importer(source(SILENT[name])).name == name
    (one,) = imported(SILENT[name]).configurations
    assert (one.label, one.k) == ("no speculation", None)
    found = imported(SILENT[name], ks=("13264",))
    (one,) = found.configurations
    assert (one.label, one.k) == ("13,264", 13_264)
    assert found.good("13,264")[0].acceptance_length is None
    assert any("that of k = 13,264 is not known" in note for note in found.notes)


@pytest.mark.parametrize("name", LOUD)
def test_zero_says_that_nothing_is_drafted_whatever_the_file_says(name):
    found = imported(LOUD[name], ks=("0",))
    assert all(c.k is None and not c.draft and not c.steps for c in found.configurations)
    assert all(run.acceptance_length is None and not run.accepted for run in found.runs)


def test_one_size_for_several_files_leaves_the_baseline_alone():
    about = {**SERVING["server_info"], "speculative_algorithm": None}
    plain = {**SERVING, "accept_length": None, "server_info": about}
    sources = [source(plain, "plain.json"), source(SERVING, "draft.json")]
    (found,) = import_results(sources, hints=Hints(ks=("13264",)))
    assert [(c.label, c.k) for c in found.configurations] == [
        ("no speculation", None),
        ("13,264", 13_264),
    ]
    assert imported(plain, ks=("13264",)).configurations[0].k == 13_264
    assert imported(EAGLE3, ks=("13264",)).configurations[0].label == "no speculation"


@pytest.mark.parametrize("name", [*SILENT, "specbundle"])
def test_two_files_of_any_tool_are_never_one_configuration_unless_said(name):
    value = SILENT.get(name, SPECBUNDLE)
    sources = [source(value, "a.json"), source(value, "b.json")]
    once = len(imported(value).configurations)
    for ks in ((), ("13264", "13264"), ("13264",)):
        (apart,) = import_results(sources, hints=Hints(ks=ks))
        assert len(apart.configurations) == 2 * once
        assert any("kept apart; --pool" in note for note in apart.notes)
        (pooled,) = import_results(sources, hints=Hints(ks=ks, pool=True))
        assert len(pooled.configurations) == once
        assert len(pooled.runs) == len(apart.runs)


@pytest.mark.parametrize(
    "value",
    [
        # TensorRT-LLM's and others' descendants of the same script share these fields.
        {
            "date": "x",
            "backend": "openai",
            "model_id": "m",
            "tokenizer_id": "m",
            "num_prompts": 4,
            "request_rate": "inf",
            "burstiness": 1.0,
            "duration": 1.0,
            "completed": 4,
            "total_output_tokens": 9,
            "output_throughput": 9.0,
            "mean_ttft_ms": 1.0,
        },
        {"output_throughput": 9.0, "total_output_tokens": 9, "duration": 1.0},
        {"batch_size": 1, "input_len": 9, "output_len": 9, "latency": 1.0},
        {"results": [], "aggregate": {}},
        {"results": [{"score": 1}], "aggregate": {"mean": 1}},
        {"endpoint_type": "openai", "burstiness": 1.0, "tokenizer_id": "m"},
    ],
)
def test_fields_that_several_tools_write_recognise_none(value):
    with pytest.raises(InputError, match="is no result that can be imported"):
        imported(value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"output_throughput": float("inf")}, r"output_throughput"),
        ({"duration": 0}, r"duration"),
        ({"spec_decode_num_drafts": -1}, r"spec_decode_num_drafts"),
        ({"spec_decode_per_position_acceptance_rates": [1.5]}, r"acceptance_rates\[0\]"),
        ({"spec_decode_acceptance_length": "2.9"}, r"spec_decode_acceptance_length"),
        ({"max_concurrency": 0}, r"max_concurrency"),
    ],
)
def test_bad_fields_of_vllm_are_named(change, field):
    with pytest.raises(InputError, match=field):
        imported({**SERVE, **SPEC, **change})


def test_a_nemo_sweep_is_a_measurement_per_data_set_and_keeps_failures():
    sweep = {
        "results": [
            {"dataset": "gsm8k", **VLLM},
            {"dataset": "alpaca", "error": "connection refused"},
        ],
        "aggregate": {"num_datasets": 2},
    }
    good, bad = import_results([source(sweep)])
    assert (good.prompts, good.runs[0].throughput, good.runs[0].concurrency) == ("gsm8k", 640.0, 16)
    assert bad.runs[0].error == "connection refused"


def test_a_modelopt_folder(tmp_path):
    files = {
        "configuration.json": {
            "engine": "VLLM",
            "engine_version": "0.19.1",
            "speculative_algorithm": "EAGLE3",
            "draft_length": 3,
            "draft_model_dir": "drafts/a",
            "model_dir": "meta/llama",
            "concurrency": 2,
            "mtbench": "question.jsonl",
            "gpu": "H200",
            "output_length": 4096,
        },
        "timing.json": [
            {"Output TPS": 300.0, "E2E Request Time": {"mean": "2.5000"}},
            {"Output TPS": 310.0},
        ],
        "acceptance_rate.json": [
            {"Average_AL": 9.9, "Acceptance_Length_Histogram": {"1": 10, "2": 20, "4": 10}},
            {"Average_AL": 9.9, "Acceptance_Length_Histogram": {"1": 20, "3": 20}},
        ],
    }
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value))
    (found,) = import_results(open_sources([tmp_path]), hints=Hints(ks=("13264",)))
    assert (found.prompts, found.engine, found.device) == ("MT-Bench", "VLLM 0.19.1", "H200")
    first, second = found.good("13,264", 2)
    assert (first.acceptance_length, first.accepted) == (90 / 40, (10, 20, 0, 10))
    assert (second.throughput, second.acceptance_length) == (310.0, 2.0)
    assert acceptance_length((first, second)) == pytest.approx(170 / 80)
    (tmp_path / "timing.json").unlink()
    with pytest.raises(InputError, match=r"no timing\.json"):
        import_results(open_sources([tmp_path]))


def test_specbundle_repeats_its_baseline_which_is_one_run():
    found = imported(SPECBUNDLE, ks=("org/A=32000", "org/B=128256"))
    assert len(found.good("no speculation")) == 1
    assert [c.label for c in found.configurations] == [
        "no speculation",
        "32,000 (3-1-4)",
        "128,256 (3-1-4)",
        "32,000 (5-1-6)",
        "128,256 (5-1-6)",
    ]
    many = {f"target {i}": SPECBUNDLE["Llama-3.1-8B"] for i in range(13)}
    with pytest.raises(InputError, match="13 measurements; say which with --only"):
        import_results([source(many)])
    assert imported(many, only="target 7").target == "target 7"


def test_files_of_one_workload_make_one_measurement_in_pairs():
    def line(throughput, draft):
        about = {**SERVING["server_info"], "speculative_draft_model_path": draft}
        return source({**SERVING, "output_throughput": throughput, "server_info": about})

    sources = [line(400.0, "a"), line(390.0, "b"), line(404.0, "a"), line(394.0, "b")]
    ks = ("1000", "2000", "1000", "2000")
    labels = ("1,000", "2,000", "1,000", "2,000")
    for said in (Hints(ks=ks, pool=True), Hints(ks=ks, labels=labels)):
        (found,) = import_results(sources, hints=said)
        assert [run.throughput for run in found.good("1,000")] == [400.0, 404.0]
        assert [run.throughput for run in found.good("2,000")] == [390.0, 394.0]
    (found,) = import_results(sources, hints=Hints(ks=ks))
    assert len(found.configurations) == len(found.runs) == 4


def test_drafts_that_nobody_names_are_not_taken_for_one():
    value = {
        "backend": "sglang",
        "dataset": "gsm8k",
        "latency_seconds": 10.0,
        "samples": 8,
        "output_tokens": 1000,
        "spec_verify_count": 400,
        "throughput_tokens_per_second": 100.0,
    }
    sources = [source(value, "a.json"), source(value, "b.json")]
    (found,) = import_results(sources)
    assert [c.label for c in found.configurations] == ["a.json", "b.json"]
    (found,) = import_results(sources, hints=Hints(pool=True))
    assert (len(found.configurations), len(found.runs)) == (1, 2)
    (found,) = import_results(sources, hints=Hints(ks=("4380", "4380")))
    assert [c.label for c in found.configurations] == ["4,380, a.json", "4,380, b.json"]
    assert any("a.json and b.json hold runs of 4,380" in note for note in found.notes)
    (found,) = import_results(sources, hints=Hints(ks=("4380", "4380"), pool=True))
    assert len(found.good("4,380")) == 2
    (found,) = import_results(sources, hints=Hints(ks=("10", "20"), labels=("ours", "theirs")))
    assert [(c.label, c.k) for c in found.configurations] == [("ours", 10), ("theirs", 20)]


def test_imported_measurements_are_kept_once(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    first = save_once(imported(EAGLE3))
    assert save_once(imported(EAGLE3)).key == first.key
    assert [each.key for each in measurements.stored()] == [first.key]
    written = (tmp_path / "measurements" / f"{first.key}.json").read_bytes()
    assert own_measurement(written, "m.json") == first
    assert own_measurement(json.dumps(EAGLE3).encode(), "r.json") is None
    with pytest.raises(InputError, match="measurement of this program already"):
        import_results([read_source(written, "m.json")])


def test_a_file_that_fits_several_formats_asks_which(tmp_path):
    """Both formats' own fields in one object: the format is named by hand, and then it is read."""
    both = {**SERVE, "total_output_tokens_retokenized": 3}
    read = read_source(json.dumps(both).encode(), "both.json")
    with pytest.raises(InputError, match=r"could be .*, vllm-bench-serve; say .*--format"):
        find_importer(read)
    assert find_importer(read, "vllm-bench-serve").name == "vllm-bench-serve"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"r\.jsonl is empty"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b'{"a": 1', r"r\.jsonl line 1 is not JSON"),
        (b'{"a":\n 1,\n]', r"r\.jsonl line 3 is not JSON"),
        (b'{"a": 1}\n{"a": }', r"r\.jsonl line 2 is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "has a list, which fits none of"),
        (b"{}", "has no fields"),
        (b'{"x": 1, "y": 2}', "has the fields x, y, which fits none of"),
    ],
)
def test_what_is_no_result_is_refused_in_a_sentence(content, message):
    with pytest.raises(InputError, match=message):
        import_results([read_source(content, "r.jsonl")])


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({**SERVING, "duration": "long"}, r"^r\.jsonl: duration is long, but must be a number"),
        ({**SERVING, "output_throughput": float("inf")}, r"output_throughput"),
        ({**SERVING, "output_throughput": float("nan")}, r"output_throughput"),
        ({**SERVING, "total_output_tokens": -1}, r"total_output_tokens"),
        ({"model": "m", "mtbench": [{"batch_size": 0, "metrics": []}]}, r"batch_size"),
        (
            {"model": "m", "mtbench": [{"batch_size": 1, "metrics": [{"latency": 1.0}]}]},
            r"mtbench entry 1: the field output_throughput is missing in metrics\[0\]",
        ),
        ([{"Output TPS": "fast"}], r"entry 1: Output TPS is fast, but must be a number"),
    ],
)
def test_bad_fields_are_named_with_file_and_place(value, field):
    with pytest.raises(InputError, match=field):
        import_results([source(value, "r.jsonl")])


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ({"ks": ("1", "2")}, "--k is given 2 times for 1 file;"),
        ({"labels": ("a", "b")}, "--label is given 2 times for 1 file;"),
        ({"ks": (str(2**63),)}, "not a whole number of tokens up to 16,777,216"),
        ({"ks": ("-1",)}, "'-1', which is not a whole number"),
        ({"vocab_size": 2**63}, "--vocab-size must lie within"),
        ({"vocab_size": -1}, "--vocab-size must lie within"),
        ({"concurrency": 0}, "--concurrency must lie within"),
        ({"ks": ("many",)}, "'many', which is not a whole number"),
        ({"only": "nothing"}, "of 'nothing'"),
    ],
)
def test_bad_hints_are_refused(hints, message):
    with pytest.raises(InputError, match=message):
        imported(EAGLE3, **hints)


def test_a_format_that_is_named_is_read_though_the_file_has_less():
    """vLLM wrote no endpoint_type before 0.9, and result files are often cut to a few fields."""
    whole = {**SERVE, **SPEC}
    (known,) = import_results([source(whole)], "vllm-bench-serve")
    for missing in ("endpoint_type", "burstiness", "tokenizer_id"):
        less = {name: value for name, value in whole.items() if name != missing}
        with pytest.raises(InputError, match="no result that can be imported"):
            import_results([source(less)])
        (read,) = import_results([source(less)], "vllm-bench-serve")
        assert read.runs == known.runs
    for missing in ("duration", "output_throughput", "total_output_tokens"):
        less = {name: value for name, value in whole.items() if name != missing}
        with pytest.raises(InputError):
            import_results([source(less)], "vllm-bench-serve")


def test_formats_and_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="choose one of aiperf, bench-eagle3"):
        import_results([source(EAGLE3)], "csv")
    with pytest.raises(InputError, match="does not look like a result of modelopt"):
        import_results([source(EAGLE3)], "modelopt")
    with pytest.raises(InputError, match="of modelopt; it looks like one of vllm-bench-serve"):
        import_results([source(SERVE)], "modelopt")
    with pytest.raises(InputError, match="of vllm-bench-serve; it looks like one of"):
        import_results([source(EAGLE3)], "vllm-bench-serve")
    with pytest.raises(InputError, match="cannot be read"):
        open_sources([tmp_path / "nothing.json"])
    with pytest.raises(InputError, match="holds none of"):
        open_sources([tmp_path])


def test_every_format_says_against_what_it_was_checked():
    assert len(FORMATS) == 12
    for name, each in FORMATS.items():
        assert each.name == name
        assert each.checked
        assert Path(name).name == name
