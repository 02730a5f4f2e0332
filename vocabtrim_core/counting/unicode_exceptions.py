"""Messages that a fast engine may read otherwise than HF tokenizers, found at memory speed.

Every counted message is searched, so the search is over the Arrow buffer and makes no Python
strings.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Code points that gigatoken 0.10 and HF tokenizers 0.23 read differently, as hexadecimal ranges.
# gigatoken follows Unicode 17, HF splits by Unicode 16 and normalizes (NFC) by Unicode 9, so these
# are the letters, digits and marks added since; derived by encoding every code point and every
# canonical pair with both (test_engines.py does it again under `-m slow`), gaps up to 8 closed.
UNICODE_17 = """
7FD 88F-89F 8CA-8D3 9FE C3C C5C CDC D3B-D3C EBA 1715 1ABF-1AEB 1DF6-1DFA A7CE-A7D4 A7F1 A82C
105C0-105FF 10940-10959 10D24-10D27 10D69-10D6D 10EAB-10EAC 10EC5-10EC7 10EFA-10EFF 10F46-10F50
10F82-10F85 11070 1133B 11380-113FF 1145E 11839-1183A 11930-11943 119E0 11A34 11A47 11A99
11B60-11B67 11D42-11D45 11D97 11DB0-11DE9 11F41-11F42 16100-1613F 16D40-16D7F 16EA0-16ED3
16FF0-16FF6 187F8-187FF 18D09-18D1E 18D80-18DF2 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF
1E5EE-1E5EF 1E6C0-1E6F5 1E6FE-1E6FF 2B73A-2B73F 2CEA2-2CEAD 323B0-33479
"""

WINDOW = 1 << 18  # bytes compared at a time, few enough for the CPU cache
CELL = 1 << 10  # bytes whose maximum is compared first, in a tenth of the time
SPARSE = 0.25  # largest share of cells for which that is faster


def unicode_17_ranges() -> list[tuple[int, int]]:
    """First and last code point of each range of the table."""
    pairs = [part.split("-") for part in UNICODE_17.split()]
    return [(int(pair[0], 16), int(pair[-1], 16)) for pair in pairs]


@cache
def _tables() -> tuple[np.ndarray, np.ndarray, str]:
    """(first bytes, table of the first two bytes, regular expression) of UNICODE_17 in UTF-8."""
    heads = {
        chr(code).encode()[:2]
        for first, last in unicode_17_ranges()
        for code in (*range(first, last + 1, 64), last)  # the head changes every 64 at the most
    }
    pairs = np.zeros(1 << 16, bool)
    pairs[[head[0] << 8 | head[1] for head in heads]] = True
    ranges = (rf"\x{{{a:x}}}-\x{{{b:x}}}" for a, b in unicode_17_ranges())
    return np.array(sorted({h[0] for h in heads}), np.uint8), pairs, f"[{''.join(ranges)}]"


def with_unicode_17(texts: pa.LargeStringArray) -> np.ndarray:
    """Find the texts with a code point of UNICODE_17.

    A pass over the bytes finds the few texts with a possible pair of bytes. Only these are searched
    with the regular expression, which takes three times as long on Latin text.

    Args:
        texts: n strings without nulls.

    Returns:
        int64, ascending indices.
    """
    leads, pairs, pattern = _tables()
    offsets, data = buffers(texts)
    start, stop = int(offsets[0]), int(offsets[-1])
    places = [np.empty(0, np.int64)]
    for at in _positions(data[start:stop], leads):
        at += start  # each is the first of two or more bytes, so the next one exists
        places.append(at[pairs[data[at].astype(np.uint16) << 8 | data[at + 1]]])
    suspects = np.unique(np.searchsorted(offsets, np.concatenate(places), side="right") - 1)
    if not len(suspects):
        return suspects
    return suspects[np.asarray(pc.match_substring_regex(texts.take(pa.array(suspects)), pattern))]


def buffers(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """View a string array's offsets and bytes, without copying.

    Args:
        texts: n strings.

    Returns:
        offsets int64[n + 1], and bytes uint8.

    Raises:
        ValueError: There are nulls.
    """
    if texts.null_count:
        raise ValueError("texts must not contain nulls")
    _, offsets, data = texts.buffers()
    if offsets is None or not len(texts):
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    ends = np.frombuffer(offsets, np.int64, len(texts) + 1, texts.offset * 8)
    return ends, np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)


def _positions(data: np.ndarray, leads: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of the ascending bytes `leads`; where it is faster, of larger bytes too."""
    full = len(data) // CELL * CELL
    cells = data[:full].reshape(-1, CELL)
    high = np.flatnonzero(np.maximum.reduceat(data[:full], np.arange(0, full, CELL)) >= leads[0])
    if len(high) < len(cells) * SPARSE:
        at = np.flatnonzero(cells[high] >= leads[0])
        yield high[at // CELL] * CELL + at % CELL
        yield np.flatnonzero(data[full:] >= leads[0]) + full
        return
    runs = np.split(leads, np.flatnonzero(np.diff(leads) > 1) + 1)
    for start in range(0, len(data), WINDOW):
        window = data[start : start + WINDOW]
        mask = np.zeros(len(window), bool)
        for run in runs:
            mask |= window == run[0] if len(run) == 1 else (window - run[0]) < len(run)
        yield np.flatnonzero(mask) + start
