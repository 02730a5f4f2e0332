"""A workspace with something of every kind in it, made in seconds, and ways to damage its files."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers.made_measurements import made
from helpers.model_folders import write_draft
from helpers.talks import talk
from helpers.training_folders import (
    write_bundled_target,
    write_conversations,
    write_job,
    write_run,
    write_trainer,
)
from vocabtrim_core import workspace
from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.corpora.uploads import store_upload
from vocabtrim_core.counting.shard_counts import ShardCounts, save_shards
from vocabtrim_core.draft_config import kept_config
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.drafts.feature_sets import FeatureSet
from vocabtrim_core.drafts.regenerated import about_file
from vocabtrim_core.experiment.plan import ExperimentPlan
from vocabtrim_core.experiment.record import Experiment, FinishedStage
from vocabtrim_core.mappings.store import keep
from vocabtrim_core.optuna_storage import open_study, studies_url
from vocabtrim_core.programs import LLAMA_CPP, TRAINER, add
from vocabtrim_core.selection_spec import store as choices
from vocabtrim_core.selection_spec.draft_names import keep_config
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.latency_probe import PROBES, Probe, ProbeRow, Timing
from vocabtrim_core.vocabulary import DraftVocabulary


def fill(home: Path) -> None:
    """Write one of everything into the workspace, which is the one of this process."""
    counts = [talk("python-assistant", 1.25, 1), talk("tool-calls", 1.4, 2)]
    for one in counts:
        save_shards(one.key, ShardCounts.of([one.counts], [one.conversations]))
        (workspace.folder("counted") / one.key).write_text(one.key, "ascii")
    conversations = write_conversations(home / "talk.jsonl")
    for name in ("python-assistant", "tool-calls"):
        shutil.copy(conversations, workspace.folder("demo") / f"{name}.jsonl")
    store_upload(io.BytesIO(conversations.read_bytes()), "mine.jsonl")
    open_corpus([str(conversations)]).fingerprint()
    answers = workspace.folder("answers") / "own.jsonl"
    shutil.copy(conversations, answers)
    about = {"answers": 3, "conversations": 3, "source": "talk", "refused": {}, "cut": 1}
    about["settings"] = {"model": "m", "temperature": 0, "template": "t", "max_tokens": 9}
    about["settings"]["cut_answers"] = "drop"
    about_file(answers).write_text(json.dumps(about))
    write_bundled_target()
    write_trainer()
    add(TRAINER, "gpu", "/opt/python")
    add(LLAMA_CPP, "served", "/opt/llama-server")
    (home / "trainer.json").write_text(json.dumps({"command": "/opt/python"}))
    run = write_run("a-run", {250: 1.5, 500: 1.7}, {100: 40}, command="train --name a-run")
    write_draft(run / "k-250" / "draft", range(250))
    write_job(["demo", "--out", str(home / "demo")], "done", {"files": []})
    write_job(["count", "--tokenizer", "llama-3.1"], "failed", message="It failed.")
    write_job(["train", "--name", "a-run"], "running", message="Step 3", done=3, total=9)
    write_job(["bench", "--target", "smollm2"], "done", {"key": "0" * 16})
    _write_features()
    _write_study(counts[0].key)
    vocabulary = DraftVocabulary.of(range(0, 4000, 4), counts[0].vocab_size)
    keep(vocabulary, counts[0], "made by hand")
    measurements.save(made())
    timing = Timing(1e-3, 0.9e-3, 1.1e-3, 9)
    rows = tuple(ProbeRow(1, k, *[timing] * 5) for k in (1000, 4000, 128_256))
    PROBES.save(Probe(PRESETS["llama-3.1-8b"], "cpu", "float32", 128, 1, False, rows))
    choices.keep(SelectionSpec.make(counts[0], Settings(PRESETS["llama-3.1-8b"], alpha=0.05)))
    keep_config(json.dumps(kept_config(PRESETS["llama-3.1-8b"])).encode())
    (workspace.folder("lists") / "a.txt").write_text("12\n13\n")
    stage = FinishedStage("answers", ("regenerate",), 3.0, {"answers": 3})
    Experiment(ExperimentPlan(program="served"), (stage,)).save()


def _write_features() -> None:
    features = FeatureSet(
        folder=workspace.folder("features") / "f00d",
        key="f00d",
        target="smollm2",
        target_sha256="a" * 64,
        corpus="talk",
        corpus_sha256="b" * 64,
        recipe={},
        aux_layers=(1, 2, 3),
        hidden_size=64,
        vocab_size=500,
        max_length=128,
        train_samples=10,
        train_tokens=900,
        eval_samples=2,
        eval_tokens=80,
        counted=500,
        bytes=1000,
    )
    features.folder.mkdir()
    features.save()


def _write_study(counts: str) -> None:
    study = open_study(studies_url(), f"search-{counts}", {"counts": counts})
    for number in range(3):
        trial = study.ask()
        trial.suggest_int("k", 50, 5000)
        study.tell(trial, number / 3)


# --- damage -------------------------------------------------------------------------------------


def _fields(path: Path) -> Iterator[tuple[str, bytes]]:
    """The file with each of its fields gone or of another type, where it is a JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return
    if not isinstance(content, dict):
        return
    for name in content:
        others = {other: value for other, value in content.items() if other != name}
        yield f"without {name}", json.dumps(others).encode()
        for wrong in (None, "text", -1, [], {}, [{}], {"a": [1]}, 2**63):
            yield f"{name} = {wrong!r}", json.dumps({**content, name: wrong}).encode()
    if "format" in content:
        form = content["format"]
        newer = form + 7 if isinstance(form, int) else f"{form}9"
        yield "newer", json.dumps({**content, "format": newer}).encode()


def contents(path: Path, *, fields: bool) -> Iterator[tuple[str, bytes]]:
    """Damaged contents for a file, by name."""
    whole = path.read_bytes()
    yield "empty", b""
    yield "truncated", whole[: len(whole) // 2]
    yield "not JSON", b"\xff\xfe{nothing"
    yield "a list", b"[1, 2]"
    yield "an object", b"{}"
    yield "null", b"null"
    yield "a text", b'"text"'
    yield "deep", b"[" * 100_000
    if fields:
        yield from _fields(path)


def files(home: Path) -> list[Path]:
    """All files that something of the workspace is read from, but no locks, models, tokenizers."""
    left_out = ("locks", "targets", "tokenizers")
    return sorted(
        path
        for path in home.rglob("*")
        if path.is_file()
        and path.relative_to(home).parts[0] not in left_out
        and path.suffix not in (".lock", ".log")
        and path.name not in ("log.txt", ".lock", "talk.jsonl")
    )


def damages(path: Path, *, fields: bool = True) -> Iterator[tuple[str, Callable[[], object]]]:
    """Ways to damage a file, by name; call each on the sound file."""
    for name, content in contents(path, fields=fields):
        yield name, functools.partial(path.write_bytes, content)
    yield "a folder", functools.partial(_make_folder, path)
    if os.geteuid():  # root reads everything
        yield "unreadable", functools.partial(path.chmod, 0)


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
