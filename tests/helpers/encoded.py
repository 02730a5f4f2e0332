"""The counted ids of a corpus, batch by batch, without a count."""

from __future__ import annotations

from collections.abc import Iterator

from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.candidates import proved
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import encode_batch
from vocabtrim_core.counting.response_batch import ResponseBatch


def encoded_responses(
    corpus: Corpus, recipe: CountConfig, *, engine: str | None = None
) -> Iterator[ResponseBatch]:
    """The spans of each batch, conversations numbered through the corpus; see `proved`."""
    exact = next(proved(corpus, recipe, engine, []))
    first = 0
    for batch in corpus.batches():
        ids, offsets, conversation = encode_batch(batch, recipe, exact).responses()
        yield ResponseBatch(ids, offsets, conversation + first)
        first += len(batch)
