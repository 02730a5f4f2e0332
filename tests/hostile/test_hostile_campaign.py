"""A slice of the campaign (`make campaign`): files changed at random end in a sentence."""

import random

import pytest
from helpers.lazy import Lazy

campaign = Lazy("benchmarks.campaign")
inputs = Lazy("benchmarks.campaign_inputs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("campaign")
    for name, content in inputs.helpers().items():
        path = home / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return home


def test_every_kind_of_file_is_read_before_it_is_changed(folder):
    for kind in inputs.kinds():
        assert campaign.judge(kind, kind.content, folder) == (0, ""), kind.name


@pytest.mark.parametrize("part", range(4))
def test_files_changed_at_random(part, folder):
    kinds = inputs.kinds()
    for number in range(part, 200, 4):
        kind = kinds[number % len(kinds)]
        content = inputs.changed(kind, random.Random(f"suite-{number}"))
        _, wrong = campaign.judge(kind, content, folder)
        assert not wrong, (kind.name, number, wrong)


def test_the_judge_sees_a_failure(folder, monkeypatch):
    kind = next(kind for kind in inputs.kinds() if kind.name == "list, text")
    monkeypatch.setattr("benchmarks.campaign.command_line", lambda argv: 1)
    assert "exit code 1" in campaign.judge(kind, kind.content, folder)[1]
