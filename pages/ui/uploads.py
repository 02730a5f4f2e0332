"""Uploads are read by another process first."""

from __future__ import annotations

from pathlib import Path

from pages.ui.caching import cached
from vocabtrim_core.errors import InputError
from vocabtrim_core.upload_checks import check_upload


def require_readable(kind: str, path: Path) -> None:
    """Refuse an upload that takes too much to read.

    Args:
        kind: what it is, one of `upload_checks.READERS`.
        path: where it is stored, under the address of its content.

    Raises:
        InputError: it takes too much memory or time, or ends its reader.
    """
    if refusal := _refusal(kind, str(path)):
        raise InputError(refusal)


@cached(256, "Reading the upload")
def _refusal(kind: str, path: str) -> str:
    try:
        check_upload(kind, Path(path))
    except InputError as error:
        return str(error)
    return ""
