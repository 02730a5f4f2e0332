"""One definition of acceptance length: by decoding naively, and for every source of numbers."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.acceptance_length import TOOLS_OWN_LENGTH, length_of
from vocabtrim_core.serving.importers import Hints, import_results, read_source
from vocabtrim_core.serving.measurement import Answer, Configuration, Measurement, Run
from vocabtrim_core.serving.summary import summary


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))


# --- any answers ---------------------------------------------------------------------------------


def decoded(seed: int, k: int, most: int, end: float) -> tuple[int, list[int], int]:
    """Tokens, accepted drafted tokens by cycle, and verifications of one answer.

    The prefill gives the first token. A cycle accepts some of k drafted tokens and adds the
    target's own; each token may be the last, and so may the limit's.
    """
    chance, tokens, accepted = random.Random(seed), 1, []
    ended = most == 1 or chance.random() < end
    while not ended:
        given = 0
        for _ in range(chance.randint(1, k + 1)):
            given += 1
            ended = tokens + given == most or chance.random() < end
            if ended:
                break
        tokens += given
        accepted.append(min(given, k) if ended else given - 1)
    return tokens, accepted, len(accepted)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 10**6),
    st.integers(1, 8),
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
    st.sampled_from([0.0, 0.05, 0.5]),
    st.booleans(),
)
def test_the_length_lies_between_one_and_k_plus_one(seed, k, limits, end, counted):
    answers, accepted, verified = [], 0, 0
    for i, most in enumerate(limits):
        tokens, each, cycles = decoded(seed + i, k, most, end)
        histogram = tuple(each.count(j) for j in range(k + 1)) if counted else ()
        answers.append(Answer(tokens, 1.0, None, cycles, histogram))
        accepted, verified = accepted + sum(each), verified + cycles
    run = Run.of("a", 1, 0, answers, 2.0)
    if not verified:
        assert run.acceptance_length is None  # a token each, all from the prefill
        return
    assert 1 <= run.acceptance_length <= k + 1
    if counted:
        assert run.acceptance_length == pytest.approx(1 + accepted / verified)
    assert run.cycle_s == 2.0 / verified
    if not counted:
        firsts = sum(answer.verified is not None for answer in answers)
        assert run.decode_rate == pytest.approx((run.tokens - firsts) / 2.0)


def test_a_short_answer_whose_tokens_over_verifications_exceed_k_plus_one():
    # One cycle accepted all three drafted tokens and added the target's own; with the first token
    # that makes five, and SGLang's number is 5 / 1.
    run = Run.of("a", 1, 0, [Answer(5, 1.0, None, 1, (0, 0, 0, 1))], 1.0)
    assert (run.tokens / run.verified, run.acceptance_length) == (5, 4)
    cut = Run.of("a", 1, 0, [Answer(5, 1.0, None, 1)], 1.0)
    assert cut.acceptance_length == 4


@pytest.mark.parametrize(
    ("answers", "length"),
    [
        # SGLang: two answers of 20 tokens in 17 verifications, of which one accepted a token.
        ([Answer(11, 1.0, None, 10, (10,)), Answer(9, 1.0, None, 7, (6, 1))], 18 / 17),
        # vLLM's counters: 174 tokens accepted in 297 steps.
        ([Answer(475, 1.0, None, 297, (180, 78, 21, 18))], 1 + 174 / 297),
        # An answer of one token has no verification, and may not be counted.
        ([Answer(1, 1.0), Answer(4, 1.0, None, 2)], 3 / 2),
        ([Answer(1, 1.0, None, 0), Answer(4, 1.0, None, 2)], 3 / 2),
        # A histogram that lacks an answer's cycles is not taken.
        ([Answer(5, 1.0, None, 2, (0, 2)), Answer(4, 1.0, None, 2)], 7 / 4),
        ([Answer(7, 1.0)], None),
    ],
)
def test_answers_of_each_engine(answers, length):
    found = Run.of("a", 1, 0, answers, 1.0).acceptance_length
    assert found == (None if length is None else pytest.approx(length))


def test_sglangs_number_stands_beside_it():
    runs = [
        Run.of("a", 1, 0, [Answer(20, 1.0, None, 10)], 1.0),
        Run.of("a", 1, 1, [Answer(10, 1.0, None, 2)], 1.0),
    ]
    (row,) = summary(Measurement("p", "t", "e", (Configuration("a", 5, "d", 4),), tuple(runs)))
    assert row.acceptance_length == pytest.approx((19 + 9) / 12)
    assert row.tokens_per_verification == pytest.approx(30 / 12)


def test_nothing_is_known_without_verifications():
    assert length_of(None, 10) is None
    assert length_of(0, 0) is None
    assert length_of(5, None) is None
    assert length_of(5, None, (3, 2)) == 1.4


# --- imports that cannot be converted ------------------------------------------------------------


def eagle3(**metrics) -> Measurement:
    entry = {"batch_size": 1, "steps": 3, "topk": 1, "num_draft_tokens": 4}
    found = {"latency": 10.0, "output_throughput": 100.0, "accept_length": 2.5, **metrics}
    value = {"model": "draft", "gsm8k": [{**entry, "metrics": [found]}]}
    source = read_source(json.dumps(value).encode(), "results.jsonl")
    (made,) = import_results([source], hints=Hints(ks=("100",)))
    return made


def test_a_file_without_the_number_of_answers_keeps_its_length_and_says_whose_it_is():
    told, untold = eagle3(num_questions=40), eagle3()
    assert told.runs[0].acceptance_length == (1000 - 40) / 400
    assert TOOLS_OWN_LENGTH not in told.notes
    assert untold.runs[0].acceptance_length == 2.5
    assert TOOLS_OWN_LENGTH in untold.notes
    impossible = eagle3(num_questions=700)  # more answers than tokens that no verification gave
    assert impossible.runs[0].acceptance_length == 2.5
    assert TOOLS_OWN_LENGTH in impossible.notes


# --- measurements of the earlier format ----------------------------------------------------------


def earlier(run: Run, **about) -> bytes:
    """The bytes of a measurement as the earlier format stored it."""
    made = Measurement("p", "t", "e", (Configuration("a", 5, "d", 3),), (run,), format=1, **about)
    return msgspec.json.format(msgspec.json.encode(made, order="sorted"), indent=1)


RUN = Run("a", 1, 0, 10.0, 100, 10.0, 40, 2.5)


@pytest.mark.parametrize(
    ("run", "about", "length", "noted"),
    [
        (replace(RUN, accepted=(10, 5, 10, 15)), {}, 1 + (5 + 20 + 45) / 40, False),
        (RUN, {"settings": {"prompts": 8}}, 92 / 40, False),
        (replace(RUN, accepted=(1, 2)), {"settings": {"prompts": 8}}, 92 / 40, False),
        (RUN, {}, 2.5, True),
        (RUN, {"settings": {"prompts": "eight"}}, 2.5, True),
        (RUN, {"settings": {"prompts": 8}, "origin": "imported"}, 2.5, True),
        (replace(RUN, accepted=(10, 5, 10, 15)), {"origin": "imported"}, 2.5, False),
        (replace(RUN, acceptance_length=None, verified=None), {}, None, False),
        (Run("a", 1, 0, error="It died."), {}, None, False),
    ],
)
def test_an_earlier_measurement_opens_with_its_lengths_converted(run, about, length, noted):
    found = measurements.decode(earlier(run, **about), "old.json")
    (now,) = found.runs
    assert now.acceptance_length == (None if length is None else pytest.approx(length))
    assert (found.format, TOOLS_OWN_LENGTH in found.notes) == (measurements.FORMAT, noted)
    assert replace(now, acceptance_length=run.acceptance_length) == run


def test_links_to_an_earlier_measurement_still_open_and_delete_it():
    content = earlier(RUN, settings={"prompts": 8})
    key = hashlib.sha256(content).hexdigest()[:16]
    path = workspace.folder("measurements") / f"{key}.json"
    path.write_bytes(content)
    found = measurements.find(key)
    assert found.key == key
    again = measurements.decode(found.encoded(), "again.json")
    assert again == found
    saved = measurements.save(found)  # what is saved has the key of what it now is
    assert saved.stem == again.key == measurements.find(saved.stem).key != key
    measurements.remove(key)
    assert not path.exists()


def test_a_measurement_of_a_later_format_is_refused():
    content = json.loads(earlier(RUN))
    for wrong in (0, measurements.FORMAT + 1):
        with pytest.raises(InputError, match=f"has format {wrong}"):
            measurements.decode(json.dumps({**content, "format": wrong}).encode(), "new.json")
