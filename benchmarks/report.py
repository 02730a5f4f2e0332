"""One report format for every benchmark: JSON for machines, Markdown for people."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path

from vocabtrim_core import workspace

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "pyarrow", "tokenizers", "gigatoken", "fastokens", "streamlit", "torch")


def machine() -> dict[str, object]:
    """Processor, cores and versions; no host names, no paths."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"cpu": cpu, "cores": os.cpu_count(), "versions": versions}


def markdown(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown tables: a new one where the columns change."""
    return "\n\n".join(_table(list(same)) for _, same in groupby(rows, tuple))


def _table(rows: list[dict[str, object]]) -> str:
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def write_report(
    name: str,
    title: str,
    rows: list[dict[str, object]],
    note: str = "",
    home: str | Path = "",
    **more: object,
) -> None:
    """Print the table and write results/<name>.json and .md with command and machine.

    home: the workspace that was used, whose path is written as WORKSPACE (default: the usual one).
    more: goes into the JSON as it is.
    """
    where = machine()
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    data = {
        "title": title,
        "command": command,
        "machine": where,
        "note": note,
        "rows": rows,
        **more,
    }
    RESULTS.mkdir(exist_ok=True)
    used = str(home or workspace.home())
    content = json.dumps(data, indent=1).replace(used, "WORKSPACE")
    (RESULTS / f"{name}.json").write_text(content + "\n")
    versions = ", ".join(f"{p} {v}" for p, v in where["versions"].items())  # type: ignore[union-attr]
    text = (
        f"# {title}\n\n`{command}`\n\n{where['cpu']}, {where['cores']} cores; {versions}.\n"
        f"{note}\n\n{markdown(rows)}\n"
    )
    text = text.replace(used, "WORKSPACE")
    (RESULTS / f"{name}.md").write_text(text)
    print(text)
