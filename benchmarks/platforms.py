"""Resolve what is installed for every platform and Python that is supported, without installing.

    python benchmarks/platforms.py [--check]

Wheels only, by `uv pip compile`, which reads the index as that platform's pip would: the pins of
requirements.txt, and the ranges of pyproject.toml with the extras app and cluster. Exit code 1
when one does not resolve; the report is written unless --check is given.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "platforms.md"
PLATFORMS = {
    "Linux, x86-64": "x86_64-unknown-linux-gnu",
    "Linux, arm64": "aarch64-unknown-linux-gnu",
    "macOS, x86-64": "x86_64-apple-darwin",
    "macOS, arm64": "aarch64-apple-darwin",
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SETS = {
    "requirements.txt": ["requirements.txt"],
    "pip install .[app,cluster]": ["pyproject.toml", "--extra", "app", "--extra", "cluster"],
}
MACOS = "14.0"  # the oldest that torch has wheels for


def resolve(platform: str, python: str, what: list[str]) -> str:
    """How many packages it comes to, or the resolver's complaint."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            *what,
            "--python-platform",
            platform,
            "--python-version",
            python,
            "--only-binary",
            ":all:",
            "--no-header",
            "--no-annotate",
            "--quiet",
        ],
        cwd=ROOT,
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return " ".join(done.stderr.split())
    return f"{sum('==' in line for line in done.stdout.splitlines())} packages"


def main() -> int:
    """Every pair, a line each as it is known; the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write no report")
    check = parser.parse_args().check
    rows, failed = [], False
    for name, platform in PLATFORMS.items():
        for python in PYTHONS:
            said = [resolve(platform, python, what) for what in SETS.values()]
            failed |= not all(each.endswith(" packages") for each in said)
            rows.append(f"| {name} | {python} | {' | '.join(said)} |")
            print(rows[-1], flush=True)
    if not check:
        head = ["platform", "Python", *(f"`{name}`" for name in SETS)]
        RESULTS.write_text(
            "# What resolves where\n\n"
            "`python benchmarks/platforms.py`: wheels that `uv pip compile` finds, nothing "
            f"installed. macOS means {MACOS} or newer.\n\n"
            f"| {' | '.join(head)} |\n|{' --- |' * len(head)}\n" + "\n".join(rows) + "\n",
            "utf-8",
        )
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
