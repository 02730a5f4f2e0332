"""What a general vocabulary covers elsewhere, on real corpora: the numbers, and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.count import count
from vocabtrim_core.counting.response_files import find_responses
from vocabtrim_core.coverage import CoverageCurve, coverage_on
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.forecast.ceiling import ceiling
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.forecast.inputs import OTHER_SET, acceptance_on, served_text
from vocabtrim_core.forecast.paper import FULL_K, RESULTS
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import forecast
from vocabtrim_core.generalization.compare import transfer_matrix
from vocabtrim_core.generalization.domains import coverage_by_domain
from vocabtrim_core.generalization.held_out import held_out_coverage
from vocabtrim_core.generalization.intervals import coverage_interval
from vocabtrim_core.generalization.missing import examples, missing
from vocabtrim_core.generalization.stability import stability
from vocabtrim_core.generalization.unseen import unseen_in_new_conversation, unseen_mass
from vocabtrim_core.selection.covering import covering_vocabulary
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.tradeoff import TradeOff

K = 13_264
# set -> (tokens, coverage of the blend's top 13,264 in %, its share of the distinct tokens in %)
ELSEWHERE = {
    "aime": (46_410, 96.8, 77.5),
    "function_calling_test": (46_833, 81.6, 56.7),
    "gsm8k_test": (270_123, 96.4, 60.8),
    "gsm8k_test.gpt4": (163_451, 95.0, 57.3),
    "gsm8k_test.ref": (135_646, 96.5, 61.2),
    "humaneval": (35_692, 95.5, 80.6),
    "humaneval.ref": (30_873, 96.2, 78.5),
    "math500": (104_839, 98.5, 78.5),
    "math_l5": (577_208, 98.5, 73.5),
    "mt_bench": (28_016, 92.0, 71.2),
    "mt_bench.2turn": (96_822, 92.6, 63.2),
    "ner_test": (138_785, 65.4, 25.7),
}


@pytest.fixture(scope="module")
def tokenizer(shared):
    return load_tokenizer(shared / "data" / "tokenizers" / "llama-3.1")


@pytest.fixture(scope="module")
def corpus(shared, tokenizer):
    """`corpus("gsm8k_test")` -> (counts, responses) under the rule `content`."""
    template = resolve_template(tokenizer, "llama3")

    def counted(name: str):
        (path,) = (shared / "data" / "corpora").glob(f"{name}.jsonl.*")
        counts = count(open_corpus([path]), tokenizer, template, rule="content")
        return counts, find_responses(counts.key, counts)

    return counted


@pytest.fixture(scope="module")
def blend(corpus):
    return corpus("blend_train")


@pytest.fixture(scope="module")
def curve(blend):
    return CoverageCurve.of(blend[0])


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_general_vocabulary_elsewhere(corpus, curve, name):
    counts, responses = corpus(name)
    tokens, coverage, unique = ELSEWHERE[name]
    measured = coverage_on(curve.vocabulary(K), counts)
    assert measured.tokens == tokens
    assert 100 * measured.coverage == pytest.approx(coverage, abs=0.06)
    assert 100 * measured.unique_coverage == pytest.approx(unique, abs=0.06)
    interval = coverage_interval(responses, curve.vocabulary(K).t2d)
    assert interval.value == pytest.approx(measured.coverage)
    assert interval.low < interval.value < interval.high < interval.low + 0.04


@pytest.mark.parametrize(
    ("domain", "shares"),
    [
        ("function_calling", {4380: (91.9, 90.2), 13_264: (99.8, 96.4)}),
        ("ner", {6521: (94.9, 91.8), 13_264: (99.2, 95.9)}),
    ],
)
def test_a_domains_own_vocabulary_held_out(corpus, domain, shares):
    (chosen, responses), (measured, _) = (corpus(f"{domain}_{part}") for part in ("train", "test"))
    own = CoverageCurve.of(chosen)
    for k, (inside, outside) in shares.items():
        assert 100 * own.at(k) == pytest.approx(inside, abs=0.06)
        held_out = 100 * coverage_on(own.vocabulary(k), measured).coverage
        assert held_out == pytest.approx(outside, abs=0.06)
        # Cross-validation on the training part alone comes nearer to it than the coverage there.
        guess = 100 * held_out_coverage(responses, k).value
        assert abs(guess - held_out) < inside - held_out
    matrix = transfer_matrix([chosen, measured], 4380)
    assert matrix.coverage[0, 0] == pytest.approx(own.at(4380))


def test_the_blend_in_and_out_of_sample(blend, curve):
    counts, responses = blend
    assert counts.tokens == responses.tokens == 16_222_652
    assert 100 * curve.at(K) == pytest.approx(95.38, abs=0.01)
    held_out = held_out_coverage(responses, K)
    assert 0.0015 < curve.at(K) - held_out.value < 0.0035
    assert held_out.high < curve.at(K)
    assert unseen_mass(counts.counts) == pytest.approx(5.0e-4, rel=0.02)
    assert unseen_in_new_conversation(responses).value == pytest.approx(1.04e-3, rel=0.02)
    rows = {row.domain: row for row in coverage_by_domain(responses, curve.vocabulary(K).t2d)}
    assert {name: row.tokens for name, row in rows.items()} == {
        "math": 5_068_233,
        "code": 7_444_887,
        "instruction_following": 983_455,
        "chat": 2_726_077,
    }
    assert rows["instruction_following"].coverage < 0.88 < 0.96 < rows["code"].coverage


def test_how_k_moves_with_the_sample(blend, curve):
    tradeoff = TradeOff(curve, PRESETS["llama-3.1-8b"], 0.57)
    found = stability(blend[1], tradeoff, sizes=[1000, 10_000], repeats=4, draws=20)
    assert found.k.value == pytest.approx(13_500, abs=60)
    assert (found.ks[0] > 14_300).all()
    assert (found.ks[0] < 16_900).all()
    assert (found.ks[1] > 13_000).all()
    assert (found.ks[1] < 14_500).all()
    assert found.k.low < found.k.value < found.k.high < 1.05 * found.k.low
    half = TradeOff(curve, PRESETS["llama-3.1-8b"], 0.5)
    assert half.optimum.k == 11_159


def test_missing_tokens_are_those_of_the_task(corpus, curve, tokenizer):
    counts, responses = corpus("function_calling_test")
    found = missing(counts, curve.vocabulary(K), token_kinds(tokenizer))
    assert tokenizer.tokens(found.ids[:3]) == ["parameters", '{"', '"}}']
    assert found.counts[:3].tolist() == [702, 544, 310]
    assert [group.kind for group in found.groups[:2]] == ["word", "code and punctuation"]
    shown = examples(responses, found.ids[:1], tokenizer)[int(found.ids[0])]
    assert [(e.before[-3:], e.after[:2]) for e in shown] == [(', "', '":')] * 3


def test_ceiling_against_a_plain_walk(corpus, curve):
    _, responses = corpus("mt_bench")
    kept = curve.ranks()[responses.ids] < K
    found = ceiling(responses.batches(), curve.ranks())
    for depth in (3, 5):
        cycles = 0.0
        for start, stop in zip(responses.offsets[:-1], responses.offsets[1:], strict=True):
            at = start
            while at < stop:
                reach = min(at + depth, stop)
                ahead = np.flatnonzero(~kept[at:reach])
                taken = (ahead[0] if len(ahead) else reach - at) + 1
                whole = at + taken <= stop and (len(ahead) or reach - at == depth)
                cycles += 1 if whole else (stop - at) / (depth + 1)
                at += taken
        assert found.length(depth)[K - 1] == pytest.approx(responses.tokens / cycles)
    assert found.length(5)[-1] == pytest.approx(6)


def test_one_floor_for_every_corpus(blend, corpus):
    sets = [
        blend[0],
        *(
            corpus(name)[0]
            for name in (
                "gsm8k_test",
                "mt_bench",
                "humaneval",
                "math500",
                "aime",
                "function_calling_test",
                "ner_test",
            )
        ),
    ]
    found = covering_vocabulary(sets, 0.9)
    assert (found.coverages >= 0.9 - 1e-9).all()
    assert found.least_k <= found.smallest_k <= 1.002 * found.least_k
    assert found.least_k == pytest.approx(7778, abs=5)
    assert found.top_k_needed == 26_074
    assert found.top_k_worst == pytest.approx(0.744, abs=0.002)


def test_the_forecast_encloses_the_papers_mt_bench(corpus, curve):
    """Cycle times and the full draft's acceptance length as the paper has them, the rest ours."""
    paper = RESULTS[0]
    cycles = CycleRange.measured(
        [
            (K, paper.length_trimmed / paper.throughput_trimmed),
            (FULL_K, paper.length_full / paper.throughput_full),
        ]
    )
    counts, responses = corpus("mt_bench")
    settings = ForecastSettings(paper.length_full, 3)
    acceptance = acceptance_on(served_text(curve, counts, responses=responses), settings)
    assert acceptance.basis == OTHER_SET
    result = forecast(acceptance.model, cycles)
    low, _, high = result.gain(K, FULL_K)
    assert low < paper.gain < high
    least, most = (length[K - 1] for length in result.lengths)
    assert least < paper.length_trimmed < most
