"""What every test shares: the data beside the checkout, and a workspace of its own."""

from __future__ import annotations

import json
import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from helpers.real_data import new_home, shared_folder
from hypothesis import HealthCheck, settings

from vocabtrim_core.counts import Provenance, TokenCounts

# A busy machine is slow, not broken.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def _is_installed() -> bool:
    """Whether this environment has this very checkout installed, as `make setup` leaves it."""
    try:
        origin = distribution("vocabtrim-explorer").read_text("direct_url.json")
    except PackageNotFoundError:
        return False
    return bool(origin) and json.loads(origin)["url"] == ROOT.as_uri()


def pytest_configure() -> None:
    """A second work tree with a borrowed environment: processes started here import this one."""
    if not _is_installed():
        os.environ["PYTHONPATH"] = str(ROOT)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real tokenizers and corpora beside the checkout; the test skips without it."""
    return shared_folder()


@pytest.fixture(scope="session", autouse=True)
def workspace_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace for this run alone, so that tests neither see nor touch the user's."""
    home = new_home(tmp_path_factory.mktemp("home"))
    os.environ["VOCABTRIM_HOME"] = str(home)
    return home


def counts_of(values, **provenance) -> TokenCounts:
    """TokenCounts over the given numbers with plain provenance."""
    fields = {
        "rule": "assistant",
        "tokenizer": "tiny",
        "tokenizer_sha256": "t",
        "template": "llama3",
        "template_sha256": "m",
        "span_end": "stop",
    }
    corpora = ({"name": "corpus", "sha256": "c", "conversations": 2},)
    meta = Provenance(**{**fields, **provenance}, corpora=corpora)
    return TokenCounts(np.array(values, np.int64), 2, 0, meta)


@pytest.fixture
def make_counts():
    """`make_counts([3, 1], rule="content")` -> TokenCounts."""
    return counts_of


@pytest.fixture(scope="session")
def make_counts_of():
    """The same for hypothesis tests, which need a fixture that outlives one example."""
    return counts_of


LONGEST = ("spans", "browser", "drafts", "counting", "templates")  # rooms, each some 30 s or more


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest rooms first, so that no worker is left with one of them at the end.

    For `--no-loadscope-reorder`: xdist alone takes the files with most tests first.
    """
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)
