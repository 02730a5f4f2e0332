"""choice.json and the link reopen a choice exactly; stale or edited ones are recognised."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.mappings import store
from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity, write_ids
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection_spec.counts_note import CountsNote
from vocabtrim_core.selection_spec.settings import OwnTokens, Pin, Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.vocabulary import DraftVocabulary

SIZE = 400
TINY = DraftArchitecture("tiny", 64, 128, 4, 2, 16, SIZE, rope_theta=12345.5)
PRESET = replace(PRESETS["qwen3-8b"], vocab_size=SIZE, fusion_per_step=False)


@pytest.fixture(scope="module")
def counts(make_counts_of):
    return make_counts_of(
        np.bincount(np.random.default_rng(0).zipf(1.4, 9000) % SIZE, minlength=SIZE)
    )


shares = st.floats(0, 1)
sizes = st.integers(1, SIZE)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@st.composite
def any_settings(draw, feasible=True):
    low, high = sorted((draw(sizes), draw(sizes)))
    return Settings(
        draw(st.sampled_from([TINY, PRESET])),
        draw(shares),
        0.0 if feasible else draw(shares),
        draw(st.none() | sizes),
        low,
        draw(st.sampled_from([None, high])),
    )


@st.composite
def choices(draw, counts):
    protected = draw(st.frozensets(st.integers(0, SIZE - 1), max_size=9))
    excluded = draw(st.frozensets(st.integers(0, SIZE - 1), max_size=3)) - protected
    made = draw(any_settings())
    made = replace(
        made,
        k=min(made.k, SIZE - 3) if made.k else None,
        k_min=min(made.k_min, SIZE - 3),
        k_max=SIZE - 3,
    )
    pins = draw(
        st.lists(
            st.builds(Pin, st.just("0123456789abcdef"), texts, any_settings(feasible=False)),
            max_size=3,
        )
    )
    forecast = ForecastSettings(
        draw(st.none() | st.floats(1, 4)),
        3,
        ((draw(sizes), 2.5),),
        "h200",
        draw(sizes),
        ((100, 0.01), (SIZE, 0.02)),
        draw(st.none() | sizes),
    )
    rules = Rules(protected, excluded, draw(st.integers(1, 9)))
    own = draw(st.none() | st.sets(st.integers(0, SIZE - 1), min_size=1))
    if own is not None:
        vocabulary, about = DraftVocabulary.of(own, SIZE), draw(texts)
        own = OwnTokens.of(vocabulary, about)
        write_ids(
            store._path(vocabulary.sha256[:16], counts),
            vocabulary,
            TokenizerIdentity.of(counts),
            about,
        )
    return SelectionSpec.make(
        counts, made, rules=rules, pins=tuple(pins), note=draw(texts), forecast=forecast, own=own
    )


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory):
    """A workspace, where links look for vocabularies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_file_and_link_reopen_exactly(counts, data):
    choice = data.draw(choices(counts))
    again = SelectionSpec.loads(choice.dumps())
    assert again == choice
    assert again.dumps() == choice.dumps()
    query = choice.query()
    assert all(isinstance(value, str) for value in query.values())
    assert SelectionSpec.from_query(query, counts) == choice
    opened = again.open(counts)
    assert opened.vocabulary.sha256 == choice.vocabulary_sha256
    assert len(opened.vocabulary) == choice.k
    assert choice.rules.protected <= set(opened.vocabulary.ids.tolist())
    assert not choice.rules.excluded & set(opened.vocabulary.ids.tolist())


def test_the_optimum_is_kept_as_the_optimum(counts):
    from vocabtrim_core.coverage import CoverageCurve

    choice = SelectionSpec.make(counts, Settings(TINY, 0.6))
    best = TradeOff(CoverageCurve.of(counts), TINY, 0.6).optimum
    assert (choice.k, choice.settings.k) == (best.k, None)
    assert choice.open(counts).choice == best
    assert choice.query().keys() == {"counts", "alpha", "draft", "shape", "ids"}
    link = SelectionSpec.make(counts, Settings(PRESET, 0.6, 0.905, k=7)).query()
    assert (link["draft"], link["fusion"], link["floor"], link["k"]) == (
        "qwen3-8b",
        "false",
        "90.5",
        "7",
    )


def test_saved_to_disk(tmp_path, counts):
    choice = SelectionSpec.make(counts, Settings(TINY), note="for the pilot ✓ v1")
    path = choice.save(tmp_path / "choice.json")
    assert SelectionSpec.load(path) == choice
    value = json.loads(path.read_text("utf-8"))
    assert value["format"] == "vocabtrim-choice-1"
    assert value["counts"]["tokenizer_sha256"] == "t"
    assert "✓ v1" in path.read_text("utf-8")


# ---------------------------------------------------------------- stale, foreign, edited


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer_sha256": "other-print"}, r"tokenizer tiny \(t\), but corpus .*tiny \(other"),
        ({"rule": "content"}, "rule assistant, but corpus was counted with content"),
        ({"template_sha256": "n"}, r"template llama3 \(m\)"),
        ({"max_length": 9}, "choose again on them"),
    ],
)
def test_other_counts_are_recognised(counts, make_counts_of, changes, message):
    choice = SelectionSpec.make(counts, Settings(TINY))
    other = make_counts_of(counts.counts, **changes)
    with pytest.raises(InputError, match=message):
        choice.open(other)


def test_counts_that_grew_are_stale(counts, make_counts_of):
    choice = SelectionSpec.make(counts, Settings(TINY))
    grown = make_counts_of(counts.counts + 1)
    with pytest.raises(InputError, match=rf"9,000 tokens, key {counts.key}\), but .*9,400 tokens"):
        choice.open(grown)
    with pytest.raises(InputError, match=f"about the counts {counts.key}, not {grown.key}"):
        SelectionSpec.from_query(choice.query(), grown)


def test_an_edited_choice_is_recognised(counts):
    choice = SelectionSpec.make(counts, Settings(TINY, k=50))
    with pytest.raises(InputError, match=r"names 50 tokens .* gives? 51 others"):
        replace(choice, settings=replace(choice.settings, k=51)).open(counts)
    with pytest.raises(InputError, match="names other tokens"):
        SelectionSpec.from_query({**choice.query(), "k": "51"}, counts)
    with pytest.raises(InputError, match="unreachable"):
        SelectionSpec.make(counts, Settings(TINY, floor=1.0, k_max=3))


def edited(choice, **changes):
    value = json.loads(choice.dumps())
    for path, item in changes.items():
        *parents, last = path.split("__")
        place = value
        for parent in parents:
            place = place[parent]
        place[last] = item
    return json.dumps(value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": "5"}, r"\$\.k"),
        ({"settings__alpha": None}, r"\$\.settings\.alpha"),
        ({"settings__architecture__hidden_size": 0}, "hidden_size must be a positive"),
        ({"rules__protected": [1.5]}, r"rules\.protected"),
        ({"settings__aplha": 0.3}, "settings.aplha is no field"),
        ({"format": "vocabtrim-choice-9"}, "lacks"),
        ({"counts": {}}, "missing required field"),
    ],
)
def test_bad_files_name_the_field(counts, tmp_path, changes, message):
    choice = SelectionSpec.make(counts, Settings(TINY))
    path = tmp_path / "choice.json"
    path.write_text(edited(choice, **changes))
    with pytest.raises(InputError, match=message) as raised:
        SelectionSpec.load(path)
    assert "choice.json" in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"k": 3}'])
def test_not_a_choice(tmp_path, text):
    path = tmp_path / "choice.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"choice\.json"):
        SelectionSpec.load(path)
    with pytest.raises(InputError, match="not a readable"):
        SelectionSpec.load(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": "lots"}, "alpha must be a number"),
        ({"alpha": "nan"}, "alpha must be a number"),
        ({"alpha": "7"}, "alpha must lie within"),
        ({"k": "-3"}, "k must be a whole number"),
        ({"k": "9000"}, "outside 1..400"),
        ({"draft": "gpt-9", "shape": ""}, "'gpt-9' is no draft"),
        ({"shape": "{}"}, "shape cannot be read"),
        ({"protect": "5-1;2"}, "ids such as"),
        ({"protect": "0-999999999"}, "more than 1,000,000 ids"),
        ({"protect": "9000"}, "lies outside"),
        ({"protect": "1", "exclude": "1"}, "both protected and excluded"),
        ({"pins": "[1]"}, "pins cannot be read"),
        ({"forecast": '{"depth": "x"}'}, "forecast cannot be read"),
        ({"counts": ""}, "not about|about the counts"),
    ],
)
def test_bad_links_name_the_parameter(counts, changes, message):
    query = {**SelectionSpec.make(counts, Settings(TINY)).query(), **changes}
    with pytest.raises(InputError, match=message):
        SelectionSpec.from_query(query, counts)


def test_the_note_of_counts(counts):
    note = CountsNote.of(counts)
    assert (note.key, note.tokens, note.vocab_size, note.rule) == (
        counts.key,
        9000,
        SIZE,
        "assistant",
    )


def test_own_tokens_are_the_choice(counts):
    """Tokens that no size gives: their own coverage, whatever the settings would have chosen."""
    vocabulary = DraftVocabulary.of([3, 5, 6, 7, 399], SIZE)
    own = OwnTokens.of(vocabulary, "imported")
    assert own.ids == "3,5-7,399"
    choice = SelectionSpec.make(counts, Settings(TINY, 0.6, k=17), own=own)
    assert (choice.k, choice.settings.k) == (5, 5)
    opened = choice.open(counts)
    assert opened.vocabulary == vocabulary
    found, plain = opened.choice, TradeOff(opened.tradeoff.curve, TINY, 0.6).at(5)
    assert found.coverage == counts.counts[vocabulary.ids].sum() / counts.tokens < plain.coverage
    assert found.utility == pytest.approx(0.6 * found.coverage + 0.4 * plain.latency_reduction)
    stale = {**choice.query(), "ids": "0" * 16}
    with pytest.raises(InputError, match="not in this workspace"):
        SelectionSpec.from_query(stale, counts)
    edited = choice.dumps().replace("3,5-7,399", "3,5-7,400")
    with pytest.raises(InputError, match="Token id 400 lies outside"):
        SelectionSpec.loads(edited).open(counts)
    with pytest.raises(InputError, match="own ids must be ids such as 3,10-19"):
        SelectionSpec.loads(choice.dumps().replace("5-7", "x")).open(counts)


def test_flags_make_the_same_choice(counts):
    """What the report tells to run."""
    forecast = ForecastSettings(2.5, 4, ((100, 2.4),), "h200", 8, width=2, verified=9)
    saved = SelectionSpec.make(
        counts,
        Settings(PRESET, 0.6, 0.9, 40, 3, 80),
        forecast=forecast,
        rules=Rules(frozenset({1}), frozenset({2}), 8),
    )
    flags = saved.argv({"--protect": "keep.txt"})
    assert " ".join(flags) == (
        "--draft qwen3-8b --fusion-per-cycle --alpha 0.6 --min-coverage 0.9 --k 40 --k-min 3 "
        "--k-max 80 --protect keep.txt --exclude EXCLUDE --multiple 8 --accept-length 2.5 "
        "--depth 4 --measured-length 100=2.4 --hardware h200 --batch 8 --tree-width 2 --verified 9"
    )
    own = OwnTokens("imported", "1-9")
    assert SelectionSpec.make(counts, Settings(TINY), own=own).argv() == [
        "--draft-config",
        "DRAFT_CONFIG",
        "--alpha",
        "0.5",
        "--vocabulary",
        "VOCABULARY",
    ]
