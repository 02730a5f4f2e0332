"""Datasets of the hub, streamed once through `datasets` into a Parquet file of the workspace."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vocabtrim_core import workspace
from vocabtrim_core.corpora.corpus import Corpus
from vocabtrim_core.corpora.load import open_corpus
from vocabtrim_core.corpora.presets import DATASET_PRESETS
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.workspace.files import atomic

BATCH_ROWS = 2_000
GROUP_BYTES = 32 * 2**20  # size of a row group, so that several threads can read the result
ASK_SECONDS = 10.0  # limit for the hub's answer whether it has the dataset


def fetch_preset(
    name: str, *, limit: int | None = None, progress: Callable[..., None] | None = None
) -> Corpus:
    """Fetch a dataset of `DATASET_PRESETS`.

    Args:
        name: Name of the preset.
        limit: Number of rows; None for all.
        progress: Called with (rows so far, limit, text).

    Returns:
        The rows as a corpus.

    Raises:
        InputError: There is no such preset, it has no responses, or the hub cannot be reached.
    """
    if name not in DATASET_PRESETS:
        raise InputError(f"There is no preset {name!r}; choose {', '.join(DATASET_PRESETS)}.")
    preset = DATASET_PRESETS[name]
    if not preset.responses:
        raise InputError(f"{preset.title} has no assistant text. {preset.note}")
    return fetch_hub(
        preset.dataset,
        config=preset.config,
        split=preset.split,
        limit=limit,
        mapping=preset.mapping,
        progress=progress,
    )


def fetch_hub(
    dataset: str,
    *,
    config: str | None = None,
    split: str = "train",
    revision: str | None = None,
    limit: int | None = None,
    mapping: ColumnMapping | None = None,
    streaming: bool = True,
    refresh: bool = False,
    progress: Callable[..., None] | None = None,
) -> Corpus:
    """The first rows of a dataset as a corpus.

    A dataset that was fetched before is opened again without a request to the hub. Code of a
    dataset is never run.

    Args:
        dataset: Id on the hub, or a local folder.
        config: Configuration of the dataset; None for the default.
        split: Split to read.
        revision: Branch, tag or commit; None for the newest.
        limit: Number of rows; None for all.
        mapping: Columns to read; recognised where it leaves them open.
        streaming: Whether rows are streamed rather than downloaded as files first.
        refresh: Whether to fetch again what was fetched before.
        progress: Called with (rows so far, limit, text).

    Returns:
        The rows as a corpus.

    Raises:
        InputError: No connection, an unknown dataset, config or split, or columns without
            conversations.
    """
    if limit is not None and limit < 1:
        raise InputError(f"The row limit must be at least 1, but is {limit}.")
    request = {"dataset": dataset, "config": config, "split": split, "revision": revision}
    key = hashlib.sha256(json.dumps({**request, "limit": limit}).encode()).hexdigest()[:16]
    path = workspace.folder("datasets") / f"{key}.parquet"
    if refresh or not path.exists():
        with _explained(dataset, split):
            _require_dataset(dataset, revision)
            _store(_tables(request, streaming, limit), path, limit, progress)
    title = "/".join(part for part in (dataset.rstrip("/").rsplit("/")[-1], config, split) if part)
    return open_corpus(path, mapping=mapping, name=title)


def _require_dataset(dataset: str, revision: str | None) -> None:
    """Check that the hub has the dataset, because `datasets` would retry for minutes."""
    if Path(dataset).is_dir():
        return
    from huggingface_hub import HfApi

    HfApi().dataset_info(dataset, revision=revision, timeout=ASK_SECONDS)


def _tables(request: dict[str, Any], streaming: bool, limit: int | None) -> Iterator[pa.Table]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()  # the caller shows the progress
    rows: Any = load_dataset(
        request["dataset"],
        request["config"],
        split=request["split"],
        revision=request["revision"],
        streaming=streaming,
    )
    if limit is not None:
        rows = rows.take(limit)
    yield from rows.with_format("arrow").iter(batch_size=BATCH_ROWS)


def _store(
    tables: Iterator[pa.Table],
    path: Path,
    limit: int | None,
    progress: Callable[..., None] | None,
) -> None:
    """Write the tables to one Parquet file, in one step."""
    first = next(tables, None)
    if first is None or not len(first):
        raise InputError("The dataset has no rows; check its config and split.")
    schema, rows = first.schema.remove_metadata(), 0
    with (
        atomic(path) as scratch,
        pq.ParquetWriter(scratch, schema, compression="zstd") as writer,
    ):
        waiting: list[pa.Table] = []
        for table in itertools.chain([first], tables):
            waiting.append(table.select(schema.names).cast(schema))
            rows += len(table)
            if sum(t.nbytes for t in waiting) >= GROUP_BYTES:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
            if progress:
                progress(rows, limit, "Fetching rows")
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


@contextmanager
def _explained(dataset: str, split: str) -> Generator[None]:
    """Turn every error of the hub's libraries into an InputError of one sentence."""
    try:
        yield
    except (InputError, Cancelled):
        raise
    except Exception as error:
        raise InputError(_sentence(error, dataset, split)) from error


def _sentence(error: Exception, dataset: str, split: str) -> str:
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"RepositoryNotFoundError", "DatasetNotFoundError", "HFValidationError"}:
        return f"The hub has no public dataset {dataset}; check its id."
    if "RevisionNotFoundError" in names:
        return f"The dataset {dataset} has no such revision; check the revision."
    if names & {
        "ConnectionError",
        "ConnectError",
        "TimeoutException",
        "NetworkError",
        "Timeout",
        "OfflineModeIsEnabled",
        "LocalEntryNotFoundError",
    }:
        return (
            f"The dataset {dataset} could not be fetched: no connection to the hub; "
            "connect to the internet, or download it elsewhere and open the files."
        )
    message = " ".join(str(error).split())[:200].rstrip(".")
    return f"The dataset {dataset} (split {split}) could not be read: {message}."
