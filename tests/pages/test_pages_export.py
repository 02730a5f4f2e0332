"""Export through AppTest: whole drafts beside the other formats, and formats of one engine."""

# ruff: noqa: F811
from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.model_folders import V, write_draft
from test_pages import errors, home, opened, started, words  # noqa: F401

from vocabtrim_core import workspace
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.drafts.inspect_checkpoint import inspect_draft
from vocabtrim_core.drafts.runs import run_folder
from vocabtrim_core.exports import FORMATS


@pytest.fixture
def small(home) -> TokenCounts:
    """Counts of the draft's own small vocabulary."""
    counts = np.arange(V)[::-1] + 1
    found = TokenCounts(counts, 9, 0, Provenance("assistant", "own", "t" * 64, "m", "m" * 64))
    save_counts(found)
    return found


@pytest.fixture
def trained(small):
    """A training run of the workspace with a draft of all V tokens; returns the draft's folder."""
    folder = run_folder("run-1")
    draft = folder / f"k-{V}" / "draft"
    draft.parent.mkdir(parents=True)
    write_draft(draft)
    spec = {
        "vocabularies": {str(V): {"sha256": "", "steps": 1, "counts": "features"}},
        "target": {"vocab_size": V, "folder": "/nowhere", "name": "t", "sha256": "s"},
    }
    (folder / "run.json").write_text(json.dumps(spec))
    return draft


def exporting(counts, *formats: str):
    """The page with these formats ticked, and 40 tokens chosen."""
    app = opened("export", counts=counts.key, k="40")
    for name in formats:
        app.checkbox(key=f"as_{name}").check()
    return app.run()


def asked(started: list[list[str]]) -> list[list[str]]:
    return [argv for argv in started if argv[0] == "export"]


def test_whole_drafts_stand_beside_the_other_formats(small):
    app = exporting(small)
    assert not app.exception
    ticks = [box.key.removeprefix("as_") for box in app.checkbox if box.key.startswith("as_")]
    assert set(ticks) == set(FORMATS)
    assert "Served by vLLM 0.32.0 on a CPU, measured" in words(app)


def test_a_draft_of_the_workspace_is_cut_and_exported(small, trained, started):
    """The page's job is the command; what it wrote is then shown with each engine's flags."""
    from vocabtrim_core.cli import main

    app = exporting(small, "vllm", "llama-cpp")
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="export_draft").value == str(trained)
    app.button(key="export_draft_write").click().run()
    (argv,) = asked(started)
    assert argv[argv.index("--draft-folder") + 1] == str(trained)
    written = {argv[i + 1] for i, part in enumerate(argv) if part == "--format"}
    assert written == {"llama-cpp", "vllm"}
    assert argv[-1].startswith(str(workspace.home() / "exports"))
    assert main(argv) == 0
    app = exporting(small, "vllm", "llama-cpp")
    assert app.button(key="export_draft_write").disabled
    shown = [code.value for code in app.code]
    assert argv[-1] in shown
    assert any("--speculative-config" in text for text in shown)
    made = inspect_draft(workspace.home() / "exports" / argv[-1].rpartition("/")[2] / "draft")
    assert (made.rows, list(made.problems)) == (40, [])


def test_a_draft_is_exported_as_it_is(small, trained, started):
    from vocabtrim_core.cli import main

    app = exporting(small, "sglang-eagle3")
    app.segmented_control(key="export_draft_tokens").set_value("As it is").run()
    app.button(key="export_draft_write").click().run()
    (argv,) = asked(started)
    assert argv[argv.index("--vocabulary") + 1] == str(trained)
    assert main(argv) == 0
    assert inspect_draft(workspace.home() / argv[-1] / "draft").rows == V


def test_a_folder_is_named_and_what_is_no_draft_is_a_sentence(small, started, tmp_path):
    app = exporting(small, "vllm")
    assert app.selectbox(key="export_draft").options == ["another folder"]
    assert "Choose a draft, or name the folder of one" in words(app)
    app.text_input(key="export_draft_folder").set_value("/nowhere/at/all").run()
    assert not app.exception
    assert "There is no draft at /nowhere/at/all" in errors(app)
    draft = write_draft(tmp_path / "mine")
    app.text_input(key="export_draft_folder").set_value(str(draft)).run()
    app.button(key="export_draft_write").click().run()
    assert asked(started)[-1].count(str(draft)) == 1


def test_formats_of_one_engine_alone(small):
    app = exporting(small)
    app.pills(key="export_engines").set_value(["vLLM", "SGLang"]).run()
    ticks = {box.key.removeprefix("as_") for box in app.checkbox if box.key.startswith("as_")}
    mtp = {"mtp-ids", "mtp-ranges", "sglang-nextn"}
    assert ticks == {"vllm", "sglang", "sglang-eagle3"} | mtp


def test_the_command_lists_formats_of_one_engine(capsys):
    from vocabtrim_core.cli import main

    assert main(["formats", "--engine", "vllm", "--json"]) == 0
    forms = {form["name"]: form for form in json.loads(capsys.readouterr().out)["formats"]}
    assert forms.keys() == {"vllm", "mtp-ids", "mtp-ranges"}
    assert {form["engine"] for form in forms.values()} == {"vLLM"}
    assert forms["vllm"]["served"].startswith("vLLM 0.32.0")
    assert main(["formats", "--engine", "none"]) == 2
    assert "choose from: " in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_who_served_a_format_is_in_what_was_checked(name):
    """`served` is short; the sentences and the evidence behind it stand in `checked`."""
    form = FORMATS[name]
    assert bool(form.served) == ("erved " in form.checked and "not" not in form.checked[:20])
    assert not form.served or form.needs_draft
