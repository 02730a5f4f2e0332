"""Errors on a page: each becomes one sentence, in fragments too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from pages.ui.fields import with_labels
from vocabtrim_core import failures
from vocabtrim_core.errors import InputError, rust_panics
from vocabtrim_core.extras import missing_package


@contextmanager
def plain_errors() -> Iterator[None]:
    """Whatever fails becomes one sentence on the page; a bug is kept for a report."""
    try:
        with rust_panics():
            yield
    except InputError as error:
        st.error(with_labels(str(error)), icon=":material/error:")
    except Exception as error:  # Streamlit's own ways to end a run are none
        sentence = missing_package(error) or failures.record(error, "a page of the app")
        st.error(with_labels(sentence), icon=":material/error:")


def fragment(draw: Callable[..., object], **options: Any) -> Callable[..., None]:
    """A part of a page that reruns alone, as `st.fragment`; what fails in it is a sentence there.

    Args:
        draw: draws the part.
        options: further arguments of `st.fragment`.
    """

    @functools.wraps(draw)
    def guarded(*arguments: Any) -> None:
        with plain_errors():
            draw(*arguments)

    return st.fragment(guarded, **options)
