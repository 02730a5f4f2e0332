"""What a job returned, drawn; where its file lacks what is read of it, that is noted as damage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs.job import RESULT, Job
from vocabtrim_core.workspace import records


def result_of(job: Job | None) -> dict[str, Any]:
    """What a job returned; {} without a job, and while it has no result.

    Args:
        job: the job, None for none.
    """
    return (job.result() or {}) if job else {}


@contextmanager
def drawn_from(job: Job | None) -> Iterator[None]:
    """Draw the result of a job in the block; the rest of the page goes on where it is damaged.

    Args:
        job: the job; None where none is done.
    """
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if job is None:
            raise
        what = str(error) or type(error).__name__
        records.note(job.folder / RESULT, f"it lacks what this version reads of it: {what}")
