"""The command about the workspace: what it holds, what is damaged, and how that is put right."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vocabtrim_core.cli.command import Command, Result, table

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.workspace_check import DamagedFile

HELP = {
    "mend": "--repair writes it anew",
    "move": "--quarantine moves it aside",
    "update": "update the program to read it",
    "cache": "--repair moves it aside; it is made again",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--repair",
        action="store_true",
        help="write anew what can be told from the rest, and move damaged caches aside",
    )
    ways.add_argument(
        "--quarantine",
        action="store_true",
        help="move every damaged file to the folder `quarantine` of the workspace; nothing is "
        "deleted",
    )


def _workspace(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core import workspace, workspace_check

    swept, actions = workspace_check.sweep(), list[str]()
    checked = workspace_check.check(progress)
    if arguments.repair or arguments.quarantine:
        act = workspace_check.repair if arguments.repair else workspace_check.quarantine
        actions = act(checked)
        checked = workspace_check.check(progress)
    return {
        "workspace": str(workspace.home()),
        "files": checked.counts,
        "damaged": [_shown(finding) for finding in checked.damaged],
        "actions": actions,
        "scratch_removed": swept,
    }


def _shown(finding: DamagedFile) -> Result:
    remedy = "cache" if finding.remedy == "move" and finding.kind.cache else finding.remedy
    return {
        "path": str(finding.path),
        "kind": finding.kind.name,
        "reason": finding.reason,
        "remedy": HELP[remedy],
    }


def _text(result: Result) -> str:
    lines = [f"Workspace {result['workspace']}"]
    lines.append(table([("files", ""), *((name, n) for name, n in result["files"].items())]))
    lines += result["actions"]
    if result["scratch_removed"]:
        lines.append(f"Removed scratch of processes that are gone: {result['scratch_removed']:,}")
    damaged = result["damaged"]
    lines.append(f"Damaged: {len(damaged):,}" if damaged else "Nothing is damaged.")
    for item in damaged:
        lines.append(f"{item['path']}: {item['reason']}; {item['remedy']}.")
    return "\n".join(lines)


def _exit_code(result: Result) -> int:
    return 1 if result["damaged"] else 0


COMMANDS = (
    Command(
        "workspace",
        "check every file of the workspace; mend what is damaged, or move it aside (exit code 1: "
        "something is damaged)",
        _workspace,
        _arguments,
        _text,
        "workspace --quarantine",
        exit_code=_exit_code,
    ),
)
