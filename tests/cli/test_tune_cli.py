"""`tune` from end to end on the torch loop."""

from __future__ import annotations

from test_bench_cli import _own_workspace, asked, models, run  # noqa: F401 (fixtures)

from vocabtrim_core.cli import main
from vocabtrim_core.serving import measurement, tuning


def test_trials_are_measurements_that_resume_and_the_best_is_confirmed(models, run):  # noqa: F811
    argv = ["tune", *asked(models, "--draft", "small", "--steps", 1, 2, "--runs", 2)]
    first = run(*argv, "--trials", 2, "--no-confirm")
    assert (first["configurations"], len(first["trials"]), first["confirmed"]) == (4, 2, None)
    found = run(*argv, "--trials", 9)
    assert found["study"] == first["study"]
    assert found["trials"][:2] == first["trials"]
    assert {(row["k"], row["steps"], row["draft_tokens"]) for row in found["trials"]} == {
        (100, 1, 2),
        (100, 2, 3),
        (500, 1, 2),
        (500, 2, 3),
    }
    for row in found["trials"]:
        kept = measurement.find(row["measurement"])
        assert [c.label for c in kept.configurations] == [row["label"]]
        assert row["runs"] == 2
        assert f"--steps {row['steps']}" in kept.command or row["steps"] == 3
    best = max(found["trials"], key=lambda row: row["value"])
    assert found["best"] == best
    labels = [row["label"] for row in found["confirmed"]["rows"]]
    assert labels[:2] == [best["label"], "no speculation"]
    assert any("over no speculation" in text for text in found["confirmed"]["verdicts"])
    stored = tuning.read(found["study"])
    assert stored is not None
    assert [trial.number for trial in stored.trials] == [0, 1, 2, 3]
    again = run("measurements", "replay", best["measurement"])
    assert [row["label"] for row in again["rows"]] == [f"{best['k']:,}"]


def test_text_and_what_is_refused(models, capsys):  # noqa: F811
    argv = ["tune", *map(str, asked(models, "--draft", "small/100", "--only", "--runs", "1"))]
    assert main([*argv, "--steps", "1", "2", "--trials", "1"]) == 0
    text = capsys.readouterr().out
    assert "Best of 1 of 2 configurations: 100 (" in text
    assert "The best of many noisy values is optimistic" in text
    assert "Measured again beside its baselines" in text

    def refused(*more):
        assert main([*argv, *more]) == 2
        return capsys.readouterr().err

    assert "tune searches at one concurrency" in refused("--concurrency", "1", "2")
    assert "needs the draft tokens" in refused("--topk", "1", "2")
    argv = ["tune", *map(str, asked(models, "--only"))]
    assert "no drafts to search over" in refused()
    argv = ["tune", "--url", "http://127.0.0.1:9"]
    assert "cannot change its draft" in refused()
