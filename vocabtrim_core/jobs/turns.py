"""Turns: jobs that name the same resource ("gpu", "train") run one after the other.

The waiting is done by the job's own process, so the queue needs no server.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import filelock

from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs.progress import Progress
from vocabtrim_core.workspace.locks import named_lock

POLL_SECONDS = 0.5


@contextmanager
def turn(progress: Progress) -> Generator[None]:
    """Hold what the job of this process names; `queued`, oldest job first, until all of it is free.

    The locks belong to the operating system, so they end with the process, however it ends.
    """
    assert progress.folder, "only a job takes turns"
    mine = jobs.get(progress.folder.name)
    with ExitStack() as held:
        for name in mine.resources:  # sorted, so that no two jobs wait for each other
            lock = named_lock(name)
            while not _take(lock, first=name == mine.resources[0], name=name, mine=mine):
                progress.check()
                progress.enter("queued", f"Waiting until another job releases: {name}.")
                time.sleep(POLL_SECONDS)
            held.callback(lock.release)
        yield


def _take(lock: filelock.BaseFileLock, *, first: bool, name: str, mine: jobs.Job) -> bool:
    # Give way to older jobs, but never while holding something they may wait for.
    if first and any(
        job.state == "queued" and name in job.resources and job.created < mine.created
        for job in jobs.list_jobs()
    ):
        return False
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    return True


@contextmanager
def hold(name: str, progress: Progress) -> Generator[None]:
    """Hold one resource where the job of this process, if it is one, does not hold it already."""
    if progress.folder and name in jobs.get(progress.folder.name).resources:
        yield
        return
    lock = named_lock(name, blocking=False)
    while True:
        try:
            lock.acquire()
            break
        except filelock.Timeout:
            progress(0, None, f"Waiting until a job releases: {name}")
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
