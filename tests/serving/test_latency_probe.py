"""The latency probe: what it times, what it keeps, what it refuses, and the figure of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.lazy import Lazy
from helpers.tiny_models import make_target

from vocabtrim_core.cli import main
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.serving import latency_probe
from vocabtrim_core.serving.latency_probe import (
    Probe,
    ProbeRow,
    Timing,
    VerifyRow,
    default_sizes,
)

torch = Lazy("torch")
base = Lazy("vocabtrim_core.figures.style")
latency = Lazy("vocabtrim_core.figures.latency")
latency_timing = Lazy("vocabtrim_core.serving.latency_timing")

TINY = DraftArchitecture("tiny", 64, 96, 4, 2, 16, 600, target_layers=4)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def request_of(**changes) -> latency_timing.ProbeRequest:
    fields = {"ks": (600, 10, 100), "batches": (2, 1), "context": 16, "repeats": 6, "seconds": 1e-9}
    return latency_timing.ProbeRequest(TINY, **{**fields, "device": "cpu", **changes})


@pytest.fixture(scope="module")
def probe() -> Probe:
    return latency_timing.run_probe(request_of(with_target=True), command="probe …")


def timing(seconds: float) -> Timing:
    return Timing(seconds, seconds * 0.9, seconds * 1.1, 9)


@pytest.fixture
def made() -> Probe:
    """A probe whose every number is known: a step takes 2 + k / 100 ms."""
    rows = tuple(
        ProbeRow(
            1,
            k,
            timing(2e-3 + 1e-5 * k),
            timing(5e-4),
            timing(1e-3),
            timing(1e-5 * k),
            timing(1e-4),
        )
        for k in (600, 10, 100)
    )
    return Probe(TINY, "cpu", "float32", 16, 1, False, rows, (VerifyRow(1, 4, timing(0.02)),))


# --- values -------------------------------------------------------------------------------------


def test_the_median_has_its_interval_from_order_statistics():
    """Against the definition: the narrowest symmetric ranks that hold the median in 95 %."""
    rng = np.random.default_rng(0)
    inside = [
        (t := Timing.of(rng.exponential(size=15).tolist())).low <= np.log(2) <= t.high
        for _ in range(2000)
    ]
    assert 0.95 < np.mean(inside) < 0.98  # 15 repeats: 96.5 %
    assert Timing.of([6, 1, 5, 2, 4, 3]) == Timing(3.5, 1, 6, 6)
    assert Timing.of(list(range(10))) == Timing(4.5, 1, 8, 10)
    with pytest.raises(InputError, match="6 repeats"):
        Timing.of([1, 2, 3, 4, 5])


def test_default_sizes_reach_v_by_way_of_the_sizes_people_ask_about():
    sizes = default_sizes(128_256)
    assert len(sizes) == 12
    assert {4_380, 13_264, 32_000, 128_256} <= set(sizes)
    assert (np.diff(sizes) > 0).all()
    for size in (1, 7, 600, 13_264, 32_000, 262_208):
        assert default_sizes(size)[-1] == size
        assert default_sizes(size)[0] >= 1


def test_a_cycle_is_a_verification_and_the_steps_with_one_fusion(made):
    points = made.cycle_points(1, depth=3)
    assert [k for k, _ in points] == [10, 100, 600]
    assert dict(points)[100] == pytest.approx(0.02 + 3 * 3e-3 - 2 * 5e-4)
    assert dict(made.cycle_points(1, 1, verify_s=0.5))[600] == pytest.approx(0.508)
    model = CycleRange.measured(points).fast
    assert model.row_s == pytest.approx(3 * 1e-5)
    assert model.fixed_s == pytest.approx(0.02 + 3 * 2e-3 - 2 * 5e-4)
    with pytest.raises(InputError, match="5 tokens"):
        made.cycle_points(1, depth=4)
    with pytest.raises(InputError, match="Batch 3"):
        made.at(3)


def test_moved_bytes_grow_with_the_batch(made):
    weights = TINY.step_bytes(100)
    cached, logits = 2 * 2 * 16 * 16 * 2, 2 * 100 * 2
    assert made.moved_bytes(100, 8) == weights + 8 * (cached + logits)


def test_probes_are_kept_found_and_removed(made, tmp_path):
    path = latency_probe.save(made)
    assert latency_probe.find(made.key[:8]) == made == latency_probe.find(path)
    assert made in latency_probe.stored()
    latency_probe.remove(made.key)
    with pytest.raises(InputError, match="No probes"):
        latency_probe.find(made.key)
    bad = tmp_path / "bad.json"
    bad.write_text('{"rows": []}')
    with pytest.raises(InputError, match="is not a latency probe"):
        latency_probe.find(bad)
    bad.write_bytes(replace(made, format=9).encoded())
    with pytest.raises(InputError, match="format 9"):
        latency_probe.find(bad)


# --- timing -------------------------------------------------------------------------------------


def test_every_size_and_batch_is_timed_and_survives_json(probe):
    assert [(row.batch, row.k) for row in probe.rows] == [
        (batch, k) for batch in (1, 2) for k in (10, 100, 600)
    ]
    for row in probe.rows:
        for name in ("step", "fusion", "layer", "head", "pick"):
            timed = getattr(row, name)
            assert 0 < timed.low <= timed.seconds <= timed.high
            assert timed.n == 6
    assert [(row.batch, row.tokens) for row in probe.verify] == [(1, 4), (2, 4)]
    assert probe.dtype == "float32"
    assert probe.architecture.bytes_per_weight == 4
    assert not probe.graphs
    assert latency_probe.decode(probe.encoded(), "it") == probe
    assert len(probe.cycle_points(2, 3)) == 3


def test_the_step_does_what_its_parts_do():
    """The whole step of a size picks what fusion, layer, head and pick give one after the other,
    and never a token outside the size."""
    with torch.inference_mode():
        steps = latency_timing.Steps(request_of(dtype="float32"))
        cells = steps.cells(2, [10, 600])
        picked, pick = [], steps.draft.pick
        steps.draft.pick = lambda logits: picked.append(tuple(logits.shape)) or pick(logits)
        chosen = {k: cells["step", k]() for k in (10, 600)}
        assert picked == [(2, 1, 10), (2, 1, 600)]
        assert (chosen[10] < 10).all()
        assert chosen[600].shape == (2, 1)
        assert cells["head", 600]().shape == (2, 1, 600)
        assert cells["layer"]().shape == cells["fusion"]().shape == (2, 1, 64)
        head = cells["head", 600]()
        torch.testing.assert_close(cells["head", 10](), head[..., :10])


def test_top_k_of_a_tree_is_timed_too():
    found = latency_timing.run_probe(request_of(topk=4, batches=(1,), ks=(10, 600)))
    assert found.topk == 4
    with pytest.raises(InputError, match=r"4\.\.600"):
        request_of(topk=4, ks=(3,))


def test_repeats_end_with_the_seconds_but_never_too_early():
    assert (
        latency_timing.run_probe(request_of(ks=(10,), batches=(1,), repeats=50)).rows[0].step.n == 6
    )
    long = latency_timing.run_probe(request_of(ks=(10,), batches=(1,), repeats=9, seconds=60))
    assert long.rows[0].step.n == 9


def test_a_probe_reports_and_can_be_stopped():
    told = []

    def progress(done, total=None, message=""):
        told.append((done, message))
        if "Batch 2" in message:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        latency_timing.run_probe(request_of(), progress)
    assert told[0] == (0, "Batch 1")
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (50, "Batch 2")


def test_memory_is_checked_before(monkeypatch):
    request = latency_timing.ProbeRequest(
        PRESETS["llama-3.1-8b"], (128_256,), (1,), device="cpu", dtype="bfloat16"
    )
    weights = sum(PRESETS["llama-3.1-8b"].weights.values()) + 4096 * 128_256
    assert 2 * weights < latency_timing.needed_bytes(request) < 2.2 * weights
    with_target = replace(request, with_target=True)
    assert latency_timing.needed_bytes(with_target) == pytest.approx(16.1e9, rel=0.02)
    monkeypatch.setattr(f"{latency_timing.__name__}.free_memory", lambda device: 10**9)
    with pytest.raises(InputError, match=r"GB, but 1\.0 GB are free.*lower the largest batch"):
        latency_timing.run_probe(request)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ks": ()}, "a size k"),
        ({"ks": (601,)}, r"1\.\.600"),
        ({"ks": (0,)}, r"1\.\.600"),
        ({"batches": (0,)}, "batch size"),
        ({"context": 0}, "context must"),
        ({"repeats": 5}, "6 repeats"),
        ({"dtype": "int4"}, "dtype must"),
        ({"device": "cuda"}, "no CUDA"),
    ],
)
def test_requests_that_make_no_sense(changes, says):
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=says):
        latency_timing.run_probe(request_of(**changes))
    unknown = replace(TINY, target_layers=None)
    with pytest.raises(InputError, match="how many layers"):
        latency_timing.ProbeRequest(unknown, (10,), with_target=True)


# --- command and figure -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_target_folder(tmp_path_factory):
    """A random target of four layers."""
    folder = tmp_path_factory.mktemp("target")
    make_target(40, 7).save_pretrained(folder)
    return folder


def test_the_command_keeps_the_probe_and_prints_it(capsys, tmp_path):
    config = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 600,
        "num_hidden_layers": 4,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    argv = [
        "probe",
        "--draft-config",
        str(tmp_path / "config.json"),
        "--k",
        "10",
        "600",
        "--batch",
        "1",
        "--repeats",
        "6",
        "--with-target",
        "--out",
        str(tmp_path / "p.json"),
    ]
    assert main([*argv, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    found = latency_probe.find(result["key"])
    assert latency_probe.find(tmp_path / "p.json") == found
    (batch,) = result["batches"]
    assert batch["verify_seconds"] == found.verify[0].step.seconds
    assert batch["rows"][-1]["measured_ratio"] == batch["rows"][-1]["bytes_ratio"] == 1
    cycles = dict(found.cycle_points(1, 3))
    assert {row["k"]: row["cycle_seconds"] for row in batch["rows"]} == cycles
    assert found.command.startswith("python -m vocabtrim_core probe --draft-config")
    assert main([*argv, "--verify-seconds", "2"]) == 0
    text = capsys.readouterr().out
    assert "--measured 10=2.0" in text
    assert "95 % interval" in text
    assert main(["probe", "--draft", "nothing"]) == 2
    assert "no draft architecture" in capsys.readouterr().err


def test_the_draft_of_a_target_is_timed(capsys, monkeypatch, small_target_folder):
    fast = ["--batch", "1", "--repeats", "6", "--seconds", "1"]
    assert main(["probe", "--target", str(small_target_folder), "--k", "8", *fast, "--json"]) == 0
    found = latency_probe.find(json.loads(capsys.readouterr().out)["key"])
    config = json.loads((small_target_folder / "config.json").read_text())
    shape = found.architecture
    assert (shape.hidden_size, shape.vocab_size) == (config["hidden_size"], config["vocab_size"])
    assert shape.target_layers == config["num_hidden_layers"]
    assert f"probe --target {small_target_folder}" in found.command
    seen = []
    monkeypatch.setattr(
        "vocabtrim_core.serving.latency_timing.run_probe",
        lambda request, *_, **__: seen.append(request.architecture.hidden_size) or 1 / 0,
    )
    main(["probe", "--target", "smollm2", "--k", "8"])
    assert seen == [576]  # of the bundled target, which is not converted for it
    assert main(["probe", "--target", "nowhere/at/all"]) == 2
    assert "There is no model folder at nowhere/at/all" in capsys.readouterr().err


@pytest.mark.parametrize("palette", [None, base.DARK])
def test_the_figure_holds_the_rows_and_both_predictions(made, palette):
    info = latency.latency_info(made, 1)
    assert info.rows[:, 0].tolist() == [10, 100, 600]
    assert info.flops[-1] == info.moved[-1] == pytest.approx(8e-3)
    assert info.flops[0] == pytest.approx(8e-3 * TINY.flops(1) / TINY.flops(600))
    figure = latency.latency_figure(info, palette) if palette else latency.latency_figure(info)
    measured = next(trace for trace in figure.data if trace.name == "Draft step, measured")
    assert measured.y == pytest.approx([2.1, 3.0, 8.0])
    assert measured.error_y.array == pytest.approx([0.21, 0.3, 0.8])
    assert "2.100 ms at 10 tokens" in latency.latency_alt(info)
    with pytest.raises(InputError):
        latency.latency_info(made, 5)
