"""Questions about what was accepted: a working draft or a random one, by position, within K + 1."""

from __future__ import annotations

from vocabtrim_core.serving.doctor.finding import Finding
from vocabtrim_core.serving.doctor.random_draft import RandomDraft, share_interval
from vocabtrim_core.serving.engine_reports import llama_cpp, sglang
from vocabtrim_core.serving.engine_reports.report import DraftCounts, EngineReport
from vocabtrim_core.wording import listed

MORE = "Let it answer more: --answers asks it a few questions, or wait for its own traffic."
NOTHING = "Nothing is drafted."
WRONG = (
    "Look at the answers about head and layers; else the draft is of another target, its weights "
    "are not the trained ones, or it is given without its d2t."
)


def working(report: EngineReport, random: RandomDraft) -> Finding:
    """Whether first drafted tokens are accepted more often than a random draft's.

    Args:
        report: What the server tells.
        random: What a draft that ignores the text would reach.

    Returns:
        The answer.
    """
    key, question = "acceptance", "Is its acceptance that of a working draft?"
    if (nothing := _nothing(report, key, question)) is not None:
        return nothing
    counts = report.counts or DraftCounts(0, 0)
    low, high, told = first_accepted(counts, report.steps)
    about = "About " if counts.estimated else ""
    length = f" {about}{counts.length:.3f} tokens per verification." if counts.length else ""
    least, most = random.accepted_of(counts.verifications)
    reason = (
        f"{told}{length} {random.sentence} In {counts.verifications:,} drafts that is {least:,} to "
        f"{most:,} first tokens."
    )
    if low > random.most:
        return Finding(key, question, "yes", reason)
    if high <= random.most:
        return Finding(key, question, "no", reason, WRONG, fault=True)
    return Finding(key, question, "unknown", f"{reason} The two are not told apart.", MORE)


def first_accepted(counts: DraftCounts, steps: int | None) -> tuple[float, float, str]:
    """How often a drafted token was accepted that was tried.

    Args:
        counts: Sums over verifications.
        steps: K, None where unknown.

    Returns:
        The ends of the 95 % interval, and a sentence. With counts by position it is of the first
        drafted token. Without, it is of all that were tried: a verification tries tokens up to the
        first that it refuses, so that accepted + verifications were tried, less those of which all
        K were accepted.
    """
    n, accepted = counts.verifications, counts.accepted
    if counts.reached:
        hits, most_tried, least_tried, what = counts.reached[0], n, n, "first drafted tokens"
    else:
        hits, most_tried = accepted, accepted + n
        least_tried = most_tried - (accepted // steps if steps else min(accepted, n))
        what = "drafted tokens that were tried"
    low, high = share_interval(hits, most_tried)[0], share_interval(hits, least_tried)[1]
    about = "about " if counts.estimated else ""
    return (
        low,
        high,
        (
            f"{hits:,} of {about}{most_tried:,} {what} were accepted: {hits / most_tried:.1%} "
            f"({low:.1%} to {high:.1%} at 95%)."
        ),
    )


def shape(report: EngineReport, random: RandomDraft) -> Finding:
    """Whether tokens after the first are drafted as by a working draft.

    Args:
        report: What the server tells.
        random: What a draft that ignores the text would reach.

    Returns:
        The answer.
    """
    key, question = "positions", "Do its later tokens fall off as a working draft's?"
    if (nothing := _nothing(report, key, question)) is not None:
        return nothing
    reached = report.counts.reached if report.counts else ()
    n = report.counts.verifications if report.counts else 0
    if report.steps == 1 or len(reached) == 1:
        return Finding(key, question, "yes", "Only one token is drafted at a time.")
    if not reached:
        remedy = "Use --answers." if report.engine == sglang.NAME else "Give the URL too."
        if report.engine == llama_cpp.NAME:
            remedy = "Start it with `--metrics` and give its URL."
        reason = f"{report.engine} does not count by position here."
        return Finding(key, question, "unknown", reason, remedy)
    before = (n, *reached)
    if any(b > a for a, b in zip(before, reached, strict=False)):
        reason = (
            f"By position {_listed(reached)} of {n:,} were accepted, but a later token cannot be "
            "accepted without those before it."
        )
        return Finding(key, question, "no", reason, "Report it to the engine.", fault=True)
    told, random_at, decided = list[str](), list[int](), 0
    for i, (tried, hit) in enumerate(zip(before, reached, strict=False), 1):
        low, high = share_interval(hit, tried)
        if tried:
            told.append(f"{i}: {hit:,} of {tried:,} ({hit / tried:.0%})")
        decided += low > random.most
        if high <= random.most:
            random_at.append(i)
    reason = (
        f"Accepted at position, of those whose earlier tokens were: {'; '.join(told)}. "
        f"A draft that ignores the text has at most {random.most:.1%} at each."
    )
    if random_at:
        first = random_at[0]
        why = (
            f" From token {first} on it drafts like that."
            if first > 1
            else " Even the first is like that."
        )
        remedy = (
            f"Draft {first - 1} at a time, or train with more unrolled steps (--ttt-length); if it "
            "was better elsewhere, the engine does not feed its own hidden state on."
            if first > 1
            else WRONG
        )
        return Finding(key, question, "no", reason + why, remedy, fault=True)
    if decided < 2:
        return Finding(key, question, "unknown", reason + " These are too few to tell.", MORE)
    open_at = [str(i) for i in range(1, len(reached) + 1) if i > decided]
    rest = f" Too few to tell at {listed(open_at)}." if open_at else ""
    return Finding(key, question, "yes", reason + rest)


def within(report: EngineReport) -> Finding:
    """Whether no number exceeds what K drafted tokens can give.

    Args:
        report: What the server tells.

    Returns:
        The answer.
    """
    key, question = "k_plus_1", "Does the acceptance length stay within K + 1?"
    counts, steps = report.counts, report.steps
    length = counts.length if counts and counts.verifications else report.mean_length
    if report.speculative is False:
        return Finding(key, question, "unknown", NOTHING)
    if report.topk == 1 and steps and report.draft_tokens and report.draft_tokens != steps + 1:
        reason = (
            f"A chain of {steps} drafted tokens is verified with {steps + 1}, but it is set to "
            f"{report.draft_tokens}."
        )
        remedy = f"Set `--speculative-num-draft-tokens` to {steps + 1}."
        return Finding(key, question, "no", reason, remedy, fault=True)
    if length is None or not steps:
        missing = "K" if length is not None else "the acceptance length"
        return Finding(key, question, "unknown", f"{report.engine} does not tell {missing}.", MORE)
    most = steps + 1 if report.topk in (None, 1) else (report.draft_tokens or steps + 1)
    drafted = ""
    if counts and counts.drafted and counts.verifications:
        drafted = f" On average {counts.drafted / counts.verifications:.2f} tokens are drafted."
    if length > most + 1e-9:
        return Finding(
            key,
            question,
            "no",
            f"It is {length:.3f}, above {most}.{drafted}",
            "The number counts something else, such as the first token of each answer; take "
            "accepted / verifications + 1.",
            fault=True,
        )
    return Finding(key, question, "yes", f"It is {length:.3f} of at most {most}.{drafted}")


def _nothing(report: EngineReport, key: str, question: str) -> Finding | None:
    """The answer where there is nothing to judge."""
    if report.speculative is False:
        return Finding(key, question, "unknown", NOTHING)
    if report.simulated:
        return Finding(
            key,
            question,
            "no",
            f"The acceptance is not real: {report.simulated}.",
            "Start the server without that setting.",
            fault=True,
        )
    if report.counts is not None and report.counts.verifications:
        return None
    if report.mean_length is not None:
        return Finding(
            key,
            question,
            "unknown",
            f"{report.engine} tells a mean of {report.mean_length:.3f} tokens per verification, "
            "but not of how many, so that nothing bounds it.",
            MORE,
        )
    return Finding(key, question, "unknown", "Nothing was verified so far.", MORE)


def _listed(reached: tuple[int, ...]) -> str:
    return ", ".join(f"{hits:,}" for hits in reached)
