"""Counters and gauges in the text format of Prometheus, which all engines write at /metrics."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from vocabtrim_core.serving.engine_reports.report import DraftCounts
from vocabtrim_core.serving.engines.counters import (
    ACCEPTED,
    DRAFTED,
    DRAFTS,
    PER_POSITION,
    parse,
)

LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class ServerMetrics:
    """The samples of one answer.

    Attributes:
        samples: By name of the metric, its labels and values.
    """

    samples: Mapping[str, list[tuple[Mapping[str, str], float]]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> ServerMetrics:
        """Parse the text of /metrics.

        Args:
            text: The text.

        Returns:
            The samples with finite values; others are left out.
        """
        samples: dict[str, list[tuple[Mapping[str, str], float]]] = {
            name: [
                (dict(LABEL.findall(labels)), value)
                for labels, value in by_labels.items()
                if math.isfinite(value)
            ]
            for name, by_labels in parse(text).items()
        }
        return cls(samples)

    def __contains__(self, prefix: str) -> bool:
        """Whether a metric's name begins so."""
        return any(name.startswith(prefix) for name in self.samples)

    def total(self, name: str) -> float | None:
        """The sum of a counter over its labels, such as the ranks of an engine.

        Args:
            name: Its full name.

        Returns:
            The sum; None where there is no such metric.
        """
        samples = self.samples.get(name)
        return sum(value for _, value in samples) if samples else None

    def count(self, name: str) -> int | None:
        """The sum of a counter as a whole number.

        Args:
            name: Its full name.

        Returns:
            The sum; None where there is no such metric.
        """
        total = self.total(name)
        return None if total is None else round(total)

    def mean(self, name: str) -> float | None:
        """The mean of a gauge over its labels.

        Args:
            name: Its full name.

        Returns:
            The mean; None where there is no such metric.
        """
        samples = self.samples.get(name)
        return sum(value for _, value in samples) / len(samples) if samples else None

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The sums of a counter by the value of one label.

        Args:
            name: Its full name.
            label: The label.

        Returns:
            The sums.
        """
        sums: dict[str, float] = defaultdict(float)
        for labels, value in self.samples.get(name, ()):
            if label in labels:
                sums[labels[label]] += value
        return dict(sums)

    def label(self, name: str, label: str) -> str | None:
        """The value of a label of a metric's first sample.

        Args:
            name: The metric's full name.
            label: The label.

        Returns:
            The value; None where there is none.
        """
        samples = self.samples.get(name)
        return samples[0][0].get(label) if samples else None

    def positions(self, name: str) -> tuple[int, ...]:
        """A counter by draft position, from position 1 on.

        Args:
            name: Its full name; its label is `position`, counted from 0.

        Returns:
            The counts; empty where there are none.
        """
        sums = self.by_label(name, "position")
        return tuple(round(sums[str(i)]) for i in range(len(sums)) if str(i) in sums)

    def drafts(self, prefix: str) -> DraftCounts | None:
        """The sums over verifications since the server started, as vLLM and llama.cpp count them.

        Args:
            prefix: Of the metrics' names, "vllm" or "llamacpp".

        Returns:
            The sums; None where it does not count.
        """
        verifications = self.count(f"{prefix}:{DRAFTS}")
        accepted = self.count(f"{prefix}:{ACCEPTED}")
        if verifications is None or accepted is None:
            return None
        return DraftCounts(
            verifications,
            accepted,
            self.count(f"{prefix}:{DRAFTED}"),
            self.positions(f"{prefix}:{PER_POSITION}"),
        )
