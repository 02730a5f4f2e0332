"""Conversations from files of many kinds, as one stream of Arrow message batches."""

from vocabtrim_core.corpora.batches import (
    ROLES,
    Block,
    MessageBatch,
    Shard,
    Skip,
)
from vocabtrim_core.corpora.corpus import Corpus, CorpusInfo, FileInfo
from vocabtrim_core.corpora.load import open_corpus
from vocabtrim_core.corpora.schema import SHAPES, ColumnMapping
from vocabtrim_core.corpora.skips import SkipReport

__all__ = [
    "ROLES",
    "SHAPES",
    "Block",
    "ColumnMapping",
    "Corpus",
    "CorpusInfo",
    "FileInfo",
    "MessageBatch",
    "Shard",
    "Skip",
    "SkipReport",
    "open_corpus",
]
