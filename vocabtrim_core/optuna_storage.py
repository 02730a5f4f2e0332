"""Optuna studies on a storage that others can open, as every search here keeps its own."""

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


def studies_url() -> str:
    """The Optuna storage of this workspace; `optuna-dashboard` opens this URL as it is."""
    return f"sqlite:///{workspace.folder('studies') / 'studies.db'}"


@contextmanager
def held(storage: str, name: str) -> Generator[None]:
    """One writer per study; a second one waits and then finds the trials done.

    A storage that fails within the block becomes an InputError.
    """
    turn = hashlib.sha256(f"{storage} {name}".encode()).hexdigest()[:16]
    with named_lock(f"study-{turn}"):
        try:
            yield
        except optuna.exceptions.StorageInternalError as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise InputError(
                f"The Optuna storage {storage} fails ({reason}); finished trials are kept, so the "
                "search continues once there is space and access."
            ) from error


def open_study(storage: str, name: str, question: Mapping[str, Any]) -> optuna.Study:
    """The named study, new or continued; InputError when it answers another question."""
    hush()
    study = optuna.create_study(
        study_name=name, storage=open_storage(storage), direction="maximize", load_if_exists=True
    )
    asked = study.user_attrs.get("question")
    if asked is None and not study.trials:
        study.set_user_attr("question", dict(question))
        versions = {name: version(name) for name in ("optuna", "numpy")}
        study.set_user_attr("versions", versions)
        asked = question
    for field, value in question.items():
        if asked is None or asked.get(field) != value:
            before = "another kind of search" if asked is None else f"{field} = {asked.get(field)}"
            raise InputError(
                f"The study {name} was made for {before}, this search has {field} = {value}; "
                "give the study another name."
            )
    return study


def load_study(storage: str, name: str) -> optuna.Study | None:
    """The study as stored now; None when there is none of this name."""
    hush()
    try:
        return optuna.load_study(study_name=name, storage=open_storage(storage))
    except KeyError:
        return None


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """A database URL; SQLite waits for other writers instead of failing at once."""
    wait = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None
    try:
        # Two processes that create the tables of a new database together trip over each other.
        with named_lock("studies"):
            return optuna.storages.RDBStorage(url, engine_kwargs=wait)
    except Exception as error:  # SQLAlchemy and database drivers have no common ancestor
        reason = str(error).splitlines()[0]
        raise InputError(
            f"The Optuna storage {url} cannot be opened ({reason}); "
            "give a URL such as sqlite:////folder/studies.db."
        ) from error


def hush() -> None:
    """No lines of Optuna's own among ours."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
