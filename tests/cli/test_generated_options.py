"""Options that are generated from the dataclasses they fill: what is written is read again."""

import argparse
from dataclasses import fields

import pytest

from vocabtrim_core.cli import COMMANDS
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.drafts.completion_clients import Sampling
from vocabtrim_core.drafts.plan import SMALL_PLAN, Deployment, TrainingPlan
from vocabtrim_core.fields.codec import from_argv, table, to_argv
from vocabtrim_core.serving.configurations import Drafting
from vocabtrim_core.serving.engine import Generation
from vocabtrim_core.serving.engines.sglang.launch import Launch
from vocabtrim_core.serving.importers import Hints
from vocabtrim_core.serving.probe_request import ProbeRequest
from vocabtrim_core.serving.tuning import Space

# command, what it cannot do without, values that differ from the default in every option
VALUES = [
    ("train", ["--target", "smollm2"], SMALL_PLAN),
    (
        "train",
        ["--target", "smollm2"],
        TrainingPlan(3, 7, 2, 4, 2e-4, 0.015, 0.5, 5, "target", 6, True, 0, 9),
    ),
    ("train", ["--target", "smollm2"], Deployment("cuda", 2, 3, 1, "node-0.example")),
    ("train", ["--target", "smollm2"], Sampling(0.7, 64, "mark")),
    ("regenerate", ["--target", "smollm2", "--out", "a.jsonl"], Sampling(1.25, 1)),
    ("bench", [], Drafting((4, 1), 2, 8)),
    ("bench", [], Generation(7, ignore_eos=True)),
    (
        "bench",
        [],
        Launch(
            0.5,
            context=512,
            extra=("--tp=1", "--disable-cuda-graph", "c d"),
            simulate=2.5,
            ready=1.5,
        ),
    ),
    (
        "probe",
        [],
        ProbeRequest(
            PRESETS["llama-3.2-1b"], (9, 4380), (2,), 64, 2, 5, "cpu", "bfloat16", 7, 1.5, True
        ),
    ),
    ("tune", [], Space({5: "a"}, (2, 6), (1, 4), (8, 16))),
    (
        "import-results",
        ["a.json"],
        Hints(("0", "4380"), ("a", "b"), "t", 600, 4, "GPU", "part", True),
    ),
]


def parse(command: str, argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    next(c for c in COMMANDS if c.name == command).arguments(parser)
    return parser.parse_args(argv)


@pytest.mark.parametrize(("command", "needed", "value"), VALUES)
def test_options_that_are_written_are_read_again(command, needed, value):
    of = type(value)
    read = from_argv(of, parse(command, [*needed, *to_argv(value)]))
    optional = [field for field, leaf in table(of) if leaf.flag]
    assert {field.name: read.get(field.name, field.default) for field in optional} == {
        field.name: getattr(value, field.name) for field in optional
    }
    assert any(getattr(value, field.name) != field.default for field in optional)


@pytest.mark.parametrize(("command", "needed", "value"), VALUES)
def test_without_options_the_defaults_hold(command, needed, value):
    of = type(value)
    read = from_argv(of, parse(command, needed))
    defaults = {f.name: f.default for f in fields(of)}
    assert read == {name: defaults[name] for name in read}


@pytest.mark.parametrize("command", ["bench", "tune"])
@pytest.mark.parametrize(
    "argv",
    [
        ["--steps", "1,2,3"],
        ["--steps", "1", "2", "3"],
        ["--steps=1", "--steps", "2,3"],
        ["--steps", "1", "--steps=2", "--steps", "3,1"],
    ],
)
def test_steps_may_be_listed_or_repeated(command, argv):
    of = Drafting if command == "bench" else Space
    assert from_argv(of, parse(command, argv))["steps"] == (1, 2, 3)


@pytest.mark.parametrize(
    ("command", "argv", "sentence"),
    [
        ("train", ["--target", "smollm2", "--epochs", "many"], "'many' is not a whole number"),
        ("train", ["--target", "smollm2", "--learning-rate", "nan"], "'nan' is not a number"),
        ("train", ["--target", "smollm2", "--start", "there"], "invalid choice: 'there'"),
        ("count", ["--tokenizer", "t", "--max-refused", "some"], "'some' is not a number"),
        ("bench", ["--draft-tokens", "1.5"], "'1.5' is not a whole number"),
        ("probe", ["--batch", "8", "many"], "'many' is not a whole number"),
        ("tune", ["--topk", "1", "x"], "'x' is not a whole number"),
        ("bench", ["--steps", "1,x"], "'x' is not a whole number"),
        ("bench", ["--concurrency", "1,2,4"], "'1,2,4' is not a whole number"),
        ("probe", ["--batch", "8,64"], "'8,64' is not a whole number"),
    ],
)
def test_what_is_no_value_is_named(command, argv, sentence, capsys):
    from vocabtrim_core.cli import main

    assert main([command, *argv]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
