"""import-results and forecast --measurement from the command line, on files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vocabtrim_core.cli import main
from vocabtrim_core.forecast.paper import FULL_K, RESULTS
from vocabtrim_core.serving import measurement as measurements

KS = (13_264, 32_000, FULL_K)
LENGTHS = (2.65, 2.80, 2.89)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def llama(make_counts):
    values = np.zeros(FULL_K, np.int64)
    values[:60_000] = np.maximum(1e7 / np.arange(1, 60_001) ** 1.2, 1).astype(np.int64)
    make_counts(values).save("llama.npz")
    return "llama.npz"


@pytest.fixture
def cli(capsys):
    def call(*argv):
        code = main([str(a) for a in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def files(tmp_path):
    """bench_eagle3's files of three drafts, whose cycle takes 14.7 ms and 16 ns a head row."""
    for k, length in zip(KS, LENGTHS, strict=True):
        rate = length / (0.0147 + 1.6e-8 * k)
        entry = {"batch_size": 1, "steps": 3, "topk": 1, "num_draft_tokens": 4, "num_samples": 80}
        metrics = [
            {"latency": 1000.0, "output_throughput": rate * wobble, "accept_length": length}
            for wobble in (1.0, 1.001, 0.999)
        ]
        value = {"model": f"draft-{k}", "mtbench": [{**entry, "metrics": metrics}]}
        (tmp_path / f"{k}.jsonl").write_text(json.dumps(value, indent=4))
    return [f"{k}.jsonl" for k in KS]


def imported(cli, *argv) -> dict:
    code, out, err = cli("import-results", *argv, "--json")
    assert code == 0, err
    (found,) = json.loads(out)["measurements"]
    return found


def test_results_are_imported_calibrate_and_are_predicted(cli, files, llama):
    sizes = ("--k", *KS, "--vocab-size", FULL_K, "--device", "A100")
    key = imported(cli, *files, *sizes)["key"]
    assert measurements.find(key).configurations[0].k == 13_264
    code, out, err = cli("forecast", llama, "--measurement", key, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["measurement"], result["depth"]) == (key, 3)
    # The file's 2.89 counts the first tokens of 160 answers; each run took 1,000 seconds.
    tokens = 1000 * 2.89 / (0.0147 + 1.6e-8 * FULL_K)
    assert result["accept_length_full"] == pytest.approx(2.89 * (1 - 160 / tokens), rel=1e-5)
    low, high = result["cycle_model"]["row_s"]
    assert low <= 1.6e-8 <= high
    rows = result["measured_check"]
    assert [row["k"] for row in rows] == list(KS)
    assert not any(row["fitted"] for row in rows)
    assert abs(rows[1]["error"]) < 0.03
    assert rows[1]["runs"] == 3
    assert {row["k"] for row in result["table"]} >= set(KS)
    text = cli("forecast", llama, "--measurement", key[:6])[1]
    assert "Against the measurement (SGLang on A100 with MT-Bench, 1 at once, 3 draft" in text
    assert "predicted from the other sizes" in text


def test_two_sizes_are_said_to_be_fitted(cli, files, llama):
    key = imported(cli, files[0], files[2], "--k", KS[0], KS[2])["key"]
    text = cli("forecast", llama, "--measurement", key)[1]
    assert "Fitted: the forecast has seen these runs" in text


def test_text_of_an_import(cli, files):
    code, out, _ = cli("import-results", files[0], "--k", "13,264", "--target", "llama")
    assert code == 0
    assert "MT-Bench · llama · SGLang" in out
    assert "13,264" in out
    assert "- The file names neither the target" in out


def test_what_a_measurement_cannot_do_is_refused(cli, files, llama):
    def refused(*argv):
        code, _, err = cli(*argv)
        assert code == 2
        return err

    forecast = ("forecast", llama, "--measurement")
    one = imported(cli, files[0], "--k", KS[0])["key"]
    assert "two sizes at least" in refused(*forecast, one)
    assert "a result of SpecForge bench_eagle3; `import-results" in refused(*forecast, files[0])
    assert "No measurements have a key" in refused(*forecast, "abcdef")
    both = imported(cli, *files, "--k", *KS, "--vocab-size", 1000)["key"]
    assert "target has 1,000 tokens, these counts 128,256" in refused(*forecast, both)
    both = imported(cli, *files, "--k", *KS)["key"]
    assert "drafted 3 tokens per cycle, but --depth is 5" in refused(*forecast, both, "--depth", 5)
    assert "it was measured at 1" in refused(*forecast, both, "--batch", 8)
    assert "given twice" in refused(*forecast, both, "--accept-length", 2.0)
    unsized = imported(cli, *files)["key"]
    assert "give the sizes with --k" in refused(*forecast, unsized)
    assert "not allowed with" in refused(*forecast, both, "--hardware", "l4")
    assert "nothing.json cannot be read" in refused("import-results", "nothing.json")


def test_a_measurement_without_the_full_draft_infers_its_acceptance(cli, files, llama):
    key = imported(cli, files[0], files[1], "--k", KS[0], KS[1])["key"]
    result = json.loads(cli("forecast", llama, "--measurement", key, "--json")[1])
    at_32_000 = measurements.find(key).good("32,000")[0].acceptance_length
    assert at_32_000 < result["accept_length_full"] < 2.95
    assert any("The full draft was not measured" in text for text in result["assumptions"])
    assert RESULTS[0].length_full == 2.89  # not taken, although it is the usual assumption
