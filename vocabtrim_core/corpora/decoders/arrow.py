"""Arrow tables as message batches, without a Python object per message.

The meaning is that of `batch_from_rows`, which decodes the rows that need it: those with tool
calls, tools, reasoning or untrained turns, and complete tables whose columns are not plain strings
(parts, lists).
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vocabtrim_core.corpora.batches import (
    ASSISTANT,
    PREFORMATTED,
    ROLE_CODES,
    MessageBatch,
    Skip,
    canonical_role,
    role_array,
)
from vocabtrim_core.corpora.decoders.rows import batch_from_rows
from vocabtrim_core.corpora.loss_flags import DETAILS, TRAINED
from vocabtrim_core.corpora.schema import ColumnMapping, as_list
from vocabtrim_core.corpora.skips import NO_ASSISTANT
from vocabtrim_core.corpora.tool_calls import CALL_ROLES
from vocabtrim_core.corpora.unread_keys import RICH, remark_on, unread_keys

Rows = Sequence[tuple[int, Any]]


def batch_from_arrow(
    table: pa.Table | pa.RecordBatch,
    mapping: ColumnMapping,
    file: str,
    first_row: int,
    whole_rows: Callable[[list[int]], Rows] | None = None,
) -> MessageBatch:
    """Decode a table into a batch.

    Args:
        table: Table with the columns of the mapping.
        mapping: Columns to read.
        file: Name of the file.
        first_row: Number of the table's first row; the others follow.
        whole_rows: Positions in the table -> (number, row) of these rows, where the table lacks
            some of their fields; None where it has all.

    Returns:
        The batch.
    """
    if not _is_plain(table.schema, mapping):
        rows = enumerate(table.to_pylist(), first_row)
        return batch_from_rows(list(rows), mapping, file, padded=True)
    build = {"conversation": _conversations, "prompt_response": _pairs, "text": _texts}
    numbers = np.arange(len(table)) + first_row
    plain, rich = build[mapping.shape](table, mapping, file, numbers)
    if not rich.any():
        return plain
    picked = np.flatnonzero(rich)
    if whole_rows:
        others = batch_from_rows(whole_rows(picked.tolist()), mapping, file)
    else:
        picked_rows = table.take(pa.array(picked)).to_pylist()
        pairs = list(zip(numbers[picked].tolist(), picked_rows, strict=True))
        others = batch_from_rows(pairs, mapping, file, padded=True)
    return _interleave(plain, others)


def _is_plain(schema: pa.Schema, mapping: ColumnMapping) -> bool:
    """Whether every needed column is there with a type that the vectorised path reads."""
    if mapping.nested or any(name not in schema.names for name in mapping.columns):
        return False
    if mapping.shape == "conversation":
        kind = schema.field(mapping.conversation).type
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if mapping.system or not listed or not pa.types.is_struct(kind.value_type):
            return False
        keys = {field.name: field.type for field in kind.value_type}
        return all(key in keys and _is_text(keys[key]) for key in (mapping.role, mapping.content))
    names = (*mapping.prompts, mapping.response, mapping.text, mapping.system)
    return not mapping.tools and all(_is_text(schema.field(name).type) for name in names if name)


Built = tuple[MessageBatch, np.ndarray]  # the plain rows; bool[n]: rows that are not


def _conversations(table: Any, mapping: ColumnMapping, file: str, rows: np.ndarray) -> Built:
    column = _column(table, mapping.conversation)
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    messages = pc.list_flatten(column)
    keys = {field.name for field in messages.type if not pa.types.is_null(field.type)}
    contents = pc.struct_field(messages, mapping.content).cast(pa.large_string())
    codes, odd = _codes(pc.struct_field(messages, mapping.role), mapping)
    rich = _any_by_row(odd | ((codes < 0) & ~_nulls(messages)), offsets)  # an item, or a pair
    for key in RICH:
        if key in keys:
            rich |= _any_by_row(_telling(pc.struct_field(messages, key), key), offsets)
    unread: dict[str, np.ndarray] = {}
    for key in unread_keys(sorted(keys), (mapping.role, mapping.content)):
        values = pc.struct_field(messages, key)
        if _is_text(values.type):
            unread[key] = _any_by_row((codes == ASSISTANT) & ~blank(values), offsets)
        elif pa.types.is_nested(values.type):
            rich |= _any_by_row((codes == ASSISTANT) & _filled(values), offsets)
    if mapping.tools:
        rich |= _filled(_column(table, mapping.tools))
    unwritten = _nulls(contents) & (codes != ROLE_CODES["tool"])  # a tool's result may be empty
    rich |= _any_by_row(unwritten, offsets)  # there may be a refusal
    contents = pc.fill_null(contents, "") if contents.null_count else contents
    assistant = (codes == ASSISTANT) & ~blank(contents)
    reasons = [
        (_nulls(column), f"`{mapping.conversation}` is null or missing"),
        (lengths == 0, f"`{mapping.conversation}` is empty"),
        (
            _any_by_row(_nulls(messages), offsets),
            f"`{mapping.conversation}` holds something that is not a message",
        ),
        (_any_by_row(codes < 0, offsets), f"a message has no `{mapping.role}`"),
        (~_any_by_row(assistant, offsets), NO_ASSISTANT),
    ]
    plain = _finish(table, mapping, file, rows, codes, contents, offsets, reasons, ~rich)
    notes = [
        Skip(int(row), remark_on(key))
        for key, has_text in unread.items()
        for row in np.intersect1d(rows[has_text], plain.rows)
    ]
    return replace(plain, notes=tuple(sorted(notes, key=lambda note: note.row))), rich


def _pairs(table: Any, mapping: ColumnMapping, file: str, rows: np.ndarray) -> Built:
    n = len(rows)
    prompts = [_column(table, name).cast(pa.large_string()) for name in mapping.prompts]
    response = _column(table, mapping.response).cast(pa.large_string())
    rich = _is_a_list(response) | _is_a_list(prompts[0])
    user = prompts[0]
    for further in prompts[1:]:
        further = pc.fill_null(further, "")
        joined = pc.binary_join_element_wise(user, further, pa.scalar("\n\n", pa.large_string()))
        user = pc.if_else(
            pc.equal(further, ""), user, pc.if_else(pc.equal(user, ""), further, joined)
        )
    columns, codes = [user, response], ["user", "assistant"]
    present = np.ones((n, 2), bool)
    if mapping.system:
        system = pc.fill_null(_column(table, mapping.system).cast(pa.large_string()), "")
        columns, codes = [system, *columns], ["system", *codes]
        present = np.column_stack([np.asarray(pc.not_equal(system, "")), present])
    order = np.arange(len(columns) * n).reshape(len(columns), n).T[present]
    contents = pa.concat_arrays(columns).take(pa.array(order))
    codes = np.tile([ROLE_CODES[c] for c in codes], (n, 1))[present].astype(np.int8)
    offsets = np.concatenate([[0], np.cumsum(present.sum(1))])
    reasons = [
        (_nulls(response), f"`{mapping.response}` is null or missing"),
        (_nulls(prompts[0]), f"`{mapping.prompts[0]}` is null or missing"),
        (blank(response), NO_ASSISTANT),
    ]
    return _finish(table, mapping, file, rows, codes, contents, offsets, reasons, ~rich), rich


def _texts(table: Any, mapping: ColumnMapping, file: str, rows: np.ndarray) -> Built:
    contents = _column(table, mapping.text).cast(pa.large_string())
    codes = np.full(len(rows), ROLE_CODES[PREFORMATTED], np.int8)
    reasons = [
        (_nulls(contents), f"`{mapping.text}` is null"),
        (blank(contents), f"`{mapping.text}` is empty"),
    ]
    offsets, every = np.arange(len(rows) + 1), np.ones(len(rows), bool)
    return _finish(table, mapping, file, rows, codes, contents, offsets, reasons, every), ~every


def _finish(
    table: Any,
    mapping: ColumnMapping,
    file: str,
    rows: np.ndarray,
    codes: np.ndarray,
    contents: pa.LargeStringArray,
    offsets: np.ndarray,
    reasons: list[tuple[np.ndarray, str]],
    keep: np.ndarray,
) -> MessageBatch:
    """The batch without the rows that have a reason (the first one counts) or are not to keep."""
    good = keep.copy()
    skipped = []
    for bad, reason in reasons:
        skipped += [Skip(int(row), reason) for row in rows[bad & good]]
        good &= ~bad
    domains = None
    if mapping.domain:
        domains = _column(table, mapping.domain).cast(pa.string())
    if not good.all():
        lengths = np.diff(offsets)
        by_message = np.repeat(good, lengths)
        codes, contents = codes[by_message], contents.filter(pa.array(by_message))
        offsets = np.concatenate([[0], np.cumsum(lengths[good])])
        rows = rows[good]
        domains = None if domains is None else domains.filter(pa.array(good))
    return MessageBatch(
        roles=role_array(codes),
        contents=contents,
        offsets=offsets.astype(np.int64),
        rows=rows.astype(np.int64),
        file=file,
        domains=domains,
        preformatted=mapping.shape == "text",
        skipped=tuple(sorted(skipped, key=lambda skip: skip.row)),
    )


def _interleave(a: MessageBatch, b: MessageBatch) -> MessageBatch:
    """Two batches over rows of one file as one, in the order of the rows."""
    rows = np.concatenate([a.rows, b.rows])
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([a.offsets[:-1], b.offsets[:-1] + a.offsets[-1]])[order]
    lengths = np.concatenate([np.diff(a.offsets), np.diff(b.offsets)])[order]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    take = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    place = np.argsort(order, kind="stable")
    domains = None
    if a.domains is not None and b.domains is not None:
        domains = pa.concat_arrays([a.domains, b.domains]).take(pa.array(order))
    return MessageBatch(
        roles=role_array(np.concatenate([a.codes, b.codes])[take]),
        contents=pa.concat_arrays([a.contents, b.contents]).take(pa.array(take)),
        offsets=offsets,
        rows=rows[order],
        file=a.file,
        structured={int(place[len(a) + i]): full for i, full in b.structured.items()},
        domains=domains,
        skipped=tuple(sorted((*a.skipped, *b.skipped), key=lambda skip: skip.row)),
        notes=tuple(sorted((*a.notes, *b.notes), key=lambda note: note.row)),
    )


def _codes(roles: pa.Array, mapping: ColumnMapping) -> tuple[np.ndarray, np.ndarray]:
    """(int8 role codes, -1 where null; where a role is unknown or says "call")."""
    encoded = roles.dictionary_encode()
    written = encoded.dictionary.to_pylist()
    names = [canonical_role(name, mapping.roles) for name in written]
    table = np.array([-2 if name is None else ROLE_CODES[name] for name in names] + [-1], np.int8)
    indices = np.asarray(pc.fill_null(encoded.indices, len(names)))
    codes = table[indices]
    odd = [
        i
        for i, name in enumerate(written)
        if names[i] is None or name.strip().lower() in CALL_ROLES
    ]
    return codes, np.isin(indices, odd) if odd else np.zeros(len(codes), bool)


def _column(table: Any, name: str) -> pa.Array:
    column = table.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _nulls(array: pa.Array) -> np.ndarray:
    return np.asarray(array.is_null()) if array.null_count else np.zeros(len(array), bool)


def blank(texts: pa.LargeStringArray) -> np.ndarray:
    """Which texts are null, empty or white space only.

    Args:
        texts: large_string[M].

    Returns:
        bool[M].
    """
    space = pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts))
    return np.asarray(pc.fill_null(space, True))


def _telling(values: pa.Array, key: str) -> np.ndarray:
    """Where a key needs the decoder of Python rows; a flag does only when it is set."""
    if key in TRAINED and (pa.types.is_boolean(values.type) or _is_number(values.type)):
        is_other = pc.not_equal(values.cast(pa.float64()), float(TRAINED[key]))
        return np.asarray(pc.fill_null(is_other, False))
    return np.asarray(values.is_valid()) if key in DETAILS else _filled(values)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_a_list(texts: pa.LargeStringArray) -> np.ndarray:
    """Where a text is a JSON list, which may hold messages or several texts."""
    starts_list = np.array(pc.fill_null(pc.starts_with(texts, "["), False))
    for i in np.flatnonzero(starts_list).tolist():
        starts_list[i] = as_list(texts[i].as_py()) is not None
    return starts_list


def _filled(values: pa.Array) -> np.ndarray:
    """Where a value is neither null nor an empty list or text."""
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return np.asarray(pc.fill_null(pc.greater(pc.list_value_length(values), 0), False))
    if _is_text(kind):
        return np.asarray(pc.fill_null(pc.greater(pc.binary_length(values), 0), False))
    return np.asarray(values.is_valid())


def _any_by_row(flags: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """bool[n]: whether any message of the row is flagged."""
    if not flags.any():
        return np.zeros(len(offsets) - 1, bool)
    sums = np.concatenate([[0], np.cumsum(flags)])
    return sums[offsets[1:]] > sums[offsets[:-1]]
