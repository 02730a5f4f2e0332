"""Count tokens our way, with HF tokenizers, tiktoken and SpecForge's own code; compare.

    python benchmarks/counting.py [--quick] [--rounds 3] [--megabytes 500] [--specforge FOLDER]

Every run is a fresh process on the same files; the order changes from round to round. The clock
runs from opening the files to the counts in memory, with tokenizers and engines loaded before;
our runs include the fingerprint, the proof, and the parts on disk. Every run must find the same
counts. Prints a table and writes benchmarks/results/counting.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.counting_runs import RUNS, TITLES, Run, child
from benchmarks.counting_texts import build
from benchmarks.report import markdown, write_report

Found = dict[str, list[dict]]  # run -> its result in each round


def start(run: Run, folder: Path, specforge_folder: Path | None) -> dict:
    """The run in a fresh process with a fresh workspace."""
    home = tempfile.mkdtemp(prefix="counting-home-")
    environment = {
        **os.environ, "VOCABTRIM_HOME": home, "RAYON_NUM_THREADS": str(run.threads),
        "TOKENIZERS_PARALLELISM": "true", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    if specforge_folder:
        environment["PYTHONPATH"] = str(specforge_folder)
    argv = [sys.executable, __file__, "--run", run.name, "--folder", str(folder)]
    pin = (lambda: os.sched_setaffinity(0, {0})) if run.threads == 1 else None
    try:
        done = subprocess.run(
            argv, env=environment, preexec_fn=pin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{run.name}: {done.stderr.strip().splitlines()[-1:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 MB, one round, nothing written")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500, help="assistant text of the corpus")
    parser.add_argument("--folder", type=Path, help="keep the corpora here for the next time")
    parser.add_argument("--specforge", type=Path, help="folder with the unpacked wheel")
    parser.add_argument("--only", nargs="+", metavar="RUN", choices=RUNS, help="some of the runs")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        child(RUNS[options.run], options.folder)
        return
    size = 3 if options.quick else options.megabytes
    with tempfile.TemporaryDirectory(prefix="counting-") as scratch:
        folder = options.folder or Path(scratch)
        sizes = build(folder, size, max(1, size // 4), 2)
        names = [name for name in options.only or RUNS]
        missing = ""
        if not options.specforge and find_spec("specforge") is None:
            names = [name for name in names if RUNS[name].how != "specforge"]
            missing = "SpecForge: left out, give its unpacked wheel with --specforge."
        found: Found = {name: [] for name in names}
        for turn in range(1 if options.quick else options.rounds):
            order = list(names)
            random.Random(turn).shuffle(order)
            for name in order:
                result = start(RUNS[name], folder, options.specforge)
                found[name].append(result)
                print(f"round {turn + 1}  {name}: {result['seconds']:.2f} s", file=sys.stderr)
    report(found, sizes, missing, write=not options.quick)


def report(found: Found, sizes: dict[str, int], missing: str, write: bool) -> None:
    """Medians, ratios of each round, equality; the table and what it says about the goals."""
    text = "  \n".join([
        f"{max(map(len, found.values()))} rounds, medians; MB of assistant text; ratios are of "
        "runs of one round. `proof`: seconds of ours in which HF tokenizers reads the first texts.",
        *conclusions(found, sizes),
        *filter(None, [missing]),
    ])  # fmt: skip
    rows = [row(name, found, sizes) for name in found]
    if write:
        write_report("counting", "Counting tokens", rows, text)
    else:
        print(markdown(rows), text, sep="\n\n")


def row(name: str, found: Found, sizes: dict[str, int]) -> dict[str, object]:
    """One line of the table."""
    run, results = RUNS[name], found[name]
    part = run.how == "specforge"  # it reads the first rows only
    megabytes = sizes[run.corpus] / 1e6
    seconds = median(results, "seconds")
    base = found.get(run.baseline, []) if run.baseline != name else []
    faster, less = "", ""
    if base:
        faster = f"{ratio(base, results, 'seconds'):.1f}x"
        less = f"{ratio(base, results, 'cpu'):.1f}x"
    elif part and "ours" in found:
        faster, less = (f"ours {per_row(results, found['ours'], what):,.0f}x"
                        for what in ("seconds", "cpu"))  # fmt: skip
    return {
        "run": TITLES.get(name, name),
        "threads": run.threads,
        "MB": "" if part else round(megabytes, 1),
        "s": round(seconds, 2),
        "proof": round(median(results, "proving"), 2) if "proving" in results[0] else "",
        "MB/s": "" if part else round(megabytes / seconds, 1),
        "Mtok/s": round(results[0]["tokens"] / 1e6 / seconds, 2),
        "CPU s": round(median(results, "cpu"), 2),
        "times faster": faster,
        "times less CPU": less,
        "goal": run.goal,
        "peak anonymous MB": round(max(r["peak"] for r in results)),
    }


def conclusions(found: Found, sizes: dict[str, int]) -> list[str]:
    """What the runs say about the goals that are not in one row."""
    said = []
    corpora = {RUNS[name].corpus for name in found}
    counted = {
        c: {r["sha"] for n, rs in found.items() for r in rs if _whole(n, c)} for c in corpora
    }
    wrong = [corpus for corpus, seen in counted.items() if len(seen) > 1]
    said.append(f"COUNTS DIFFER on {', '.join(wrong)}." if wrong else "All counts equal.")
    ours, one, hf = (found.get(name) for name in ("ours", "ours, 1 thread", "hf"))
    if ours and one:
        said.append(f"From one to two threads: {ratio(one, ours, 'seconds'):.2f}x (goal 1.6x).")
    if ours:
        proving = median(ours, "proving")
        steady = (median(ours, "seconds") - proving) / sizes["text"]  # seconds per byte
        large = proving + steady * 3e9
        said.append(f"3 GB of assistant text at this rate: {large:.1f} s (goal 30 s).")
        said.append(f"Proof: {ours[0]['proof']}.")
        if hf:
            rate = median(hf, "seconds") / sizes["text"]
            said.append(f"HF tokenizers over ours: {rate / steady:.1f}x after the first texts are "
                        f"proved, {rate * 3e9 / large:.1f}x for 3 GB with the proof.")  # fmt: skip
    return said


def median(results: list[dict], what: str) -> float:
    """Over the rounds."""
    return statistics.median(r[what] for r in results)


def ratio(theirs: list[dict], ours: list[dict], what: str) -> float:
    """Median over the rounds of theirs / ours."""
    return statistics.median(a[what] / b[what] for a, b in zip(theirs, ours, strict=True))


def per_row(theirs: list[dict], ours: list[dict], what: str) -> float:
    """The same per conversation."""
    return ratio(theirs, ours, what) * ours[0]["rows"] / theirs[0]["rows"]


def _whole(name: str, corpus: str) -> bool:
    """The run counts all of this corpus."""
    return RUNS[name].corpus == corpus and RUNS[name].how != "specforge"


if __name__ == "__main__":
    main()
