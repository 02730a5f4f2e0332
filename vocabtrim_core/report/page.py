"""The report as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from platform import python_version
from typing import Any

import jinja2

import vocabtrim_core
from vocabtrim_core import wording
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_kinds import EAGLE3
from vocabtrim_core.palette import LIGHT
from vocabtrim_core.report import phrasing
from vocabtrim_core.report.charts import figures
from vocabtrim_core.report.data import ReportData

HERE = Path(__file__).parent
RULES = {
    "assistant": "what the target generates in its turns, reasoning and tool calls included, in "
    "the rendered chat template.",
    "content": "the same without the token that ends a turn.",
    "all": "every token of the rendered conversation.",
    "reference": "what the released code of the paper counts: of end-of-turn tokens only the last, "
    "and whatever stands between two user turns.",
}


def report_html(data: ReportData) -> str:
    """Write the report as one HTML document: style and figures inside, no script, nothing to load.

    The template escapes all text from data. Only our own SVG, whose text the XML writer escaped,
    and our own style are inserted as they are.

    Args:
        data: The content of the report.

    Returns:
        The document.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(_content(data))


def _content(data: ReportData) -> dict[str, Any]:
    inputs = data.inputs
    drawn = figures(data)
    order = list(drawn)
    return {
        "inputs": inputs,
        "counts": inputs.counts,
        "record": inputs.counts.provenance,
        "choice": inputs.choice,
        "tradeoff": data.opened.tradeoff,
        "chosen": data.chosen,
        "full": data.full,
        "options": data.options,
        "infeasible": any(not option.feasible for option in data.options),
        "elsewhere": data.elsewhere,
        "intervals": any(place.interval for place in data.elsewhere),
        "missing": data.missing,
        "next_in_line": data.next_in_line,
        "missed": data.missed,
        "forecast": data.forecast,
        "decision": [_typeset(sentence) for sentence in phrasing.decision(data)],
        "figures": drawn,
        "number": lambda name: order.index(name) + 1,
        "css": style_sheet(),
        "version": vocabtrim_core.__version__,
        "title": phrasing.title(data),
        "verdict": [_typeset(line) for line in phrasing.verdict(data)],
        "how_chosen": _typeset(phrasing.how_chosen(data)),
        "padding": phrasing.padding(data),
        "rule_text": RULES.get(inputs.counts.provenance.rule, ""),
        "assumptions": [_typeset(line) for line in phrasing.assumptions(data)],
        "limits": [_typeset(line) for line in phrasing.limits(data)],
        "provenance": provenance(data),
        "commands": phrasing.commands(data),
        **{
            name: getattr(wording, name)
            for name in ("percent", "signed", "between", "megabytes", "one_in")
        },
    }


def style_sheet() -> str:
    """The style sheet of reports, with the palette's colours."""
    names = ("ink", "muted", "line", "accent", "warn")
    colours = ";".join(f"--{name}:{getattr(LIGHT, name)}" for name in names)
    text = (HERE / "page.css").read_text("utf-8")
    return text.replace("ROOT", f":root{{{colours}}}").replace("MUTED", LIGHT.muted)


def _typeset(text: str) -> str:
    """Replace apostrophes of our sentences by typographic ones; the template escapes later."""
    return text.replace("'", "\u2019")


def provenance(data: ReportData) -> list[tuple[str, str]]:
    """List the sources of a report, for someone who checks it.

    Args:
        data: The content of the report.

    Returns:
        (name, value) of each that is known.
    """
    counts, choice = data.inputs.counts, data.inputs.choice
    record, architecture = counts.provenance, data.opened.tradeoff.architecture
    corpora = "; ".join(f"{c['name']}, sha256 {str(c['sha256'])[:16]}" for c in record.corpora)
    proof = record.proof.get("sentence") or "; ".join(
        str(part.get("sentence", part)) for part in record.proof.get("merged", ())
    )
    versions = {
        "vocabtrim": vocabtrim_core.__version__,
        "python": python_version(),
        **record.versions,
    }
    lost = [
        f"{times:,} times {reason}"
        for kind in ("skipped", "notes")
        for reason, times, _ in record.remarks(kind)
    ]
    rows = [
        ("Vocabulary", f"sha256 {choice.vocabulary_sha256}"),
        ("Counts", f"key {counts.key}, {record.engine or 'engine not recorded'}"),
        ("Corpora", corpora or "not recorded"),
        ("Counted turns", record.turn_end),
        ("Left out of the counts", "; ".join(lost)),
        ("Tokenizer", f"{record.tokenizer}, sha256 {record.tokenizer_sha256}"),
        ("Template", f"{record.template}, sha256 {record.template_sha256}"),
        ("Proof of the counts", str(proof or "none recorded")),
        (
            "Draft",
            f"{architecture.name}: hidden {architecture.hidden_size:,}, feed-forward "
            f"{architecture.intermediate_size:,}, {architecture.query_heads} heads "
            f"({architecture.key_value_heads} for keys and values) of {architecture.head_dim}, "
            + _charged(architecture),
        ),
        ("Versions", ", ".join(f"{name} {value}" for name, value in versions.items())),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _charged(architecture: DraftArchitecture) -> str:
    """Which head, where it is no EAGLE-3's, and what the fusion is charged to."""
    kind = architecture.head_kind
    step = "draft step" if architecture.fusion_per_step else "verification cycle"
    parts = [] if kind.name == EAGLE3 else [f"{kind.title} ({kind.source})"]
    parts += [f"feature fusion charged to every {step}"] if kind.charges_fusion else []
    return ", ".join(parts)
