"""What is counted: the rule, the template, options; a look at the spans; the button that counts."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from pages.ui import jobpanel, state
from pages.ui.corpus_choice import Chosen
from pages.ui.marked_text import marked_text, span_pieces
from pages.ui.router import page
from pages.ui.tokens import spec_of
from pages.ui.words import (
    ESTIMATED,
    MEASURED,
    code_span,
    counted,
    percent,
    plain,
    what_counts,
)
from vocabtrim_core import workspace
from vocabtrim_core.corpora.preflight import Preflight, preflight
from vocabtrim_core.corpora.preview import preview
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.templates.chat_template import RULES
from vocabtrim_core.templates.resolve import NAMED, resolve_template
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.tokenizers.vocab_size import BY_HAND

RULE_HELP = {
    "assistant": "Assistant text plus its end-of-turn token, in the context of the chat template: "
    "the tokens that carry loss when a draft is trained.",
    "content": "Assistant text alone, without the end-of-turn token.",
    "all": "Every token of the rendered conversation.",
    "reference": "As the paper's released code: the end-of-turn token of the last turn only.",
}


def options() -> dict:
    """The rule, template and options chosen."""
    rule = st.segmented_control(
        "Rule", RULES, default="assistant", required=True, key="rule", persist_state="session"
    )
    rule = rule or "assistant"
    st.caption(RULE_HELP[rule])
    left, right = st.columns(2)
    template = left.selectbox("Template", ["auto", *NAMED], key="template", persist_state="session",
                              help="auto: the tokenizer's own")  # fmt: skip
    length = right.number_input("Length limit, tokens", 1, None, None, key="max_length",
                                placeholder="none", persist_state="session")  # fmt: skip
    reasoning = st.toggle("Count reasoning content", True, key="reasoning", persist_state="session")
    last = st.toggle("Last turn only", False, key="last_turn", persist_state="session")
    return {"rule": rule, "template": template, "max_length": length, "reasoning": reasoning,
            "last_turn_only": last}  # fmt: skip


def arguments(tokenizer: Tokenizer, chosen: Chosen, wanted: dict) -> list[str]:
    """The `count` command of these choices, defaults left out."""
    spec, revision = spec_of(tokenizer.source)
    argv = ["count", "--tokenizer", spec, *chosen.arguments]
    argv += ["--tokenizer-revision", revision] if revision else []
    if tokenizer.vocab_size_from == BY_HAND:
        argv += ["--vocab-size", str(tokenizer.vocab_size)]
    if wanted["rule"] != "assistant":
        argv += ["--rule", wanted["rule"]]
    if wanted["template"] != "auto":
        argv += ["--template", wanted["template"]]
    if wanted["max_length"]:
        argv += ["--max-length", str(wanted["max_length"])]
    argv += [] if wanted["reasoning"] else ["--no-reasoning"]
    argv += ["--last-turn-only"] if wanted["last_turn_only"] else []
    return argv


def look(tokenizer: Tokenizer, chosen: Chosen, wanted: dict) -> None:
    """Rendered conversations with the counted spans marked, and the pre-flight."""
    wanted = dict(wanted)
    template = resolve_template(tokenizer, wanted.pop("template"))
    if chosen.corpus is None:
        st.caption("Rows of the hub can be looked at once they are downloaded.")
        return
    spans, check = st.tabs(["Counted spans", "Pre-flight"], key="look", on_change="rerun")
    if spans.open:
        with spans:
            st.caption("Green is counted; the rest is what the chat template writes around it.")
            found = preview(chosen.corpus, tokenizer, template, n=3, **wanted)
            for i, each in enumerate(found):
                st.caption(f"{each.file}, row {each.row:,}: {each.tokens:,} tokens {MEASURED}")
                alt = f"Conversation of row {each.row} with its counted spans"
                pieces = span_pieces(each.text, each.spans)
                marked_text(pieces, key=f"preview_{i}", height=220, alt=alt)
    if check.open:
        with check, st.spinner("Reading the rows"):
            _report(preflight(chosen.corpus, tokenizer, template, sample=500, **wanted))


def _report(found: Preflight) -> None:
    metrics = {
        "Conversations": found.conversations,
        "Rows skipped": found.skipped.skipped,
        "Empty answers": found.empty_spans,
        "Turns, median": found.turns.median,
    }
    cells = [*st.columns(2), *st.columns(2)]
    for cell, (label, value) in zip(cells, metrics.items(), strict=True):
        cell.metric(f"{label} {MEASURED}", f"{value:,.0f}")
    part = "All" if found.complete else "The first 64 MB with"
    st.caption(f"{part} {counted(found.rows, 'row')} were read.")
    for reason, count, places in (*found.skipped.reasons, *found.notes.reasons):
        st.markdown(plain(f"{count:,} rows: {reason} ({', '.join(places)})"))
    if found.empty_places:
        st.markdown(plain(f"Empty assistant text, first at {', '.join(found.empty_places)}"))
    if found.special_messages:
        texts = ", ".join(code_span(text) for text, _ in found.special_literals[:5])
        st.markdown(f"- {found.special_messages:,} messages spell out special tokens ({texts})")
    if found.length:
        loss, every = found.length, found.length.sample == found.conversations
        st.markdown(
            f"- A limit of {loss.max_length:,} tokens loses {percent(loss.share, 2)} of the "
            f"counted tokens; {loss.cut:,} of {counted(loss.sample, 'conversation')} "
            f"{'' if every else 'sampled '}are longer "
            f"{MEASURED if every and found.complete else ESTIMATED}"
        )


def count_button(argv: list[str], name: str, wanted: dict, *, possible: bool) -> None:
    """Start the count as a background job; off while there is nothing to count."""
    template = wanted["template"]
    how = [what_counts(**wanted), *([] if template == "auto" else [f"template {template}"])]
    busy = any(job.active and job.argv == tuple(argv) for job in jobpanel.of_verb("count"))
    st.button("Count the tokens", type="primary", icon=":material/calculate:", key="count",
              disabled=busy or not possible, on_click=jobpanel.begin,
              args=(argv, f"Count {name}: {', '.join(how)}"))  # fmt: skip


def progress() -> None:
    """The latest counts as jobs; one that is done says its result and leads to Explore."""
    jobpanel.watch(lambda: jobpanel.of_verb("count", "demo")[:3], "counts", _outcome)


def _outcome(job: Job) -> None:
    found = job.result() or {}
    if "key" not in found:
        return
    st.markdown(
        f"{counted(found['tokens'], 'token')} of {counted(found['conversations'], 'conversation')} "
        f"{MEASURED} by {plain(found['engine'])}; {plain(found['proof']['sentence'])}."
    )
    known = [stored.key for stored in state.counted_sets()]
    if found["key"] in known and st.button("Explore", icon=":material/tune:",
                                           key=f"explore_{job.id}"):  # fmt: skip
        _explore(found["key"])


def _explore(key: str) -> None:
    st.session_state.counts_key = key
    st.switch_page(page("explore"))


def counted_list() -> None:
    """The counted sets; select one to use it."""
    sets = state.counted_sets()
    if not sets:
        st.caption("Nothing is counted yet.")
        return
    rows = pd.DataFrame(
        {
            "Set": [s.counts.name for s in sets],
            "Tokenizer": [s.counts.provenance.tokenizer for s in sets],
            "Counted": [what_counts(**asdict(s.counts.provenance)) for s in sets],
            "Template": [s.counts.provenance.template for s in sets],
            "Tokens": [s.counts.tokens for s in sets],
            "Distinct": [s.counts.distinct for s in sets],
            "Conversations": [s.counts.conversations for s in sets],
            "Key": [s.key for s in sets],
        }
    )
    number = st.column_config.NumberColumn(format="localized")
    picked = st.dataframe(
        rows, hide_index=True, key="counted", on_select="rerun", selection_mode="single-row",
        column_config={name: number for name in ("Tokens", "Distinct", "Conversations")},
        alt="Counted sets of this workspace",
    ).selection.rows  # fmt: skip
    if not picked:
        st.caption("Select a row to use it or to remove it.")
        return
    chosen = sets[picked[0]]
    with st.container(horizontal=True):
        if st.button("Use this", type="primary", icon=":material/tune:", key="use_counts"):
            _explore(chosen.key)
        if st.button("Remove", type="tertiary", icon=":material/delete:", key="drop_counts"):
            workspace.remove_counts(chosen.key)
            st.rerun()
