"""The most memory of a capture, measured beside what is estimated from shapes before it starts.

    python -m benchmarks.capture_memory [--home DIR]

The bundled target captures conversations of several lengths, each in a process of its own, whose
largest resident size the system tells. Writes benchmarks/results/capture_memory.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import write_report
from vocabtrim_core.drafts.bundled_target import NAME
from vocabtrim_core.drafts.capture_memory import BATCH_TOKENS, capture_bytes
from vocabtrim_core.drafts.target import load_target

ROOT = Path(__file__).resolve().parents[1]
LENGTHS = (96, 192, 1024, 4096)  # tokens of a conversation at most
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
WORDS = "The water of the river flows past the old mill and on to the sea. "


def write_corpus(path: Path, length: int) -> None:
    """Conversations that fill a few batches, each longer than the limit, which cuts them."""
    answer = WORDS * (length // 14 + 1)
    conversations = max(3 * BATCH_TOKENS["cpu"] // length, 12)  # some of them are held out
    with path.open("w", encoding="utf-8") as file:
        for number in range(conversations):
            question = f"Question {number}: where does the water go?"
            turns = [("user", question), ("assistant", f"{number}. {answer}")]
            messages = [{"role": role, "content": text} for role, text in turns]
            file.write(json.dumps({"messages": messages}) + "\n")


def peak_of(home: str, corpus: Path, length: int) -> int:
    """Bytes of memory that `capture` took at most."""
    argv = [sys.executable, "-m", "vocabtrim_core", "capture", "--target", NAME]
    argv += ["--data", str(corpus), "--max-length", str(length), "--held-out", "0.3"]
    argv += ["--device", "cpu", "--json"]
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env={**os.environ, "VOCABTRIM_HOME": home},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"capture of {length} tokens failed")
    return usage.ru_maxrss * UNIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", help="a workspace, in which the target is converted once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["VOCABTRIM_HOME"] = home = arguments.home or scratch
        target = load_target(NAME)
        rows: list[dict[str, object]] = []
        for length in LENGTHS:
            corpus = Path(scratch) / f"{length}.jsonl"
            write_corpus(corpus, length)
            batch = max(BATCH_TOKENS["cpu"] // length, 1) * length
            measured, estimated = (
                peak_of(home, corpus, length),
                capture_bytes(target, batch, length),
            )
            rows.append(
                {
                    "longest conversation, tokens": length,
                    "batch, tokens": batch,
                    "measured, bytes": measured,
                    "estimated, bytes": estimated,
                    "estimated / measured": round(estimated / measured, 2),
                }
            )
    write_report("capture_memory", f"Memory of a capture: {target.name}", rows)


if __name__ == "__main__":
    main()
