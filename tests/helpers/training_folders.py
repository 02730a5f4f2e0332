"""Targets, runs and jobs on disk as a training leaves them, made without training anything."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import psutil

from helpers.lazy import Lazy
from helpers.model_folders import write_model
from helpers.tokenizer_makers import byte_level, write_folder
from vocabtrim_core import workspace
from vocabtrim_core.drafts import bundled_target
from vocabtrim_core.drafts.plan import SMALL_PLAN
from vocabtrim_core.drafts.runs import DONE, PENDING, RUNNING, Stage
from vocabtrim_core.drafts.training_env import FOUND, Trainer, trainer_command
from vocabtrim_core.jobs.progress import Status
from vocabtrim_core.templates.presets import NAMED
from vocabtrim_core.workspace.files import write_atomic

torch = Lazy("torch")

SIZE, WIDTH = 500, 64
SPECIALS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]


def write_trainer(**found) -> Trainer:
    """What the last look at the trainer found."""
    made = Trainer(
        trainer_command(),
        **{"versions": {"torch": "2.13", "specforge": "0.2.0"}, "flops_per_second": 1e11, **found},
    )
    write_atomic(workspace.home() / FOUND, json.dumps(asdict(made)).encode())
    return made


def write_target(folder: Path) -> Path:
    """A target folder with its tokenizer: random weights, V = 500, H = 64."""
    tokenizer = byte_level(SPECIALS, size=SIZE - len(SPECIALS))
    write_folder(folder, tokenizer, NAMED["llama3"].jinja)
    names = ("model.embed_tokens.weight", "lm_head.weight")
    tensors = {name: torch.ones(SIZE, WIDTH).bfloat16() for name in names}
    config = {
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": 128,
        "vocab_size": SIZE,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
    }
    write_model(folder, tensors, config)
    return folder


def write_bundled_target() -> Path:
    """A small model in the place of the bundled target, as if it were converted."""
    folder = write_target(bundled_target.folder())
    (folder / bundled_target.ABOUT).write_text("{}")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return folder


def write_conversations(path: Path, rows: int = 40) -> Path:
    """Short conversations."""
    turns = [{"role": "user", "content": "word ." * 5}, {"role": "assistant", "content": "a b" * 9}]
    path.write_text("\n".join(json.dumps({"id": i, "messages": turns}) for i in range(rows)))
    return path


def write_job(argv: list[str], state: str = "done", result: dict | None = None, **status) -> str:
    """A job of this command as its folder shows it; `running` ones belong to this process."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{argv[0]}-{os.urandom(2).hex()}"
    folder = workspace.folder("jobs") / name
    folder.mkdir()
    spec = {
        "argv": argv,
        "title": "A job",
        "created": time.time(),
        "resources": ["train"],
        "folder": str(Path.cwd()),
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    Status(state=state, updated=time.time(), started=time.time() - 60, **status).write(folder)
    if state == "running":
        began = psutil.Process().create_time()
        (folder / "process.json").write_text(json.dumps({"pid": os.getpid(), "began": began}))
    if result is not None:
        (folder / "result.json").write_text(json.dumps(result))
    return name


def write_run(
    name: str,
    finished: dict[int, float],
    unfinished: dict[int, int] | None = None,
    *,
    earlier: bool = False,
    command: str = "",
) -> Path:
    """A run; finished: k -> acceptance length, unfinished: k -> step it has reached, of 100."""
    unfinished = unfinished or {}
    home = workspace.folder("runs") / name
    stages = [
        Stage("target", state=DONE, message="4 layers", began=1.0, ended=3.0),
        Stage("capture", state=DONE, message="900 tokens, 1.2 MB", began=3.0, ended=9.0),
    ]
    for k in (*finished, *unfinished):
        states = (DONE,) * 3 if k in finished else (RUNNING, PENDING, PENDING)
        names = ("train", "evaluate", "export")
        stages += [
            Stage(stage, k, state, done=unfinished.get(k, 0), total=100)
            for stage, state in zip(names, states, strict=True)
        ]
        _write_draft(home / f"k-{k}", k, finished.get(k), unfinished.get(k, 100))
    spec = {
        "format": "vocabtrim-run-1",
        "features": "f" * 16,
        "corpus": "talk",
        "regenerated_by": "",
        "target": {
            "name": "demo" if earlier else "real",
            "folder": "x",
            "sha256": "a" * 64,
            "vocab_size": SIZE,
            **({"toy": {"label": "a model that was trained here"}} if earlier else {}),
        },
        "recipe": {},
        "plan": asdict(SMALL_PLAN),
        "deployment": {"device": "cpu"},
        "trainer": {"flops_per_second": 0},
        "command": command,
        "notes": [],
        "vocabularies": {
            str(k): {"sha256": f"{k:064d}", "steps": 100, "counts": "features"}
            for k in (*finished, *unfinished)
        },
    }
    (home / "run.json").write_text(json.dumps(spec))
    (home / "state.json").write_text(json.dumps({"stages": [asdict(s) for s in stages]}))
    return home


def _write_draft(folder: Path, k: int, length: float | None, steps: int) -> None:
    folder.mkdir(parents=True)
    lines = []
    for step in range(10, steps + 1, 10):
        seconds = {"perf/optimizer_step_time_s": 0.5}
        lines.append(
            {
                "step": step,
                "kind": "train",
                "time": 1.0,
                "loss": 9.0 - step / 20,
                "lr": 1e-3 * (1 - step / 101),
                **seconds,
            }
        )
        if step % 50 == 0:
            accuracy = {
                f"eval/per_position_acc/{i}": (0.4 - 0.1 * i) * step / 100 for i in range(3)
            }
            lines.append(
                {
                    "step": step,
                    "kind": "eval",
                    "time": 1.0,
                    **accuracy,
                    "eval/simulated_acc_len": step / 150,
                }
            )
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "log.txt").write_text("$ specforge train\nsomething it said\n")
    if length is None:
        return
    (folder / "draft").mkdir()
    (folder / "draft" / "config.json").write_text("{}")
    result = {
        "k": k,
        "vocab_size": SIZE,
        "coverage": 1.0 if k == SIZE else 0.9,
        "flops_reduction": 0.4,
        "head_bytes": 2 * k * WIDTH,
        "steps": 100,
        "best_step": 50,
        "acceptance_length": length,
        "acceptance_interval": [length - 0.1, length + 0.1],
        "per_position_accuracy": [0.4, 0.3, 0.2],
        "held_out_tokens": 1234,
        "held_out_conversations": 12,
        "seconds": 61.0,
        "draft": str(folder / "draft"),
        "trainer": {"torch": "2.13", "specforge": "0.2.0"},
        "device": "cpu",
    }
    (folder / "result.json").write_text(json.dumps(result))
