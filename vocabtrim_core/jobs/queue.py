"""Queueing: jobs that need the same resource ("gpu", "train") run one after the other.

Each job's own process waits, so the queue needs no server.
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
def hold_job_resources(progress: Progress) -> Generator[None]:
    """Hold the resources of this process's job for the time of the block.

    Until all of them are free the job is `queued`; older jobs go first.

    Args:
        progress: The progress of a job (its `folder` is set).

    Raises:
        Cancelled: The user asked to stop while the job was queued.
    """
    assert progress.folder, "only jobs are queued"
    job = jobs.get(progress.folder.name)
    with ExitStack() as held:
        for name in job.resources:  # sorted, so that no two jobs wait for each other
            lock = named_lock(name)
            while not _acquire(lock, name, job):
                progress.check()
                progress.enter("queued", f"Waiting until another job releases: {name}.")
                time.sleep(POLL_SECONDS)
            held.callback(lock.release)
        yield


def _acquire(lock: filelock.BaseFileLock, name: str, job: jobs.Job) -> bool:
    # Let older jobs go first, but not while holding a resource that they may wait for.
    if name == job.resources[0] and any(
        older.state == "queued" and name in older.resources and older.created < job.created
        for older in jobs.list_jobs()
    ):
        return False
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    return True


@contextmanager
def hold_resource(name: str, progress: Progress) -> Generator[None]:
    """Hold one resource for the time of the block, waiting until it is free.

    Args:
        name: Name of the resource. Nothing is done where this process is a job that holds it.
        progress: Reports the waiting.

    Raises:
        Cancelled: The user asked to stop while waiting.
    """
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
