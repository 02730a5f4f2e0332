"""Counting on a Dask cluster: each shard is a task, and their totals are added up in a tree.

The workers read the corpus themselves, so its files must have the same paths there. Finished parts
come back one by one, so an interrupted count can be continued, here or on any cluster.
"""

from __future__ import annotations

import importlib.util
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabtrim_core.corpora import Corpus, Shard
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.parts import Part, PartFolder, PartInfo
from vocabtrim_core.counting.proof import ExactEngine, ProofSample
from vocabtrim_core.counting.work_queue import WorkQueue
from vocabtrim_core.counting.worker import pieces_per_block, work
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Future

POLL = 0.5  # seconds between progress reports
CONNECT = 20  # seconds to find the scheduler and a worker
ADDRESS = re.compile(r"[a-z]+://\S+:\d+")

# (corpus, recipe, kind of engine, its `first` and `sample`, finished parts), sent to each worker
# once
Job = tuple[Corpus, CountConfig, type, Mapping[str, int], ProofSample, dict[str, PartInfo]]
_own = threading.local()  # the engine of the last recipe, one per thread of the worker


def count_parts(
    address: str,
    corpus: Corpus,
    recipe: CountConfig,
    exact: ExactEngine,
    folder: PartFolder,
    progress: Callable[..., None],
) -> None:
    """Count the parts that are not in the folder yet on the workers of a Dask scheduler.

    Args:
        address: Of the scheduler, such as tcp://HOST:PORT.
        corpus: The corpus, whose files the workers can read.
        recipe: Tokenizer, template and rule.
        exact: The engine; each worker makes one of the same kind.
        folder: Gets the finished parts.
        progress: Called as `count.Progress`.

    Raises:
        InputError: There is no scheduler or worker there, or the workers lack the files or this
            package.
        MismatchError: The engine gives other ids than HF tokenizers.
        AssertionError: The parts that arrived do not add up to the total of the workers.
    """
    with _client(address) as client:
        shards = [shard for shard in corpus.shards() if shard.key not in folder.finished]
        before = list(folder.finished)
        kind, parts = type(exact.engine), dict(folder.finished)
        job: Job = (corpus, recipe, kind, exact.first, exact.sample, parts)
        shared = client.scatter(job, broadcast=True, hash=False)
        counted = client.map(count_shard, shards, job=shared, pure=False)
        vocab_size = recipe.tokenizer.vocab_size
        totals = client.map(add_parts, counted, vocab_size=vocab_size, pure=False)
        total = _tree_sum(client, totals)
        _collect(corpus, counted, folder, progress)
        arrived = add_parts((p for p in folder.parts() if p.info.key not in before), vocab_size)
        if total is not None and not np.array_equal(total.result(), arrived):
            raise AssertionError("the parts that arrived are not those the workers added up")


def count_shard(shard: Shard, job: Job) -> list[Part]:
    """Count the parts of a shard that are not finished; runs on a worker.

    Args:
        shard: The shard to read.
        job: What every task of the count needs (`Job`).

    Returns:
        The new parts.

    Raises:
        InputError: The worker cannot read the file.
        MismatchError: The engine gives other ids than HF tokenizers.
    """
    corpus, recipe, kind, first, sample, finished = job
    key = (recipe.tokenizer.fingerprint, kind.__name__)
    if getattr(_own, "key", None) != key:
        _own.key, _own.exact = key, ExactEngine(kind(recipe.tokenizer), recipe.tokenizer)
    _own.exact.first, _own.exact.sample = first, sample  # of this corpus
    parts: list[Part] = []
    try:
        queue = WorkQueue(corpus, [shard], finished, recipe.tokenizer.vocab_size, parts.append)
        work(queue, recipe, _own.exact, pieces_per_block(corpus))
    except OSError as error:
        raise InputError(
            f"A worker of the cluster cannot read {corpus.files[shard.file]} ({error.strerror}); "
            "the corpus must lie on a disk that all of them share."
        ) from None
    return parts


def add_parts(parts: Iterator[Part] | list[Part], vocab_size: int) -> np.ndarray:
    """Add up the counts of parts.

    Args:
        parts: Finished parts.
        vocab_size: V.

    Returns:
        int64[V].
    """
    total = np.zeros(vocab_size, np.int64)
    for part in parts:
        total += part.pieces.total(vocab_size)
    return total


def _tree_sum(client: Client, values: list[Future[Any]]) -> Future[Any] | None:
    """The sum of arrays that live on the workers, two at a time."""
    while len(values) > 1:
        pairs = list(zip(values[::2], values[1::2], strict=False))
        values = [client.submit(np.add, a, b, pure=False) for a, b in pairs] + values[
            len(pairs) * 2 :
        ]
    return values[0] if values else None


def _collect(
    corpus: Corpus, waiting: list[Future[Any]], folder: PartFolder, progress: Callable[..., None]
) -> None:
    """Save parts as tasks finish, and report progress."""
    from distributed import wait

    infos = folder.finished.values
    rows, text = sum(i.rows for i in infos()), sum(i.text_bytes for i in infos())
    total, started = corpus.size_bytes, time.perf_counter()
    while waiting:
        try:
            tasks: Any = wait(waiting, timeout=POLL, return_when="FIRST_COMPLETED")
            done, waiting = tasks.done, list(tasks.not_done)
        except TimeoutError:
            done = ()
        for future in done:
            for part in future.result():
                folder.save(part)
        seconds = time.perf_counter() - started
        progress(
            min(sum(i.file_bytes for i in infos()), total),
            total,
            "Counting on the cluster",
            rows_per_s=(sum(i.rows for i in infos()) - rows) / seconds,
            MB_per_s=(sum(i.text_bytes for i in infos()) - text) / 1e6 / seconds,
        )


@contextmanager
def _client(address: str) -> Generator[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "Counting on a cluster needs Dask: run `pip install 'vocabtrim-explorer[cluster]'`, or "
            "leave --cluster out."
        ) from None
    if not ADDRESS.fullmatch(address):
        raise InputError(
            f"{address} is no address of a Dask scheduler; it looks like tcp://HOST:PORT, as "
            "`dask scheduler` prints it."
        )
    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"There is no Dask scheduler at {address} ({error or 'no answer'}); start one with "
            "`dask scheduler` and workers with `dask worker`."
        ) from None
    with client, client.as_current():  # its exit cancels unfinished tasks
        try:
            client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError:
            raise InputError(
                f"The Dask scheduler at {address} has no worker; start some with `dask worker`."
            ) from None
        _check_package(client)
        yield client


def _check_package(client: Client) -> None:
    """InputError unless the scheduler and all workers can import this library."""

    # A local function is sent by value; a global one would be imported from this package.
    def has_it() -> bool:
        return importlib.util.find_spec("vocabtrim_core") is not None

    answers: Any = client.run(has_it)
    answers["the scheduler"] = client.run_on_scheduler(has_it)
    if lacking := [who for who, has in answers.items() if not has]:
        raise InputError(
            f"vocabtrim-explorer is not installed on {', '.join(lacking)}; install it in the "
            "environments of `dask scheduler` and `dask worker`, with `pip install` and this "
            "version's wheel or checkout."
        )
