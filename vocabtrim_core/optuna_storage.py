"""Optuna studies in a database that other programs can open too."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import optuna

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.locks import named_lock
from vocabtrim_core.workspace.records import DamagedError

FILE = "studies.db"
# What SQLite and SQLAlchemy say of a file that is no sound database.
DAMAGED = ("not a database", "malformed", "no such table", "no such column", "unable to open")


def studies_url() -> str:
    """The URL of this workspace's Optuna storage, which `optuna-dashboard` opens too."""
    return f"sqlite:///{workspace.folder('studies') / FILE}"


@contextmanager
def study_lock(storage: str, name: str) -> Generator[None]:
    """Hold the lock of a study for the time of the block, so that it has one writer at a time.

    Args:
        storage: URL of the storage.
        name: Name of the study.

    Raises:
        InputError: The storage failed within the block.
    """
    key = hashlib.sha256(f"{storage} {name}".encode()).hexdigest()[:16]
    with named_lock(f"study-{key}"):
        try:
            yield
        except optuna.exceptions.StorageInternalError as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise InputError(
                f"The Optuna storage {storage} fails ({reason}); finished trials are kept, so the "
                "search continues once there is space and access."
            ) from error


def open_study(storage: str, name: str, question: Mapping[str, Any]) -> optuna.Study:
    """Create a study, or open it to continue it.

    Args:
        storage: URL of the storage.
        name: Name of the study.
        question: The settings of the search, JSON values by name. They are stored with a new study.

    Returns:
        The study, whose objective is maximized.

    Raises:
        InputError: The stored study has other settings, or the storage cannot be opened.
    """
    _quiet()
    study = optuna.create_study(
        study_name=name, storage=open_storage(storage), direction="maximize", load_if_exists=True
    )
    stored = study.user_attrs.get("question")
    if stored is None and not study.trials:
        study.set_user_attr("question", dict(question))
        versions = {name: version(name) for name in ("optuna", "numpy")}
        study.set_user_attr("versions", versions)
        stored = question
    for field, value in question.items():
        if stored is None or stored.get(field) != value:
            before = (
                "another kind of search" if stored is None else f"{field} = {stored.get(field)}"
            )
            raise InputError(
                f"The study {name} was made for {before}, this search has {field} = {value}; "
                "give the study another name."
            )
    return study


def load_study(storage: str, name: str) -> optuna.Study | None:
    """Open a stored study.

    Args:
        storage: URL of the storage.
        name: Name of the study.

    Returns:
        The study, None where there is none of this name.

    Raises:
        InputError: The storage cannot be opened.
    """
    _quiet()
    try:
        return optuna.load_study(study_name=name, storage=open_storage(storage))
    except KeyError:
        return None
    except optuna.exceptions.StorageInternalError as error:
        raise _unreadable(storage, error.__cause__ or error) from error


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """Open an Optuna storage. SQLite waits up to 60 s for other writers.

    Args:
        url: URL of the database, as SQLAlchemy reads it.

    Returns:
        The storage.

    Raises:
        InputError: It cannot be opened.
    """
    wait = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None
    try:
        # Two processes must not create the tables of a new database at the same time.
        with named_lock("studies"):
            return optuna.storages.RDBStorage(url, engine_kwargs=wait)
    except Exception as error:  # SQLAlchemy and database drivers have no common ancestor
        raise _unreadable(url, error) from error


def _unreadable(url: str, error: BaseException) -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if url == studies_url() and any(words in reason for words in DAMAGED):
        return DamagedError(workspace.folder("studies") / FILE, reason)
    return InputError(
        f"The Optuna storage {url} cannot be opened ({reason}); "
        "give a URL such as sqlite:////folder/studies.db."
    )


def _quiet() -> None:
    """Turn off Optuna's log messages below warnings."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
