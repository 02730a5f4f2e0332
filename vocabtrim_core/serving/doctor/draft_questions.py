"""Questions about the draft: loaded, trimmed, its head, its layers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath

from vocabtrim_core.serving.doctor.draft_facts import DraftFacts, layers_fed
from vocabtrim_core.serving.doctor.finding import Finding
from vocabtrim_core.serving.engine_reports import llama_cpp, sglang, vllm
from vocabtrim_core.serving.engine_reports.report import EngineReport
from vocabtrim_core.wording import format_bytes, percent

START = {
    vllm.NAME: '--speculative-config \'{"method": "eagle3", "model": "DRAFT", '
    '"num_speculative_tokens": 3}\'',
    sglang.NAME: "--speculative-algorithm EAGLE3 --speculative-draft-model-path DRAFT",
    llama_cpp.NAME: "--spec-type draft-eagle3 -md DRAFT.gguf",
}
TELLS = {
    vllm.NAME: "Start it with VLLM_SERVER_DEV_MODE=1, or give its log.",
    sglang.NAME: "Give the log from its start on.",
    llama_cpp.NAME: "Start it with `--slots` and `--metrics`, or give its log.",
}
AGAIN = "Export the draft again (`slice`, or `export` with the format of the engine)."
CLEAR = 10  # steps of rounding by which the two sizes must differ


def loaded(report: EngineReport, facts: DraftFacts | None) -> Finding:
    """Whether a draft is loaded.

    Args:
        report: What the server tells.
        facts: What the draft's folder says, None without one.

    Returns:
        The answer.
    """
    question = "Is a draft loaded?"
    if report.speculative is None:
        return Finding(
            "loaded",
            question,
            "unknown",
            f"{report.engine} does not tell it here.",
            TELLS[report.engine],
        )
    if not report.speculative:
        return Finding(
            "loaded",
            question,
            "no",
            f"{report.engine} runs without speculation: every token is the target's own.",
            f"Start it with {START[report.engine]}.",
            fault=True,
        )
    shape = [report.method, f"{report.steps} drafted tokens" if report.steps else ""]
    name = f"It names {report.draft}" if report.draft else "It does not name it"
    told = ", ".join(filter(None, shape))
    reason = f"{name} ({told})." if told else f"{name}."
    if facts and _is_another(report.draft, facts):
        reason += f" The folder given is {facts.folder or facts.name}: make sure that it is the "
        reason += "same draft."
    return Finding("loaded", question, "yes", reason)


def _is_another(served: str, facts: DraftFacts) -> bool:
    """Whether a server names another draft than the folder that was given.

    Where both are folders of this machine, their paths decide; else their names, as in a
    container.
    """
    if not served:
        return False
    with suppress(OSError):
        if facts.folder and Path(served).is_dir():
            return not Path(served).samefile(facts.folder)
    return PurePosixPath(served).name.removesuffix(".gguf") != facts.name


def trimmed(report: EngineReport, facts: DraftFacts | None, expected: int | None) -> Finding:
    """Whether the draft keeps a part of the vocabulary, and which size.

    Args:
        report: What the server tells.
        facts: What the draft's folder says, None without one.
        expected: The k that the user expects, None where none is named.

    Returns:
        The answer.
    """
    question = "Is it trimmed?"
    if report.speculative is False:
        return Finding("trimmed", question, "unknown", "There is no draft.")
    k = report.head_rows or (facts.k if facts else None)
    size = (facts.vocab_size if facts else None) or report.vocab_size
    if k is None:
        return Finding(
            "trimmed",
            question,
            "unknown",
            f"{report.engine} does not tell the size of the draft's vocabulary here.",
            "Name the draft's folder with --draft.",
        )
    share = f" of {size:,} tokens ({percent(k / size)})" if size else " tokens"
    reason = f"It drafts {k:,}{share}."
    verdict = "unknown" if size is None else ("yes" if k < size else "no")
    if expected is not None and expected != k:
        return Finding(
            "trimmed",
            question,
            verdict,
            f"{reason} Expected were {expected:,}.",
            "Start the server with the other folder, or name the right one.",
            fault=True,
        )
    return Finding("trimmed", question, verdict, reason)


def head_rows(report: EngineReport, facts: DraftFacts | None) -> Finding:
    """Whether the head that was loaded has k rows.

    Args:
        report: What the server tells.
        facts: What the draft's folder says, None without one.

    Returns:
        The answer.
    """
    key, question = "rows", "Does the head really have k rows, each with its token?"
    if report.speculative is False:
        return Finding(key, question, "unknown", "There is no draft.")
    if facts and facts.problem:
        missing = facts.mapped is None and facts.rows != facts.vocab_size
        why = (
            " Engines then take row numbers for token ids, without a word; acceptance may even "
            "look sound where the kept tokens are mostly the lowest ids."
            if missing
            else ""
        )
        return Finding(key, question, "no", facts.problem + why, AGAIN, fault=True)
    sentences: list[str] = []
    if facts and facts.rows is not None and facts.k is not None:
        mapping = f", d2t {facts.mapped:,} entries" if facts.mapped else ", no d2t as it must be"
        sentences.append(f"In its folder the head has {facts.rows:,} rows{mapping}.")
    if report.head_rows is not None:
        if facts and facts.rows is not None and facts.rows != report.head_rows:
            return Finding(
                key,
                question,
                "no",
                f"{report.engine} loaded {report.head_rows:,} rows, but the folder has "
                f"{facts.rows:,}.",
                "Start the server with this folder, or convert it again.",
                fault=True,
            )
        sentences.append(f"{report.engine} loaded {report.head_rows:,} rows.")
        return Finding(key, question, "yes", " ".join(sentences))
    return _by_size(report, facts, sentences, key, question)


def _by_size(
    report: EngineReport, facts: DraftFacts | None, sentences: list[str], key: str, question: str
) -> Finding:
    if not facts or facts.rows is None:
        return Finding(
            key,
            question,
            "unknown",
            f"{report.engine} does not tell it here.",
            "Name the draft's folder with --draft"
            + (", or give a log made with -lv 5." if report.engine == llama_cpp.NAME else "."),
        )
    sizes = _sizes(report, facts)
    if sizes is None:
        return Finding(key, question, "yes", " ".join(sentences))
    loaded_bytes, with_k, with_all = sizes
    where = (
        f"{report.engine} loaded {format_bytes(loaded_bytes)}; with {facts.rows:,} rows it would "
        f"be {format_bytes(with_k)}, with all {facts.vocab_size or 0:,} {format_bytes(with_all)}"
    )
    too_near = with_all - with_k < CLEAR * report.byte_step
    if too_near or (with_k + with_all) / 2 < loaded_bytes < with_all - report.byte_step:
        sentences.append(f"{where}, which does not tell them apart.")
        return Finding(key, question, "yes", " ".join(sentences))
    if loaded_bytes >= with_all - report.byte_step:
        return Finding(
            key, question, "no", f"{where}.", "Start the server with this folder.", fault=True
        )
    sentences.append(f"{where}.")
    return Finding(key, question, "yes", " ".join(sentences))


def _sizes(report: EngineReport, facts: DraftFacts) -> tuple[int, int, int] | None:
    """Bytes that were loaded, and what they would be with k and with V rows."""
    if report.draft_bytes is None or facts.vocab_size is None or facts.rows is None:
        return None
    # SGLang makes an embedding of its own before it takes the target's.
    extra = report.engine == sglang.NAME and not facts.embedded
    added = facts.vocab_size * facts.row_bytes if extra else 0
    with_k, with_all = facts.bytes_with(facts.rows), facts.bytes_with(facts.vocab_size)
    return report.draft_bytes, with_k + added, with_all + added


def layers(
    report: EngineReport, facts: DraftFacts | None, target_layers: int | None = None
) -> Finding:
    """Whether the engine feeds the draft the layers that it was trained on.

    Args:
        report: What the server tells.
        facts: What the draft's folder says, None without one.
        target_layers: Decoder layers of the target, None where unknown.

    Returns:
        The answer.
    """
    key, question = "layers", "Does it get the target's layers that it was trained on?"
    if report.speculative is False:
        return Finding(key, question, "unknown", "There is no draft.")
    if facts and facts.layers_problem:
        return Finding(key, question, "no", facts.layers_problem, AGAIN, fault=True)
    if not facts:
        told = f"{report.engine} feeds layers {_list(report.layers)}. " if report.layers else ""
        reason = f"{told}What it was trained on is in its folder."
        return Finding(key, question, "unknown", reason, "Name the folder with --draft.")
    fed = report.layers or layers_fed(facts.config, report.engine, target_layers)
    how = "says its log" if report.layers else "by what its code reads of config.json"
    if facts.trained is None:
        return Finding(
            key,
            question,
            "unknown",
            "The draft's config.json names no layers; engines then take 1, n // 2 - 1 and n - 4 of "
            "n, counted from 0, which is right for drafts trained on those.",
            "If it was trained on others, name them: " + AGAIN[:1].lower() + AGAIN[1:],
        )
    if fed is None:
        return Finding(
            key,
            question,
            "no",
            f"It was trained on layers {_list(facts.trained)} (counted from 0), but config.json "
            f"names none where {report.engine} looks, so it takes its default.",
            AGAIN,
            fault=True,
        )
    if sorted(fed) == sorted(facts.trained):
        return Finding(
            key, question, "yes", f"Trained on and fed: {_list(fed)}, counted from 0 ({how})."
        )
    return Finding(
        key,
        question,
        "no",
        f"It was trained on layers {_list(facts.trained)}, but {report.engine} feeds {_list(fed)}, "
        f"counted from 0 ({how}). That costs accepted tokens without any error.",
        AGAIN,
        fault=True,
    )


def _list(numbers: tuple[int, ...] | None) -> str:
    return ", ".join(map(str, numbers or ()))
