"""Count tokens our way, with HF tokenizers, tiktoken and SpecForge's own code; compare.

    python benchmarks/counting.py [--quick] [--rounds 3] [--megabytes 500] [--specforge FOLDER]
    python benchmarks/counting.py --layers

Every run is a fresh process; the order changes from round to round. The clock runs from opening
the files to the counts in memory, with tokenizers and engines loaded before; our runs include the
fingerprint, the proof, and the parts on disk. Only the small corpus is counted by the command
itself, from the start of its process to its end. HF and tiktoken read a part of the text (evenly
spaced, see `counting_texts`), SpecForge 1,000 conversations of it; all who count the same file must
find the same counts, id by id, or the benchmark FAILS. Tool and reasoning traffic is synthetic
(`counting_traffic`). Prints a table and writes benchmarks/results/counting.json and .md.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psutil

from benchmarks.counting_peers import MARKERS
from benchmarks.counting_runs import (
    ALONE,
    HARD,
    HF,
    KEPT,
    PLAIN,
    REASONING,
    ROOT,
    RUNS,
    SMALL,
    TOOLS,
    Run,
    child,
)
from benchmarks.counting_texts import build
from benchmarks.counting_traffic import build_traffic
from benchmarks.report import markdown, write_report
from vocabtrim_core.__main__ import huge_pages
from vocabtrim_core.counting import memory

Found = dict[str, list[dict]]  # run -> its result in each round
Sizes = dict[str, list[int]]  # corpus -> [bytes of assistant text, answers]
GIGA_1, GIGA_HARD = "gigatoken alone, 1 thread", "gigatoken alone, hard text"
TRAFFIC = 40  # megabytes of each kind of synthetic traffic


def _one_core() -> None:
    """Keep a process of one thread on one core, where the system lets it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})


def start(run: Run, folder: Path, specforge_folder: Path | None) -> dict:
    """The run in a fresh process with a fresh workspace."""
    home = tempfile.mkdtemp(prefix="counting-home-")
    environment = {
        **os.environ,
        "VOCABTRIM_HOME": home,
        "RAYON_NUM_THREADS": str(run.threads),
        "HF_HUB_OFFLINE": "1",
    }
    if run.how == "ours":  # as the command starts itself
        environment |= huge_pages()
    if specforge_folder:
        environment["PYTHONPATH"] = str(specforge_folder)
    argv = [sys.executable, __file__, "--run", run.name, "--folder", str(folder)]
    pin = _one_core if run.threads == 1 else None
    try:
        child = subprocess.Popen(
            argv,
            env=environment,
            preexec_fn=pin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with ThreadPoolExecutor(1) as pool:
            said, peak = pool.submit(child.communicate), 0
            while not said.done():  # from outside: a thread in there would take the lock from ours
                with contextlib.suppress(psutil.Error):  # it has ended
                    peak = max(peak, memory.private(child.pid))
                time.sleep(0.01)
        out, errors = said.result()
        if child.returncode:
            raise RuntimeError(f"{run.name}: {errors.strip().splitlines()[-1:]}")
        return json.loads(out.strip().splitlines()[-1]) | {"peak": peak / 1e6}
    finally:
        shutil.rmtree(home, ignore_errors=True)


def layers_of(folder: Path) -> None:
    """Print where the CPU time goes, measured in a fresh process with a workspace of its own."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.report import markdown; "
        "from benchmarks.counting_layers import layers; print(markdown(layers(Path(sys.argv[1]))))"
    )
    with tempfile.TemporaryDirectory(prefix="counting-home-") as home:
        environment = {**os.environ, **huge_pages(), "VOCABTRIM_HOME": home, "HF_HUB_OFFLINE": "1"}
        environment |= {"PYTHONPATH": str(ROOT), "RAYON_NUM_THREADS": "2"}
        subprocess.run([sys.executable, "-c", code, str(folder)], env=environment, check=True)


def cores() -> float:
    """How much faster two threads hash than one: what the machine has to give right now."""
    data = random.randbytes(150_000_000)
    seconds = []
    with ThreadPoolExecutor(2) as pool:
        for threads in (1, 2):
            started = time.perf_counter()
            list(pool.map(lambda _: hashlib.sha256(data), range(threads)))
            seconds.append(time.perf_counter() - started)
    return 2 * seconds[0] / seconds[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 MB, one round, nothing written")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500, help="assistant text of the corpus")
    parser.add_argument("--folder", type=Path, help="keep the corpora here for the next time")
    parser.add_argument("--specforge", type=Path, help="folder with the unpacked wheel")
    parser.add_argument("--only", nargs="+", metavar="RUN", choices=RUNS, help="some of the runs")
    parser.add_argument("--layers", action="store_true", help="where the CPU time goes, one run")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        child(RUNS[options.run], options.folder)
        return
    size = 3 if options.quick else options.megabytes
    with tempfile.TemporaryDirectory(prefix="counting-") as scratch:
        folder = options.folder or Path(scratch)
        sizes = build(folder, size, 2)
        if options.layers:
            layers_of(folder)
            return
        sizes |= build_traffic(folder, min(size, TRAFFIC), MARKERS)
        names, missing = [n for n in options.only or RUNS if sizes[RUNS[n].corpus][1]], ""
        if not options.specforge and find_spec("specforge") is None:
            names = [name for name in names if RUNS[name].how != "specforge"]
            missing = "SpecForge: left out, give its unpacked wheel with --specforge."
        found: Found = {name: [] for name in names}
        two: list[float] = []
        for turn in range(1 if options.quick else options.rounds):
            order = list(names)
            random.Random(turn).shuffle(order)
            two.append(cores())
            for name in order:
                result = start(RUNS[name], folder, options.specforge)
                found[name].append(result)
                print(f"round {turn + 1}  {name}: {result['seconds']:.2f} s", file=sys.stderr)
    said = [*conclusions(found, sizes, two), *filter(None, [missing])]
    rows = [row(name, found, sizes) for name in found]
    if options.quick or options.only:
        print(markdown(rows), "  \n".join(said), sep="\n\n")
    else:
        write_report("counting", "Counting tokens", rows, "  \n".join(said))
    if wrong(found):
        sys.exit("FAILED: counts differ")


def row(name: str, found: Found, sizes: Sizes) -> dict[str, object]:
    """One line of the table."""
    run, results = RUNS[name], found[name]
    size, _ = sizes[run.corpus]
    seconds = median(results, "seconds")
    faster = less = ""
    if run.baseline in found:
        faster, less = (
            f"{ratio(found, sizes, run.baseline, name, what):.1f}x" for what in ("seconds", "cpu")
        )
    elif run.how == "specforge" and "ours" in found:
        faster, less = (
            f"ours {ratio(found, sizes, name, 'ours', what, per=1):,.0f}x"
            for what in ("seconds", "cpu")
        )
    return {
        "run": name,
        "threads": run.threads,
        "MB": round(size / 1e6, 1),
        "s": round(seconds, 2),
        "MB/s": round(size / 1e6 / seconds, 1),
        "Mtok/s": round(results[0]["tokens"] / 1e6 / seconds, 2),
        "CPU s": round(median(results, "cpu"), 2),
        "times faster": faster,
        "times less CPU": less,
        "goal": run.goal,
        "peak anonymous MB": "" if name == SMALL else round(max(r["peak"] for r in results)),
    }


def conclusions(found: Found, sizes: Sizes, two: list[float]) -> list[str]:
    """What the runs say together."""
    said = [
        f"{max(map(len, found.values()))} rounds, medians; MB of assistant text (of the file, for "
        "synthetic traffic and the small corpus); ratios of runs of one round, per MB (SpecForge: "
        "per conversation).",
        f"Load average at the end: {os.getloadavg()[1]:.1f} over 5 minutes, our own runs included.",
        f"In those rounds two threads hashed {', '.join(f'{x:.2f}' for x in two)} times as fast as "
        "one: less than 2 says that the machine had other work.",
    ]
    if differ := wrong(found):
        said.append(f"**FAILED: COUNTS DIFFER on {', '.join(differ)}.**")
    else:
        together = [" = ".join(names) for names in counted_alike(found).values() if len(names) > 1]
        said.append(f"Counts equal id by id among: {'; '.join(together)}.")
    left = sizes["markup"][1]
    said.append(f"{left:,} answers with literal special tokens are kept apart (`counting_texts`).")
    for one, both, goal in (("ours, 1 thread", "ours", " (goal 1.6x)"), (GIGA_1, ALONE, "")):
        if one in found and both in found:
            gain = ratio(found, sizes, one, both, "seconds")
            said.append(f"From one to two threads, {both}: {gain:.2f}x{goal}.")
    for name in (KEPT, "ours"):
        if name in found and ALONE in found:
            times = ratio(found, sizes, name, ALONE, "cpu")
            goal = " (goal 1.7x)" if name == KEPT else ""
            said.append(f"CPU time of {name}, to that of the engine alone: {times:.2f}x{goal}.")
    for name, goal in ((TOOLS, "3x"), (REASONING, "1.5x")):
        if name in found and PLAIN in found:
            times = ratio(found, sizes, name, PLAIN, "cpu")
            said.append(f"CPU time per byte of file, {name} to plain: {times:.2f}x (goal {goal}).")
    if SMALL in found:
        size, conversations = sizes["small"]
        wall, cpu = (median(found[SMALL], what) for what in ("seconds", "cpu"))
        said.append(
            f"{conversations:,} conversations, {size / 1e6:.1f} MB, by the command: {wall:.2f} s "
            f"from start to end, {cpu:.2f} s of CPU time (goal 1.5 s on an idle machine)."
        )
    if "ours" in found:
        large = 3e9 / sizes["text"][0] * median(found["ours"], "seconds")
        said.append(f"3 GB of assistant text at this rate: {large:.1f} s (goal 30 s).")
        said.append(f"Proof: {found['ours'][0]['proof']}.")
    for name, limit, base in (("ours", ALONE, HF), ("ours, hard text", GIGA_HARD, HARD)):
        if limit in found and base in found:
            most = ratio(found, sizes, base, limit, "seconds")
            said.append(
                f"The limit here ({limit}: text in memory, nothing read, checked or counted) is "
                f"{most:.1f} times as fast as {base}."
            )
        if name in found and base in found:
            asked = found[name][0]["asked"]
            check = asked / sizes[RUNS[base].corpus][0] * median(found[base], "cpu")
            said.append(
                f"Of the CPU time of {name}, the {asked / 1e6:.1f} MB that HF reads again for the "
                f"proof take about {check:.2f} of {median(found[name], 'cpu'):.2f} s."
            )
    return said


def wrong(found: Found) -> list[str]:
    """Corpora of which not all who counted them found the same."""
    return [
        corpus
        for corpus, names in counted_alike(found).items()
        if len({r["sha"] for name in names for r in found[name]}) > 1
    ]


def counted_alike(found: Found) -> dict[str, list[str]]:
    """Corpus -> runs that counted it."""
    names = [name for name in found if RUNS[name].how != "alone"]
    return {
        corpus: [name for name in names if RUNS[name].corpus == corpus]
        for corpus in dict.fromkeys(RUNS[name].corpus for name in names)
    }


def median(results: list[dict], what: str) -> float:
    """Over the rounds."""
    return statistics.median(r[what] for r in results)


def ratio(found: Found, sizes: Sizes, theirs: str, ours: str, what: str, per: int = 0) -> float:
    """Median over the rounds of theirs / ours, for a byte or (per=1) an answer."""
    share = sizes[RUNS[ours].corpus][per] / sizes[RUNS[theirs].corpus][per]
    pairs = zip(found[theirs], found[ours], strict=True)
    return share * statistics.median(a[what] / b[what] for a, b in pairs)


if __name__ == "__main__":
    main()
