"""Downloads that are made when they are asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from vocabtrim_core.exports import zip_bytes


def packed(texts: dict[str, str], suffix: str, name: str) -> bytes:
    """Texts as one zip, each a file in the folder `name`.

    Args:
        texts: file stem to text.
        suffix: suffix of each file.
        name: name of the folder.
    """
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / name
        folder.mkdir()
        for stem, text in texts.items():
            (folder / f"{stem}.{suffix}").write_text(text, "utf-8", newline="\n")
        return zip_bytes(folder)


def get(label: str, make, file: str, kind: str, icon: str, key: str, **options) -> None:
    """A download that is made when it is asked for.

    Args:
        label: text of the button.
        make: the content, or a function that makes it.
        file: name of the file.
        kind: media type.
        icon: its icon.
        key: key of the button.
        options: further arguments of the button.
    """
    st.download_button(
        label, make, file, kind, key=key, icon=f":material/{icon}:", on_click="ignore", **options
    )
