"""Every form of a selection gives the same selection back: options, links, JSON and sessions.

The forms are read by their own consumers where there is one: options by argparse in the command
`choice save`, links as addresses are parsed, JSON by the standard library.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vocabtrim_core import workspace
from vocabtrim_core.cli import COMMANDS
from vocabtrim_core.cli.arguments import selection_from
from vocabtrim_core.cli.run import parser
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.draft_config import kept_config
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_kinds.precision import WeightBytes
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import (
    add_options,
    from_query,
    from_session,
    parsed,
    to_argv,
    to_query,
    to_session,
)
from vocabtrim_core.fields.kinds import SHARE, WHOLE, digits, percent_of, share_of
from vocabtrim_core.fields.leaf import Leaf, ReadContext
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity, write_ids
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection_spec import store
from vocabtrim_core.selection_spec.draft_names import default_draft
from vocabtrim_core.selection_spec.settings import Mix, OwnTokens, Pin, Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.vocabulary import DraftVocabulary

SIZE = 400
TINY = DraftArchitecture("tiny", 64, 128, 4, 2, 16, SIZE, rope_theta=12345.5)
OTHER = replace(TINY, name="other draft", hidden_size=72, fusion_per_step=False)
PRESET = replace(PRESETS["qwen3-8b"], vocab_size=SIZE, fusion_per_step=False)
BYTES = WeightBytes(0.56640625, 1, 2)  # stated beside a preset, a file, shapes that stand in
SHAPES = [TINY, OTHER, PRESET, replace(PRESETS["llama-3.1-8b"], vocab_size=SIZE)]
SHAPES += [replace(shape, weight_bytes=BYTES) for shape in SHAPES]
PARSER = parser(COMMANDS)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """A workspace."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("VOCABTRIM_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def counts(home, make_counts_of):
    made = make_counts_of(9000 // np.arange(1, SIZE + 1))
    save_counts(made)
    return made


@pytest.fixture(scope="module")
def served(home, make_counts_of):
    made = make_counts_of(7000 // np.arange(1, SIZE + 1)[::-1])
    save_counts(made)
    return made


shares = st.floats(0, 1)
sizes = st.integers(1, SIZE)
ids = st.frozensets(st.integers(0, SIZE - 1), max_size=9)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(str.strip)
lengths = st.floats(1, 9)
points = st.lists(st.tuples(sizes, lengths), max_size=3).map(tuple)


def possible(forecast):
    """The same with lengths that this depth allows, the full draft's given once."""
    top = forecast.depth + 1.0
    full = None if forecast.full_length is None else min(forecast.full_length, top)
    measured = tuple((k, min(length, top)) for k, length in forecast.measured if k < SIZE)
    return replace(forecast, full_length=full, measured=measured)


forecasts = st.builds(
    ForecastSettings,
    st.none() | lengths,
    st.integers(1, 9),
    points,
    st.sampled_from(["a100-80g", "h200"]),
    st.integers(1, 64),
    points,
    st.none() | sizes,
    st.integers(1, 9),
    st.none() | sizes,
    st.integers(0, 9000),
    st.sampled_from(["bf16", "fp8", "int4"]),
    st.sampled_from(["auto", "sliced", "short"]),
).map(possible)
mixes = st.builds(
    Mix,
    st.lists(st.text("0123456789abcdef", min_size=16, max_size=16), max_size=3).map(tuple),
    st.lists(st.floats(0, 100), max_size=3).map(tuple),
    st.lists(st.sampled_from(["digits", "specials"]), max_size=2).map(tuple),
    st.lists(st.tuples(st.sampled_from(["cjk", "arabic"]), st.integers(0, 999)), max_size=2).map(
        tuple
    ),
    st.none() | shares,
)


@st.composite
def any_settings(draw, feasible=True):
    low, high = sorted((draw(sizes), draw(sizes)))
    return Settings(
        draw(st.sampled_from(SHAPES)),
        draw(shares),
        0.0 if feasible else draw(shares),
        draw(st.none() | st.integers(1, SIZE - 9)),
        min(low, SIZE - 9),
        draw(st.sampled_from([None, max(high, low)])),
    )


@st.composite
def specs(draw, counts, served):
    own = draw(st.none() | st.sets(st.integers(0, SIZE - 1), min_size=1))
    if own is not None:
        own = OwnTokens.of(DraftVocabulary.of(own, SIZE), draw(texts.filter(bool)))
        from vocabtrim_core.mappings import store

        path = store._path(own.vocabulary(SIZE).sha256[:16], counts)
        write_ids(path, own.vocabulary(SIZE), TokenizerIdentity.of(counts), own.about)
    protected = draw(ids)
    excluded = draw(ids) - protected
    pin = st.builds(
        Pin, st.sampled_from([counts.key, "0" * 16]), texts, any_settings(feasible=False)
    )
    keys = [counts.key, served.key]
    return SelectionSpec.make(
        counts,
        replace(draw(any_settings()), k_max=SIZE - 9),
        rules=Rules(protected, excluded, draw(st.integers(1, 9))),
        pins=tuple(draw(st.lists(pin, max_size=3))),
        note=draw(texts),
        forecast=draw(forecasts),
        own=own,
        mix=draw(mixes),
        on=draw(st.none() | st.lists(st.sampled_from(keys), max_size=2).map(tuple)),
        served=draw(st.sampled_from([(), (served.key,)])),
    )


# ---------------------------------------------------------------- JSON and links


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_json_and_links_give_the_same_selection(counts, served, data):
    spec = data.draw(specs(counts, served))
    text = spec.dumps()
    assert SelectionSpec.loads(text) == spec
    assert SelectionSpec.loads(text).dumps() == text
    assert json.loads(text)["settings"]["alpha"] == spec.settings.alpha
    query = dict(parse_qsl(urlencode(spec.query()), keep_blank_values=True))
    assert SelectionSpec.from_query(query, counts) == spec


def test_files_say_nothing_of_what_was_not_asked(counts):
    """So files from before mixes and evaluation sets stay byte for byte what they were."""
    plain = json.loads(SelectionSpec.make(counts, Settings(TINY)).dumps())
    assert not {"mix", "on", "served"} & set(plain)
    spec = SelectionSpec.make(counts, Settings(TINY), on=(), mix=Mix(protect=("digits",)))
    assert {"mix", "on"} <= set(json.loads(spec.dumps()))
    with pytest.raises(InputError, match=r"mix\.wieghts is no field"):
        SelectionSpec.loads(spec.dumps().replace('"weights"', '"wieghts"'))


# ---------------------------------------------------------------- command lines


def through_argv(spec, counts, folder: Path) -> SelectionSpec:
    """What `choice save` makes of a selection's options; files where options name files."""
    files = {}
    for name, found in (("--protect", spec.rules.protected), ("--exclude", spec.rules.excluded)):
        files[name] = folder / f"{name[2:]}.json"
        files[name].write_text(json.dumps(sorted(found)))
    files["--draft-config"] = folder / "draft.json"
    shape = replace(spec.settings.architecture, fusion_per_step=True)
    files["--draft-config"].write_text(json.dumps(kept_config(shape)))
    if spec.own:
        files["--vocabulary"] = write_ids(
            folder / "ids.json",
            spec.own.vocabulary(SIZE),
            TokenizerIdentity.of(counts),
            spec.own.about,
        )
    argv = ["choice", "save", "COUNTS", "--out", "choice.json", *spec.argv(files)]
    return selection_from(PARSER.parse_args(argv), counts)


def carried(spec: SelectionSpec, counts) -> SelectionSpec:
    """The selection without what no option says."""
    own = replace(spec.settings, k_min=1, k_max=None) if spec.own else spec.settings
    pins = tuple(
        Pin(counts.key, counts.name, Settings(own.architecture, own.alpha, k=pin.settings.k))
        for pin in spec.pins
        if pin.settings.k
    )
    return replace(
        spec,
        settings=own,
        pins=pins,
        mix=Mix(),
        on=spec.on or None,
        forecast=replace(spec.forecast, baseline_k=None),
    )


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_options_give_the_same_selection(counts, served, home, data):
    spec = data.draw(specs(counts, served))
    assert through_argv(spec, counts, home) == carried(spec, counts)


@given(mixes, forecasts)
def test_parts_are_options_of_their_own(mix, forecast):
    """`select` takes a mix, `forecast` its assumptions."""
    line = ["select", "COUNTS", *to_argv(mix)]
    again = parsed(Mix, PARSER.parse_args(line), ReadContext(SIZE))
    assert again == replace(mix, sets=())
    free = PARSER.parse_args(["choice", "save", "COUNTS", *to_argv(forecast)])
    again = parsed(ForecastSettings, free, ReadContext(SIZE))
    assert again == replace(forecast, baseline_k=None)


# ---------------------------------------------------------------- sessions


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_sessions_give_the_same_selection(counts, served, data):
    """Widgets hold percent as floats, so floors of up to 15 digits pass; text holds all of them."""
    spec = data.draw(specs(counts, served))
    floor = data.draw(st.decimals(0, 1, places=14).map(float))
    spec = replace(spec, settings=replace(spec.settings, floor=floor))
    session = to_session(spec)
    assert session["floor"] == pytest.approx(100 * floor)
    found = from_session(SelectionSpec, session, ReadContext(SIZE, counts))
    assert found == {name: getattr(spec, name) for name in found}
    assert set(found) == {
        "settings",
        "rules",
        "pins",
        "note",
        "forecast",
        "own",
        "mix",
        "on",
        "served",
    }


def test_widgets_show_percent_and_names(counts):
    values = to_session(Settings(PRESET, 0.61, 0.937, None, 20))
    assert values == {
        "alpha": 0.61,
        "floor": 93.7,
        "k": None,
        "draft": "qwen3-8b",
        "fusion": False,
        "target_bytes": None,
        "layer_bytes": None,
        "row_bytes": None,
        "kmin": 20,
        "kmax": None,
    }
    own = to_session(Settings(OTHER))
    kept = workspace.folder("drafts") / own["draft"]
    assert json.loads(kept.read_text())["draft"]["hidden_size"] == 72
    assert to_session(Settings(replace(OTHER, fusion_per_step=True)))["draft"] == own["draft"]


def test_the_menu_is_empty_where_several_drafts_have_the_v():
    settings = Settings(default_draft(151_936))
    assert to_session(settings)["draft"] is None
    assert "draft" not in to_query(settings)
    at = ReadContext(151_936)
    assert Settings(**from_session(Settings, to_session(settings), at)) == settings
    assert Settings(**from_query(Settings, to_query(settings), at)) == settings
    chosen = Settings(PRESETS["qwen3-8b"])
    assert to_session(chosen)["draft"] == to_query(chosen)["draft"] == "qwen3-8b"


# ---------------------------------------------------------------- numbers


@given(st.floats(0, 1e9))
@example(0.1)
@example(1e-7)
@example(5e-324)
def test_numbers_are_written_digit_for_digit(value):
    text = digits(value)
    assert float(text) == value
    assert "e" not in text.lower()
    assert Decimal(text) == Decimal(repr(value))


@given(st.decimals(0, 1, places=13))
def test_floors_are_converted_exactly(share):
    """By decimal's own arithmetic: 0.07 is 7 %, never 7.000000000000001 %."""
    assert percent_of(float(share)) == float(share * 100)
    assert share_of(float(share * 100)) == float(share)


# ---------------------------------------------------------------- the table


def test_a_new_field_is_one_line(capsys):
    import argparse

    @dataclass(frozen=True)
    class More:
        least: Annotated[float, Leaf(SHARE, "--least", "least", "least share")] = 0.25
        # the new one:
        rounds: Annotated[int | None, Leaf(WHOLE, "--rounds", "rounds", "rounds", unset="all")] = (
            None
        )

    globals()["More"] = More
    made = More(0.075, 12)
    assert to_argv(made) == ["--least", "0.075", "--rounds", "12"]
    assert to_query(made) == {"least": "7.5", "rounds": "12"}
    assert to_session(made) == {"least": 7.5, "rounds": 12}
    options = argparse.ArgumentParser()
    add_options(options, More)
    assert "rounds (default all)" in options.format_help()
    assert parsed(More, options.parse_args(to_argv(made)), ReadContext(9)) == made
    assert More(**from_query(More, to_query(made), ReadContext(9))) == made
    assert More(**from_session(More, to_session(made), ReadContext(9))) == made
    assert parsed(More, options.parse_args([]), ReadContext(9)) == More()
    assert to_argv(More()) == []


# ---------------------------------------------------------------- short links


def test_a_kept_selection_is_found_by_its_hash(counts):
    spec = SelectionSpec.make(counts, Settings(TINY, 0.6), note="mine")
    path = store.keep(spec)
    assert path.parent == workspace.folder("choices")
    assert store.keep(spec) == path
    assert store.find(path.stem) == spec
    assert store.keep(replace(spec, note="other")) != path


@pytest.mark.parametrize("digest", ["0" * 16, "../../etc/passwd", "", "ABCDEF0123456789"])
def test_no_such_selection_is_one_sentence(counts, digest):
    with pytest.raises(InputError, match="not in this workspace"):
        store.find(digest)


def test_a_changed_file_is_not_followed(counts):
    path = store.keep(SelectionSpec.make(counts, Settings(TINY, 0.7)))
    path.write_text(path.read_text().replace("0.7", "0.8"))
    with pytest.raises(InputError, match="was changed"):
        store.find(path.stem)
