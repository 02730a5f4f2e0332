"""Token counts of a corpus, from which all results are computed."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core import json_text, numpy_files
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

FORMAT = "vocabtrim-counts-1"
MOST_COUNTED = 2**62  # tokens, so that sums stay within 64 bits
EARLIER_VERSION = "as an earlier version of this program had it"
SPAN_END_WORDS = {
    "stop": "through the stop token",
    "template": "through all that the template writes for the turn",
    "next-role": "through the stop token, or the next role's marker where there is none",
    EARLIER_VERSION: "counted by an earlier version, spans found by strings around turns",
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was counted, and how.

    The fields down to `span_end`, except names, decide whether counts may be added (`mergeable`).

    Attributes:
        rule: assistant, content, all or reference.
        tokenizer: Name shown to people.
        tokenizer_sha256: Fingerprint of the tokenizer.
        template: Name shown to people.
        template_sha256: Fingerprint of the chat template.
        reasoning: Whether reasoning content was counted where the template renders it.
        last_turn_only: Whether only the last assistant turn was counted.
        max_length: Tokens read per conversation, None for no limit.
        span_end: Where a counted turn ends (`templates.spans.SPAN_ENDS`). Counts of earlier
            versions, which found turns by the strings around them, lack it.
        vocab_size_from: Where V comes from: a config.json, given by hand, …
        corpora: Per corpus a mapping with name, sha256, conversations and what was left out.
        engine: Name and version, such as "gigatoken 0.10.0".
        proof: How the counts were checked (`Proof.summary`).
        seconds: Time of the count.
        versions: Versions of the libraries.
    """

    rule: str
    tokenizer: str
    tokenizer_sha256: str
    template: str
    template_sha256: str
    reasoning: bool = True
    last_turn_only: bool = False
    max_length: int | None = None
    span_end: str = EARLIER_VERSION

    vocab_size_from: str = ""
    corpora: tuple[Mapping[str, Any], ...] = ()
    engine: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    def mergeable(self) -> dict[str, Any]:
        """The fields that must agree before two counts may be added, by name."""
        names = ("rule", "span_end", "tokenizer_sha256", "template_sha256", "reasoning")
        return {name: getattr(self, name) for name in (*names, "last_turn_only", "max_length")}

    @property
    def turn_end(self) -> str:
        """How far a counted turn goes, in words; "" where the rule already says it."""
        if self.rule != "assistant" and self.span_end != EARLIER_VERSION:
            return ""
        return SPAN_END_WORDS.get(self.span_end, self.span_end)

    def remarks(self, kind: str) -> list[tuple[str, int, tuple[str, ...]]]:
        """List what was left out of the corpora.

        Args:
            kind: "skipped" for whole rows, "notes" for parts of rows.

        Returns:
            (reason, how often, the first few places) each.
        """
        return [
            (str(reason), int(times), tuple(places))
            for corpus in self.corpora
            for reason, times, places in corpus.get(kind, ())
        ]


@dataclass(frozen=True, slots=True)
class _Meta:
    """What a counts file holds beside the counts."""

    conversations: int
    skipped: int
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class _Corpus:
    """What is read of a corpus in a provenance."""

    name: str
    sha256: str
    conversations: int = 0
    skipped: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    notes: tuple[tuple[str, int, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TokenCounts:
    """Occurrences of each token id in a corpus.

    Attributes:
        counts: int64[V], read-only, 0 or more.
        conversations: Conversations counted.
        skipped: Rows left out.
        provenance: What was counted, and how.
    """

    counts: np.ndarray
    conversations: int
    skipped: int
    provenance: Provenance

    def __post_init__(self) -> None:
        counts = np.ascontiguousarray(self.counts, np.int64)
        if counts.ndim != 1 or not len(counts):
            raise InputError("Counts must be a non-empty flat array with one entry per token id.")
        if counts.min() < 0:
            raise InputError(f"Counts must not be negative, but id {counts.argmin()} has one.")
        if counts.sum(dtype=np.float64) > MOST_COUNTED:
            raise InputError(f"Counts must add up to at most {MOST_COUNTED:,.0f} tokens.")
        if self.conversations < 0 or self.skipped < 0:
            raise InputError("The numbers of conversations and skipped rows must not be negative.")
        counts.setflags(write=False)
        object.__setattr__(self, "counts", counts)

    @property
    def vocab_size(self) -> int:
        """V, the length of `counts`."""
        return len(self.counts)

    @property
    def tokens(self) -> int:
        """All counted tokens."""
        return int(self.counts.sum())

    @property
    def distinct(self) -> int:
        """Token ids seen at least once."""
        return int(np.count_nonzero(self.counts))

    @property
    def name(self) -> str:
        """The corpora's names, joined."""
        return " + ".join(str(c["name"]) for c in self.provenance.corpora) or "counts"

    @property
    def key(self) -> str:
        """Content address, 16 hex digits, of the corpora, tokenizer, rule and counts."""
        head = {
            "corpora": sorted(c["sha256"] for c in self.provenance.corpora),
            "conversations": self.conversations,
            **self.provenance.mergeable(),
        }
        if self.provenance.span_end == EARLIER_VERSION:
            del head["span_end"]  # keys of earlier versions do not have it
        digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
        digest.update(self.counts.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def check_same_kind(self, other: TokenCounts, *, names: tuple[str, str] | None = None) -> None:
        """Check that two counts were made the same way.

        Args:
            other: The other counts.
            names: Names of the two for the message, by default those of their corpora.

        Raises:
            InputError: They were not; the message names the first field that differs.
        """
        first, second = names or (self.name, other.name)
        for field_name, own_value, other_value in self.differences(other):
            raise InputError(
                f"{first} and {second} were counted differently: {field_name} is "
                f"{own_value} against {other_value}; count both the same way first."
            )

    def check_comparable(self, other: TokenCounts, names: tuple[str, str] | None = None) -> None:
        """Check that the coverage of two counts may be compared: both were made the same way.

        Args:
            other: The other counts.
            names: Names of the two for the message, by default those of their corpora.

        Raises:
            InputError: They were not; the message names the first field that differs.
        """
        first, second = names or (self.name, other.name)
        for field_name, *values in self.differences(other):
            own_value, other_value = (
                f"{v:,}" if type(v) is int else str(v).replace("…", "") for v in values
            )
            raise InputError(
                f"{second} cannot be compared with {first}: its "
                f"{'V' if field_name == 'vocab size' else field_name} is {other_value}, not "
                f"{own_value}; count both the same way."
            )

    def differences(self, other: TokenCounts) -> list[tuple[str, object, object]]:
        """List the fields that keep two counts from being added.

        Args:
            other: The other counts.

        Returns:
            (field, value here, value there) each, with names instead of fingerprints.
        """
        own, others = self.provenance.mergeable(), other.provenance.mergeable()
        own["vocab_size"], others["vocab_size"] = self.vocab_size, other.vocab_size
        different = []
        for name, value in own.items():
            if value == others[name]:
                continue
            field_name, *values = name.replace("_", " "), value, others[name]
            if name.endswith("_sha256"):  # show the name instead
                field_name = name.removesuffix("_sha256")
                titles = (getattr(c.provenance, field_name) for c in (self, other))
                values = [f"{n} ({h[:8]}…)" for n, h in zip(titles, values, strict=True)]
            different.append((field_name, *values))
        return different

    def __add__(self, other: TokenCounts) -> TokenCounts:
        """Add the counts of two corpora; the numbers do not depend on the order."""
        self.check_same_kind(other)
        first, second = self.provenance, other.provenance
        engines = dict.fromkeys((*first.engine.split(" + "), *second.engine.split(" + ")))
        return TokenCounts(
            self.counts + other.counts,
            self.conversations + other.conversations,
            self.skipped + other.skipped,
            replace(
                first,
                corpora=(*first.corpora, *second.corpora),
                engine=" + ".join(e for e in engines if e),
                proof={"merged": [first.proof, second.proof]},
                seconds=first.seconds + second.seconds,
            ),
        )

    def save(self, path: str | Path) -> Path:
        """Write one .npz file (`counts`, and `meta` as JSON text), atomically.

        The same value gives the same bytes.

        Args:
            path: The file.

        Returns:
            The file.

        Raises:
            InputError: It cannot be written.
        """
        path = Path(path)
        meta = {
            "format": FORMAT,
            "conversations": self.conversations,
            "skipped": self.skipped,
            "provenance": asdict(self.provenance),
        }
        buffer = io.BytesIO()
        np.savez(buffer, counts=self.counts, meta=np.array(json.dumps(meta, sort_keys=True)))
        return write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> TokenCounts:
        """Read a file that `save` wrote.

        Args:
            path: The file.

        Returns:
            The counts.

        Raises:
            InputError: There is no such file, or it is anything else; the message names it.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no counts file at {path}; make one with `count`.")
        try:
            arrays = numpy_files.load_npz(path)
            counts, meta = arrays["counts"], json_text.loads(str(arrays["meta"]))
            if meta["format"] != FORMAT:
                raise InputError(f"{path} has format {meta['format']}, but {FORMAT} is expected.")
            if counts.dtype.kind not in "iu":
                raise InputError(f"{path} holds counts that are no whole numbers; count again.")
            saved = json_text.as_type(meta, _Meta)
            for corpus in saved.provenance.corpora:
                json_text.as_type(corpus, _Corpus)
            return cls(counts, saved.conversations, saved.skipped, saved.provenance)
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                f"{path} is not a counts file written by `count` ({error})."
            ) from error
