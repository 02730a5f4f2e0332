"""The shipped evidence, and forecasts held against it."""

from __future__ import annotations

import re

import pytest
from msgspec import structs

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast import evidence, evidence_check
from vocabtrim_core.forecast.evidence import Evidence, load, parse, shipped
from vocabtrim_core.forecast.evidence_check import check
from vocabtrim_core.forecast.paper import RESULTS


def checked(kinds):
    return [check(row) for row in shipped() if row.kind in kinds]


def test_the_goals_on_public_pairs_are_met():
    score = evidence_check.score(c for c in checked("PL") if not c.evidence.id.startswith("paper"))
    assert score.pairs >= 30
    assert score.inside >= 0.9 * score.pairs
    assert score.median_error <= 0.03


def test_the_papers_rows_are_those_of_the_paper():
    rows = {row.id: row for row in shipped() if row.id.startswith("paper")}
    assert len(rows) == len(RESULTS)
    for row, result in zip(rows.values(), RESULTS, strict=True):
        assert row.observed == pytest.approx(result.gain)
        assert (row.k, row.coverage_k) == (result.k, result.coverage)


def test_only_pairs_of_one_draft_get_a_forecast():
    for row in checked("CDF"):
        assert row.forecast is None
        assert row.refused.startswith("No pair to compare")
        assert row.inside is None


def test_every_row_names_its_source_and_known_things():
    for row in shipped():
        assert row.source, row.id
        assert row.kind in evidence.CLASSES
        assert row.coverage_k is None or 0 < row.coverage_k <= 1


def test_a_forecast_sees_nothing_of_the_trimmed_run():
    row = next(r for r in shipped() if r.id == "paper-MT-Bench")
    other = structs.replace(row, throughput_k=1.0, length_k=1.0, cycle_ms_k=None)
    assert check(other).forecast == check(row).forecast


PAIR = Evidence(
    id="own",
    source="mine",
    kind="P",
    hidden_size=1000,
    vocab_size=100_000,
    k_base=100_000,
    k=10_000,
    device="a100-80g",
    depth=3,
    cycle_ms_base=10.0,
    length_base=2.5,
    coverage_k=1.0,
    gain=0.02,
    noise=0.0,
)


def test_cycle_only_rows_by_hand():
    changes = {"depth": 2, "length_base": None, "coverage_k": None, "equal_acceptance": True}
    row = structs.replace(PAIR, **changes)
    saved = 2 * 2 * 1000 * 90_000
    ends = [0.010 / (0.010 - saved / (2.039e12 * share)) - 1 for share in (0.70, 0.80)]
    gain = check(row).forecast
    assert (gain.high, gain.low) == pytest.approx((ends[0], ends[1]))


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({"coverage_k": 0.116, "length_k": 1.38}, "1.13"),
        ({"coverage_k": 0.5, "length_k": 2.2}, "2.00"),
        ({"k_base": 50_000, "coverage_base": 0.5, "kind": "L"}, "2.00"),
    ],
)
def test_a_length_that_its_coverage_forbids_is_refused(changes, most):
    refused = check(structs.replace(PAIR, **changes)).refused
    assert "contradicts a coverage of" in refused
    assert f"a perfect draft reaches {most}" in refused


@pytest.mark.parametrize("changes", [{"length_k": 1.99, "coverage_k": 0.5}, {"length_k": 2.4}])
def test_a_length_that_its_coverage_allows_is_forecast(changes):
    assert check(structs.replace(PAIR, **changes)).forecast is not None


@pytest.mark.parametrize(("base", "k"), [(2.0, 1.0), (1.0, 2.0), (0.5625, 2.0)])
def test_a_head_in_other_bits_counts_its_own_bytes(base, k):
    """Against the same number of bytes in rows of the baseline's format, by the bytes alone."""
    row = structs.replace(PAIR, head_bytes_base=base, head_bytes_k=k)
    alike = structs.replace(PAIR, head_bytes_base=base, k=round(PAIR.k * k / base))
    assert check(row).forecast == pytest.approx(check(alike).forecast)


def test_sources_name_no_place_of_a_machine():
    assert [row.id for row in shipped() if re.search(r"(^|[\s(])/\w", row.source)] == []


def test_own_measurements_are_read_from_a_file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,source,kind,k,vocab_size,k_base\nmine,lab book,P,10,100,100\n")
    (row,) = load(path)
    assert (row.id, row.k, row.noise) == ("mine", 10, evidence.UNSTATED_NOISE)
    assert "does not give" in check(row).refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,source,kind,speed\nx,y,P,1\n", "mine.csv: there is no field speed"),
        ("id,source,kind,k\nx,y,P,many\n", "mine.csv, line 2: .*k"),
        ("id,source,kind\nx,y,Z\n", "mine.csv, line 2: there is no class 'Z'"),
        ("id,kind\nx,P\n", "mine.csv, line 2: .*source"),
        ("id,source,kind\nx,y,P\nx,y,P\n", "the id x is given twice"),
        ("id,source,kind,vocab_size,k\nx,y,P,10,11\n", "k must lie within"),
        ("id,source,kind,depth,length_base\nx,y,P,3,4.2\n", r"length_base must lie within 1\.\.4"),
        ("id,source,kind,depth,length_k\nx,y,P,1,2.1\n", r"length_k must lie within 1\.\.2"),
        ("id,source,kind,cycle_ms_base\nx,y,P,0\n", "cycle_ms_base must lie within"),
        ("id,source,kind,cycle_ms_k\nx,y,P,-3\n", "cycle_ms_k must lie within"),
        (
            "id,source,kind,cycle_ms_base,length_base,throughput_base\nx,y,P,0.0168,2.9,172\n",
            "make 16.9 ms; check the units",
        ),
    ],
)
def test_bad_files_are_one_sentence(text, message):
    with pytest.raises(InputError, match=message):
        parse(text, "mine.csv")
