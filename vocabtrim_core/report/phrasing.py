"""The sentences of a report: every number with its unit and its baseline."""

from __future__ import annotations

from collections.abc import Sequence

from vocabtrim_core.counts import EARLIER_VERSION
from vocabtrim_core.forecast.decision_text import decision_text
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.report.data import ReportData
from vocabtrim_core.wording import between, megabytes, one_in, percent, shell_line, signed


def title(data: ReportData) -> str:
    """Write the headline of the report.

    Args:
        data: The content of the report.

    Returns:
        The title that was given, else the decision.
    """
    return data.inputs.title or f"Keep {data.chosen.k:,} of {data.full.k:,} tokens"


def _copy(data: ReportData) -> list[str]:
    """Write what a trimmed copy of the target's head takes, where it is one."""
    architecture = data.opened.tradeoff.architecture
    copied = architecture.copied_bytes(data.chosen.k)
    if not copied:
        return []
    return [
        f"The full head of {architecture.head_kind.title} is the target's own: the trimmed one is "
        f"a copy of its rows, {megabytes(copied)} of memory more."
    ]


def verdict(data: ReportData) -> tuple[str, ...]:
    """Write the decision for someone who reads one paragraph.

    Args:
        data: The content of the report.

    Returns:
        Sentences.
    """
    chosen, full, counts = data.chosen, data.full, data.inputs.counts
    draft = data.opened.tradeoff.architecture.name
    sentences = [
        f"The draft of {draft} keeps {chosen.k:,} of the target's {full.k:,} tokens "
        f"({percent(chosen.k / full.k)}).",
        f"They make up {percent(chosen.choice.coverage, 2)} of the {counts.tokens:,} tokens "
        f"counted in {counts.name}, so {_undrafted(chosen.choice.coverage)}.",
        *_held_out(data),
        f"In return a draft step needs {percent(chosen.choice.latency_reduction)} fewer FLOPs, and "
        f"its LM head shrinks from {megabytes(full.head_bytes)} to {megabytes(chosen.head_bytes)}.",
        *_copy(data),
    ]
    if data.elsewhere:
        ordered = sorted(data.elsewhere, key=lambda place: place.held.coverage)
        worst, best = ordered[0].held, ordered[-1].held
        sentences.append(
            f"On {worst.name} it covers {percent(worst.coverage)}."
            if len(ordered) == 1
            else f"On {len(ordered)} corpora{apart(data)} it covers "
            f"{percent(worst.coverage)} ({worst.name}) to {percent(best.coverage)} ({best.name})."
        )
        if chosen.choice.coverage - worst.coverage > 0.05:
            sentences.append(
                f"It is not made for traffic like {worst.name}: "
                f"{one_in(1 - worst.coverage)} of its tokens are missing."
            )
    sentences += _speed(data)
    return tuple(sentences)


def apart(data: ReportData) -> str:
    """Say that the other corpora had no part in the choice, where that is known.

    Args:
        data: The content of the report.

    Returns:
        The end of a sentence, "" for own tokens: they may have been chosen on these corpora.
    """
    return "" if data.inputs.choice.own else " that had no part in the choice"


def _held_out(data: ReportData) -> list[str]:
    """What the tokens cover of new conversations of the corpus that chose them, where known."""
    held_out = data.inputs.held_out
    if held_out is None:
        return []
    interval = f" ({percent(held_out.low, 2)} to {percent(held_out.high, 2)}, 95% interval)"
    return [
        "That is in sample; on conversations that had no part in the choice they make up "
        f"{percent(held_out.value, 2)}{interval}."
    ]


def _undrafted(coverage: float) -> str:
    if coverage == 1:
        return "every one of them can be drafted"
    return (
        f"{one_in(1 - coverage)} of them cannot be drafted. That costs speed there, never a wrong "
        "answer: the target still checks and writes every token"
    )


def _speed(data: ReportData) -> list[str]:
    rows = [row for row in data.inputs.measured if row.k == data.chosen.k]
    if rows:
        baseline = rows[0].baseline
        comparable = [row for row in rows if row.baseline == baseline]
        low, high = (pick(comparable, key=lambda row: row.gain) for pick in (min, max))
        text = f"Measured throughput changes by {signed(low.gain)} ({low.task})"
        if low is not high:
            text += f" to {signed(high.gain)} ({high.task})"
        text += f" against {against(baseline)}"
        if any(row.gain_low is None for row in comparable):
            text += "; single runs, so it may be chance"
        return [f"{text}."]
    if data.forecast is None:
        return ["Its effect on tokens per second has been neither measured nor forecast."]
    full_k = data.full.k
    text = f"Forecast throughput: {_between(data, full_k)} against all {full_k:,} tokens"
    shipped = data.option(SHIPPED_K)
    if shipped and not shipped.chosen:
        text += f", {_between(data, shipped.k)} against the usual {shipped.k:,}"
    return [f"{text}; it has not been measured."]


def _between(data: ReportData, other_k: int) -> str:
    gain = data.gain(data.chosen, other_k)
    return between(gain.low, gain.high)


def against(baseline: str) -> str:
    """Write a measurement's baseline for the middle of a sentence.

    Args:
        baseline: A number of tokens, or a name.

    Returns:
        The baseline, with 'tokens' after a number.
    """
    return f"{baseline} tokens" if baseline[:1].isdigit() else baseline


def how_chosen(data: ReportData) -> str:
    """Explain what decided k.

    Args:
        data: The content of the report.

    Returns:
        Sentences.
    """
    settings, tradeoff = data.inputs.choice.settings, data.opened.tradeoff
    rules, best = data.opened.ruled, tradeoff.optimum
    if own := data.inputs.choice.own:
        return _how_own(data, own.about)
    bounds = f"{tradeoff.k_min:,} to {tradeoff.last_k:,}"
    floor = f" and at least {percent(tradeoff.floor)} coverage" if tradeoff.floor else ""
    text = f"Among {bounds} tokens, with alpha = {tradeoff.alpha:g}{floor}, "
    if settings.k is None:
        text += f"utility is highest at {best.k:,} tokens: the exact optimum, found over every size"
    else:
        gap = best.utility - data.chosen.choice.utility
        text += (
            f"{data.chosen.k:,} tokens were chosen by hand; the exact optimum is {best.k:,}, and "
            f"the choice gives up {max(gap, 0):.4f} of its utility of {best.utility:.4f}"
        )
    k_asked = settings.k if settings.k is not None else best.k
    if data.chosen.k != k_asked:
        text += f"; rounded up from {k_asked:,} to {data.chosen.k:,} by the rules"
    if not data.chosen.feasible:
        text += ". It does not meet the floor and the bounds"
    choice_rules = data.inputs.choice.rules
    if choice_rules.protected or choice_rules.excluded or rules.multiple > 1:
        parts = [
            f"{len(choice_rules.protected):,} tokens protected" if choice_rules.protected else "",
            f"{len(choice_rules.excluded):,} excluded" if choice_rules.excluded else "",
            f"a multiple of {rules.multiple}" if rules.multiple > 1 else "",
        ]
        text += f". Rules: {', '.join(filter(None, parts))}"
    return f"{text}."


def _how_own(data: ReportData, origin: str) -> str:
    """Explain the choice of tokens that no size gives."""
    tradeoff, k = data.opened.tradeoff, data.chosen.k
    best = tradeoff.optimum
    text = (
        f"The {k:,} tokens were not taken by frequency alone: {origin}. The {k:,} most frequent "
        f"ones would cover {percent(tradeoff.at(k).coverage, 2)} of this corpus; with "
        f"alpha = {tradeoff.alpha:g} the exact optimum of plain sizes is {best.k:,} tokens"
    )
    return f"{text}, of utility {best.utility:.4f} against {data.chosen.choice.utility:.4f}."


def padding(data: ReportData) -> str:
    """Explain the tokens that are kept and never occur.

    Args:
        data: The content of the report.

    Returns:
        A sentence, "" where there are none.
    """
    distinct, k = data.inputs.counts.distinct, data.chosen.k
    if k <= distinct:
        return ""
    return (
        f"Only {distinct:,} distinct tokens were seen, so {k - distinct:,} of the kept ones never "
        "occurred: they add head rows and no coverage."
    )


def decision(data: ReportData) -> list[str]:
    """Write the decision, in the sentences of its card on the pages.

    Args:
        data: The content of the report.

    Returns:
        Sentences, none without a forecast.
    """
    if data.decision is None:
        return []
    return decision_text(data.decision, data.full.k).sentences()


def assumptions(data: ReportData) -> tuple[str, ...]:
    """List the assumptions of the forecast.

    Args:
        data: The content of the report.

    Returns:
        Sentences, none without a forecast.
    """
    predicted, settings = data.forecast, data.inputs.choice.forecast
    if predicted is None:
        return ()
    acceptance = data.acceptance
    cycles = predicted.cycles
    where = "measured cycle times" if settings.cycles else cycles.fast.source
    sentences = [
        "The full-vocabulary draft is taken to have an acceptance length of "
        f"{settings.full_length:g} tokens at draft depth {settings.depth}.",
        "The interval is a 90 % band: each assumption at its 5 % and 95 % value, combined as "
        "independent. A draft proposes a missing token less often than others, since it is rare.",
        *(acceptance.assumed if acceptance else ()),
        f"Cycle time comes from {where}. {cycles.regime}".strip(),
    ]
    if data.equivalent_k != data.chosen.k:
        sentences.append(
            f"The chosen tokens are taken to be accepted as often as the {data.equivalent_k:,} "
            "most frequent ones, which cover as much."
        )
    if settings.measured:
        pairs = ", ".join(f"{length:g} at k = {k:,}" for k, length in settings.measured)
        sentences.append(f"Acceptance lengths of trained drafts narrow it: {pairs}.")
    return tuple(sentences)


def limits(data: ReportData) -> tuple[str, ...]:
    """List what the report does not show.

    Args:
        data: The content of the report.

    Returns:
        Sentences.
    """
    sentences = [
        "Coverage counts how often text uses the kept tokens. How many drafted tokens the target "
        "accepts also depends on the draft itself; only a measurement tells.",
        "FLOPs saved per draft step is not a gain in throughput: verification takes most of a "
        "cycle, and in the paper's runs the head was 11 to 16% of it.",
        "Coverage is measured on the text the tokens were chosen from, where it is a "
        "little too high; corpora that had no part in the choice do not.",
    ]
    if data.inputs.measured:
        sentences.append(
            "Measurements are matched by the number of tokens kept; that the measured draft keeps "
            "the very same ones is for its own record to say."
        )
    if any(place.interval is None for place in data.elsewhere):
        sentences.append(
            "Where no interval is given, the corpus was available as counts only, without the "
            "conversations to resample."
        )
    return tuple(sentences)


def commands(data: ReportData) -> tuple[str, ...]:
    """Write the commands that reproduce the report.

    Args:
        data: The content of the report.

    Returns:
        Lines for a shell; a path in capitals is to be filled in.
    """
    provenance = data.inputs.counts.provenance
    template = "auto" if provenance.template == "tokenizer" else provenance.template
    count = [
        "count",
        "--tokenizer",
        provenance.tokenizer,
        "--data",
        *_names(data),
        "--rule",
        provenance.rule,
        "--template",
        template,
        "--out",
        "counts.npz",
    ]
    if provenance.span_end not in ("stop", EARLIER_VERSION):
        count += ["--span-end", provenance.span_end]
    count += [] if provenance.reasoning else ["--no-reasoning"]
    count += ["--last-turn-only"] if provenance.last_turn_only else []
    if provenance.max_length:
        count += ["--max-length", str(provenance.max_length)]
    own = ["choice", "save", "counts.npz", *data.inputs.choice.argv(), "--out", "choice.json"]
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
    return (*(shell_line(*line) for line in lines), *data.inputs.commands)


def _names(data: ReportData) -> Sequence[str]:
    return [str(corpus["name"]) for corpus in data.inputs.counts.provenance.corpora] or ["DATA"]
