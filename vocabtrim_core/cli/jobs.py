"""The command about background work: jobs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vocabtrim_core.cli.command import Command, Result, attributes, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.jobs.control import Job
    from vocabtrim_core.jobs.progress import Progress

ACTIONS = ("list", "show", "logs", "cancel", "resume", "remove")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=ACTIONS, default="list", help="(default %(default)s)"
    )
    parser.add_argument("job", nargs="?", metavar="JOB", help="id of a job, for all but list")


def _jobs(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.jobs import control as jobs

    action, job_id = arguments.action, arguments.job
    if action == "list":
        return {"jobs": [_shown(job) for job in jobs.list_jobs()]}
    if job_id is None:
        raise InputError(f"`jobs {action}` needs the id of a job; `jobs` lists them.")
    if action == "logs":
        return {"id": job_id, "log": jobs.get(job_id).log(lines=1000)}
    if action == "cancel":
        pressing = jobs.cancel(job_id)
        if pressing:
            pressing.join()
    elif action == "resume":
        jobs.resume(job_id)
    elif action == "remove":
        jobs.remove(job_id)
        return {"id": job_id, "removed": True}
    job = jobs.get(job_id)
    return {**_shown(job), "result": job.result()}


def _shown(job: Job) -> Result:
    names = (
        "id",
        "title",
        "done",
        "total",
        "message",
        "rates",
        "elapsed",
        "eta",
        "command",
        "folder",
    )
    state = "stopping" if job.stopping else job.state
    return {**attributes(job, *names), "state": state}


def _text(result: Result) -> str:
    if "jobs" in result:
        rows = [
            (job["id"], job["state"], f"{job['elapsed']:.0f} s", job["title"])
            for job in result["jobs"]
        ]
        return table([("job", "state", "time", "title"), *rows]) if rows else "There are no jobs."
    if "log" in result:
        return result["log"]
    return table([(f"{key}:", value) for key, value in result.items() if value is not None])


COMMANDS = (
    Command(
        "jobs",
        "list the background jobs of the workspace; show, cancel or resume one",
        _jobs,
        _arguments,
        _text,
        "jobs resume 20260102-030405-count-1a2b",
    ),
)
