"""The embedded demo from nothing to two drafts, timed: the commands a user would type.

    python benchmarks/demo_loop.py [--k 4096] [--threads N]

    demo -> bundled-target -> count -> capture -> train (all of V, and k tokens)

In an empty workspace, with the defaults of the bundled target, SmolLM2-135M-Instruct. CPU
seconds stand beside the wall time, because other work on the machine stretches only the latter.
Writes benchmarks/results/demo_loop.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import write_report
from vocabtrim_core.machine import cores

ROOT = Path(__file__).resolve().parents[1]
GOAL = 600  # seconds


def run(home: str, *argv: str) -> tuple[dict[str, Any], float, float]:
    """(result, wall seconds, CPU seconds) of one command."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "vocabtrim_core", *argv, "--json"],
        cwd=ROOT,
        env={**os.environ, "VOCABTRIM_HOME": home},
        stdout=subprocess.PIPE,
        text=True,
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(done.stdout)
    if done.returncode:
        raise SystemExit(f"{argv[0]}: {result['error']}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result, wall, cpu


def told(name: str, result: dict[str, Any]) -> str:
    """What a command's result says about the demo, in a few words."""
    if name == "bundled-target":
        return f"{result['title']}, {result['licence']}, from {result['source']}"
    if name == "count":
        return f"{result['tokens']:,} tokens, {result['distinct']:,} of {result['vocab_size']:,}"
    if name == "capture":
        tokens = result["train_tokens"] + result["eval_tokens"]
        return f"{tokens:,} tokens, {result['bytes'] / 1e6:.0f} MB"
    if name == "train":
        return "; ".join(
            f"k = {d['k']:,}: acceptance length {d['acceptance_length']:.3f} "
            f"({d['acceptance_interval'][0]:.2f} to {d['acceptance_interval'][1]:.2f}), coverage "
            f"{d['coverage']:.2%}, draft FLOPs saved {d['flops_reduction']:.1%}"
            for d in result["drafts"]
        )
    return ""


def main() -> None:
    """Run the loop and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--k", default="4096", help="size of the trimmed draft")
    parser.add_argument("--threads", help="CPU threads (default: all cores)")
    arguments = parser.parse_args()
    threads = ["--threads", arguments.threads] if arguments.threads else []
    rows: list[dict[str, object]] = []
    total_wall = total_cpu = 0.0
    with tempfile.TemporaryDirectory() as home:
        commands = (
            ["demo", "--out", f"{home}/demo"],
            ["bundled-target"],
            ["count", "--tokenizer", "smollm2", "--data", f"{home}/demo"],
            ["capture", "--target", "smollm2"],
            ["train", "--target", "smollm2", "--k", "full", "--k", arguments.k, *threads],
        )
        for argv in commands:
            result, wall, cpu = run(home, *argv)
            total_wall, total_cpu = total_wall + wall, total_cpu + cpu
            rows.append(
                {
                    "step": argv[0],
                    "wall s": round(wall),
                    "CPU s": round(cpu),
                    "what came out": told(argv[0], result),
                }
            )
            print(rows[-1], flush=True)
    verdict = "within" if total_wall < GOAL else "beyond"
    rows.append(
        {
            "step": "all",
            "wall s": round(total_wall),
            "CPU s": round(total_cpu),
            "what came out": f"{verdict} the goal of {GOAL} s",
        }
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    note = (
        "Trained on the demo's own answers, not on the target's. Acceptance length: simulated on "
        "held-out conversations, 1 without a draft, with its 95% interval over conversations. "
        f"Load averages of the machine at the end ({cores()} cores): {load}."
    )
    write_report("demo_loop", "The embedded demo, from nothing to two drafts", rows, note)


if __name__ == "__main__":
    main()
