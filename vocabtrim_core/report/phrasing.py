"""The sentences of a report: every number with its unit and its baseline, said once."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from vocabtrim_core.counts import EARLIER_VERSION
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.report.data import Facts
from vocabtrim_core.wording import between, megabytes, one_in, percent, signed


def title(facts: Facts) -> str:
    """The report's headline: the decision."""
    return facts.material.title or f"Keep {facts.chosen.k:,} of {facts.full.k:,} tokens"


def verdict(facts: Facts) -> tuple[str, ...]:
    """The decision for someone who reads one paragraph, sentence by sentence."""
    chosen, full, counts = facts.chosen, facts.full, facts.material.counts
    draft = facts.opened.tradeoff.architecture.name
    found = [
        f"The draft of {draft} keeps {chosen.k:,} of the target's {full.k:,} tokens "
        f"({percent(chosen.k / full.k)}).",
        f"They make up {percent(chosen.choice.coverage, 2)} of the {counts.tokens:,} tokens "
        f"counted in {counts.name}, so {_undrafted(chosen.choice.coverage)}.",
        f"In return a draft step needs {percent(chosen.choice.latency_reduction)} fewer FLOPs, and "
        f"its LM head shrinks from {megabytes(full.head_bytes)} to {megabytes(chosen.head_bytes)}.",
    ]
    if facts.elsewhere:
        ordered = sorted(facts.elsewhere, key=lambda place: place.held.coverage)
        worst, best = ordered[0].held, ordered[-1].held
        found.append(
            f"On {worst.name} it covers {percent(worst.coverage)}."
            if len(ordered) == 1
            else f"On {len(ordered)} corpora{apart(facts)} it covers "
            f"{percent(worst.coverage)} ({worst.name}) to {percent(best.coverage)} ({best.name})."
        )
        if chosen.choice.coverage - worst.coverage > 0.05:
            found.append(
                f"It is not made for traffic like {worst.name}: "
                f"{one_in(1 - worst.coverage)} of its tokens are missing."
            )
    found += _speed(facts)
    return tuple(found)


def apart(facts: Facts) -> str:
    """What is known of the other corpora: tokens chosen elsewhere may have been made for them."""
    return "" if facts.material.choice.own else " that had no part in the choice"


def _undrafted(coverage: float) -> str:
    if coverage == 1:
        return "every one of them can be drafted"
    return (
        f"{one_in(1 - coverage)} of them cannot be drafted. That costs speed there, never a wrong "
        "answer: the target still checks and writes every token"
    )


def _speed(facts: Facts) -> list[str]:
    measured = [m for m in facts.material.measured if m.k == facts.chosen.k]
    if measured:
        baseline = measured[0].baseline
        alike = [m for m in measured if m.baseline == baseline]
        low, high = (pick(alike, key=lambda m: m.gain) for pick in (min, max))
        text = f"Measured throughput changes by {signed(low.gain)} ({low.task})"
        if low is not high:
            text += f" to {signed(high.gain)} ({high.task})"
        text += f" against {against(baseline)}"
        if any(m.gain_low is None for m in alike):
            text += "; single runs, so it may be chance"
        if any(m.toy for m in alike):
            text += ", on a toy target that demonstrates the mechanism and no speed of yours"
        return [f"{text}."]
    if facts.forecast is None:
        return ["Its effect on tokens per second has been neither measured nor forecast."]
    text = f"Forecast throughput: {_between(facts, facts.full.k)} against all {facts.full.k:,} "
    text += "tokens"
    shipped = facts.option(SHIPPED_K)
    if shipped and not shipped.chosen:
        text += f", {_between(facts, shipped.k)} against the usual {shipped.k:,}"
    return [f"{text}; it has not been measured."]


def _between(facts: Facts, other_k: int) -> str:
    gains = facts.ratios(facts.chosen, other_k) - 1
    return between(float(gains.min()), float(gains.max()))


def against(baseline: str) -> str:
    """A measurement's baseline in a sentence."""
    return f"{baseline} tokens" if baseline[:1].isdigit() else baseline


def how_chosen(facts: Facts) -> str:
    """What decided k."""
    settings, tradeoff = facts.material.choice.settings, facts.opened.tradeoff
    rules, best = facts.opened.ruled, tradeoff.optimum
    if own := facts.material.choice.own:
        return _how_own(facts, own.about)
    bounds = f"{tradeoff.k_min:,} to {tradeoff.last_k:,}"
    floor = f" and at least {percent(tradeoff.floor)} coverage" if tradeoff.floor else ""
    text = f"Among {bounds} tokens, with alpha = {tradeoff.alpha:g}{floor}, "
    if settings.k is None:
        text += f"utility is highest at {best.k:,} tokens: the exact optimum, found over every size"
    else:
        gap = best.utility - facts.chosen.choice.utility
        text += (
            f"{facts.chosen.k:,} tokens were chosen by hand; the exact optimum is {best.k:,}, and "
            f"the choice gives up {max(gap, 0):.4f} of its utility of {best.utility:.4f}"
        )
    wanted = settings.k if settings.k is not None else best.k
    if facts.chosen.k != wanted:
        text += f"; rounded up from {wanted:,} to {facts.chosen.k:,} by the rules"
    if not facts.chosen.feasible:
        text += ". It does not meet the floor and the bounds"
    kept = facts.material.choice.rules
    if kept.protected or kept.excluded or rules.multiple > 1:
        parts = [
            f"{len(kept.protected):,} tokens protected" if kept.protected else "",
            f"{len(kept.excluded):,} excluded" if kept.excluded else "",
            f"a multiple of {rules.multiple}" if rules.multiple > 1 else "",
        ]
        text += f". Rules: {', '.join(filter(None, parts))}"
    return f"{text}."


def _how_own(facts: Facts, about: str) -> str:
    """Of tokens that no size gives."""
    tradeoff, k = facts.opened.tradeoff, facts.chosen.k
    best = tradeoff.optimum
    text = (
        f"The {k:,} tokens were not taken by frequency alone: {about}. The {k:,} most frequent "
        f"ones would cover {percent(tradeoff.at(k).coverage, 2)} of this corpus; with "
        f"alpha = {tradeoff.alpha:g} the exact optimum of plain sizes is {best.k:,} tokens"
    )
    return f"{text}, of utility {best.utility:.4f} against {facts.chosen.choice.utility:.4f}."


def padding(facts: Facts) -> str:
    """What keeping more tokens than were ever seen means, or nothing."""
    distinct, k = facts.material.counts.distinct, facts.chosen.k
    if k <= distinct:
        return ""
    return (
        f"Only {distinct:,} distinct tokens were seen, so {k - distinct:,} of the kept ones never "
        "occurred: they add head rows and no coverage."
    )


def assumptions(facts: Facts) -> tuple[str, ...]:
    """What the forecast rests on."""
    predicted, settings = facts.forecast, facts.material.choice.forecast
    if predicted is None:
        return ()
    cycles = predicted.cycles
    where = "measured cycle times" if settings.cycles else cycles.fast.source
    found = [
        "The full-vocabulary draft is taken to have an acceptance length of "
        f"{settings.full_length:g} tokens at draft depth {settings.depth}.",
        "Acceptance lies between two extremes: tokens outside the vocabulary are ones the draft "
        "would miss anyway (best), or are missed independently of its other misses (worst).",
        "Counts alone bound a perfect draft only loosely, so for small sizes the best case is wide."
        if facts.material.ceiling is None
        else "The best case is capped at what a perfect draft reaches on the counted responses.",
        f"Cycle time comes from {where}. {cycles.regime}".strip(),
    ]
    if facts.like_k != facts.chosen.k:
        found.append(
            f"The chosen tokens are taken to be accepted as often as the {facts.like_k:,} most "
            "frequent ones, which cover as much."
        )
    if settings.measured:
        pairs = ", ".join(f"{length:g} at k = {k:,}" for k, length in settings.measured)
        found.append(f"Acceptance lengths of trained drafts narrow it: {pairs}.")
    return tuple(found)


def limits(facts: Facts) -> tuple[str, ...]:
    """What the report does not say."""
    found = [
        "Coverage counts how often text uses the kept tokens. How many drafted tokens the target "
        "accepts also depends on the draft itself; only a measurement tells.",
        "FLOPs saved per draft step is not a gain in throughput: verification takes most of a "
        "cycle, and in the paper's runs the head was 11 to 16% of it.",
        "Coverage is measured on the text the tokens were chosen from, which flatters it a "
        "little; corpora that had no part in the choice do not.",
    ]
    if facts.material.measured:
        found.append(
            "Measurements are matched by the number of tokens kept; that the measured draft keeps "
            "the very same ones is for its own record to say."
        )
    if any(place.interval is None for place in facts.elsewhere):
        found.append(
            "Where no interval is given, the corpus was available as counts only, without the "
            "conversations to resample."
        )
    return tuple(found)


def commands(facts: Facts) -> tuple[str, ...]:
    """The lines that reproduce this report; paths in capitals are to be filled in."""
    made = facts.material.counts.provenance
    template = "auto" if made.template == "tokenizer" else made.template
    count = [
        "count",
        "--tokenizer",
        made.tokenizer,
        "--data",
        *_names(facts),
        "--rule",
        made.rule,
        "--template",
        template,
        "--out",
        "counts.npz",
    ]
    if made.span_end not in ("stop", EARLIER_VERSION):
        count += ["--span-end", made.span_end]
    count += [] if made.reasoning else ["--no-reasoning"]
    count += ["--last-turn-only"] if made.last_turn_only else []
    if made.max_length:
        count += ["--max-length", str(made.max_length)]
    own = ["choice", "save", "counts.npz", *facts.material.choice.argv(), "--out", "choice.json"]
    export = [
        "export",
        "counts.npz",
        "--choice",
        "choice.json",
        "--format",
        "specforge",
        "--format",
        "ids",
        "--out",
        "draft-vocabulary",
    ]
    lines = [count, own, export]
    ready = [shlex.join(["python", "-m", "vocabtrim_core", *line]) for line in lines]
    return (*ready, *facts.material.commands)


def _names(facts: Facts) -> Sequence[str]:
    return [str(corpus["name"]) for corpus in facts.material.counts.provenance.corpora] or ["DATA"]
