"""A choice in large type: what Present shows beside the curve. All numbers come from the facts."""

from __future__ import annotations

from pathlib import Path

from streamlit.components.v2 import component

from pages.ui.format import PAPER, megabytes, one_in, percent, with_sign
from vocabtrim_core.forecast.decision_text import decision_text
from vocabtrim_core.report.data import Option, OtherCorpus, ReportData
from vocabtrim_core.report.phrasing import against

HERE = Path(__file__).parent
_STAGE = component(
    "stage",
    html=(HERE / "stage.html").read_text("utf-8"),
    css=(HERE / "stage.css").read_text("utf-8"),
    js=(HERE / "stage.js").read_text("utf-8"),
)
MOST_PLACES, MOST_OPTIONS = 4, 5


def hero(facts: ReportData) -> None:
    """The decision and the numbers that matter.

    Args:
        facts: everything the report says.
    """
    _STAGE(data={"hero": _hero(facts)}, key="stage_hero", height="content")


def beside(facts: ReportData) -> None:
    """Coverage on other traffic, and the alternatives.

    Args:
        facts: everything the report says.
    """
    data = {"elsewhere": _places(facts), "options": _options(facts)}
    _STAGE(data=data, key="stage_beside", height="content")


def foot(facts: ReportData) -> None:
    """Where the numbers come from.

    Args:
        facts: everything the report says.
    """
    counts, provenance = facts.inputs.counts, facts.inputs.counts.provenance
    text = (
        f"Counted: {counts.tokens:,} tokens of {counts.name} with the tokenizer "
        f"{provenance.tokenizer}, "
        f"rule {provenance.rule}. Estimated: FLOPs and weights of the draft of "
        f"{facts.opened.tradeoff.architecture.name}, from its shapes. Vocabulary sha256 "
        f"{facts.inputs.choice.vocabulary_sha256[:16]}. After {PAPER}."
    )
    if facts.inputs.choice.own:
        text = f"The curve is of the most frequent tokens, which the chosen are not. {text}"
    _STAGE(data={"foot": text}, key="stage_foot", height="content")


def _hero(facts: ReportData) -> dict[str, object]:
    chosen, full, counts = facts.chosen, facts.full, facts.inputs.counts
    coverage = chosen.choice.coverage
    lost = (
        "Every token counted can be drafted."
        if coverage == 1
        else f"The target writes the rest, {one_in(1 - coverage)} tokens, without a draft: that "
        "costs speed there, never a wrong answer."
    )
    settings, own = facts.inputs.choice.settings, facts.inputs.choice.own
    how = f"{'your choice' if settings.k else 'exact optimum'} at alpha {settings.alpha:g}"
    return {
        "headline": ["Keep ", f"{chosen.k:,}", f" of {full.k:,} tokens"],
        "lead": f"They cover {percent(coverage)} of the tokens of {counts.name}, and a draft step "
        f"needs {percent(chosen.choice.latency_reduction)} fewer FLOPs. {lost}",
        "decision": decision_text(facts.decision, full.k).sentences() if facts.decision else [],
        "numbers": [
            _number(
                "Draft vocabulary",
                f"{chosen.k:,}",
                "tokens",
                f"{percent(chosen.k / full.k)} of the target's {full.k:,}",
                "plain",
                "your own tokens" if own else how,
            ),
            _number(
                "Coverage",
                percent(coverage),
                "",
                f"of {counts.tokens:,} tokens counted",
                "measured",
            ),
            _number(
                "Draft FLOPs saved",
                percent(chosen.choice.latency_reduction),
                "",
                f"per draft step, against all {full.k:,}",
                "estimated",
            ),
            _number(
                "LM head weights",
                megabytes(chosen.head_bytes)[:-3],
                "MB",
                f"down from {megabytes(full.head_bytes)}",
                "estimated",
            ),
            *_throughput(facts),
        ],
    }


def _number(
    label: str, value: str, unit: str, note: str, kind: str, badge: str | None = None
) -> dict[str, str]:
    """One large number; badge: what its badge reads, else the kind of number."""
    fields = {"label": label, "value": value, "unit": unit, "note": note, "kind": kind}
    return fields | ({"text": badge} if badge else {})


def _throughput(facts: ReportData) -> list[dict[str, str]]:
    """Its effect on tokens per second: measured, else forecast as an interval, else nothing."""
    measured = [m for m in facts.inputs.measured if m.k == facts.chosen.k]
    full = f"against all {facts.full.k:,}"
    if measured:
        first = measured[0]
        where = f"{first.task}, against {against(first.baseline)}"
        return [_number("Throughput", _points(first.gain), "%", where, "measured")]
    if facts.chosen.gain is None:
        return []
    low, high = facts.chosen.gain
    on = f", on {facts.decision.served} ({facts.decision.basis})" if facts.decision else ""
    band = f"{_points(low)} to {_points(high)}"
    return [_number("Throughput, forecast", band, "%", f"{full}{on}", "estimated")]


def _points(share: float) -> str:
    return with_sign(100 * share, ".0f")


def _places(facts: ReportData) -> dict[str, object] | None:
    if not facts.elsewhere:
        return None
    counts, share = facts.inputs.counts, facts.chosen.choice.coverage
    own = {
        "name": counts.name,
        "share": share,
        "text": percent(share),
        "own": True,
        "span": f"{counts.tokens:,} tokens, where it was chosen",
    }
    ordered = sorted(facts.elsewhere, key=lambda place: -place.held.coverage)
    left_out = len(ordered) - MOST_PLACES
    return {
        "title": "Coverage on other traffic",
        "rows": [own, *map(_place, ordered[:MOST_PLACES])],
        "note": f"and {left_out} more sets, down to {percent(ordered[-1].held.coverage)}"
        if left_out > 0
        else None,
    }


def _place(place: OtherCorpus) -> dict[str, object]:
    span, covered = place.interval, place.held
    text = f"{covered.tokens:,} tokens"
    if span:
        text += f", 95% interval {percent(span.low)} to {percent(span.high)}"
    return {
        "name": covered.name,
        "share": covered.coverage,
        "text": percent(covered.coverage),
        "span": text,
    }


def _options(facts: ReportData) -> dict[str, object]:
    """The chosen size, pins and all tokens first; then the known sizes, as far as there is room."""

    def importance(option: Option) -> tuple[bool, bool, bool]:
        pinned = any(label.startswith(("pinned", "optimum")) for label in option.labels)
        return not option.chosen, option is not facts.full, not pinned

    listed = sorted(sorted(facts.options, key=importance)[:MOST_OPTIONS], key=lambda o: o.k)
    return {
        "title": "Alternatives",
        "head": ["Size, tokens", "Coverage", "FLOPs saved", "LM head"],
        "rows": [
            {
                "chosen": o.chosen,
                "size": f"{o.k:,}",
                "labels": ", ".join(o.labels),
                "cells": [
                    percent(o.choice.coverage),
                    percent(o.choice.latency_reduction),
                    megabytes(o.head_bytes),
                ],
            }
            for o in listed
        ],
    }
