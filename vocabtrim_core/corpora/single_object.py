"""The rows in a file that is one JSON object: the object, a list inside it, or its columns."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.corpora.message_paths import chats_among
from vocabtrim_core.corpora.recognise import recognise

DEPTH = 3  # of objects around the rows

Row = dict[str, Any]


def rows_inside(value: Row) -> list[Row]:
    """The rows of a file that is one object.

    The object itself where it holds a conversation; else the lists of objects in it, one after
    another ({"data": [row, …]}, {"train": […], "test": […]}); else its columns as pandas and
    datasets write them ({"prompt": [text, …], …}, {"prompt": {"0": text, …}, …}).

    Args:
        value: The object.

    Returns:
        The rows, at least one.
    """
    columns = _columns(value)
    if columns and not chats_among([*value], [value]) and _is_recognised(columns):
        return columns
    if _is_recognised([value]):
        return [value]
    lists = _lists(value, DEPTH)
    recognised_lists = [rows for rows in lists if _is_recognised(rows)]
    if not recognised_lists and len(lists) == 1:
        return lists[0]
    return [row for rows in recognised_lists for row in rows] or [value]


def _is_recognised(rows: list[Row]) -> bool:
    head = rows[:50]
    columns = tuple(dict.fromkeys(key for row in head for key in row))
    return recognise(columns, head).sure


def _lists(value: Row, depth: int) -> list[list[Row]]:
    """The lists of objects in an object, in order."""
    lists: list[list[Row]] = []
    for inner in value.values():
        if isinstance(inner, list) and inner and all(isinstance(row, dict) for row in inner):
            lists.append(inner)
        elif isinstance(inner, dict) and depth:
            lists += _lists(inner, depth - 1)
    return lists


def _columns(value: Row) -> list[Row]:
    """The rows of columns that are lists, or objects with row numbers as keys, of one length."""
    lists: dict[str, list[Any]] = {}
    for name, column in value.items():
        if isinstance(column, dict) and column and all(key.isdigit() for key in column):
            lists[name] = list(column.values())
        elif isinstance(column, list) and not all(isinstance(item, dict) for item in column):
            lists[name] = column
        else:
            return []
    lengths = {len(column) for column in lists.values()}
    if len(lengths) != 1:
        return []
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
