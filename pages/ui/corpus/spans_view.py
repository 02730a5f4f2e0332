"""A look before the count: counted spans, the corpus check, the trainer beside it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from pages.ui.corpus.corpus_choice import ChosenCorpus, ask_for_roles
from pages.ui.corpus.marked_text import marked_text, span_pieces
from pages.ui.format import ESTIMATED, MEASURED, code_span, counted, percent, plain
from pages.ui.frame import tabs
from vocabtrim_core.corpora.preview import Preview, preview
from vocabtrim_core.counting.preflight import Preflight, preflight
from vocabtrim_core.templates.chat_template import ChatTemplate, Reading
from vocabtrim_core.templates.render import Messages
from vocabtrim_core.templates.samples import SAMPLES, show
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

FIRST = "First conversation"
HUB = "Rows of the hub can be looked at once they are downloaded."


class Read(NamedTuple):
    """A conversation that was read. notes: what counts of it or is lost, in sentences."""

    title: str
    reading: Reading
    notes: tuple[str, ...]
    messages: Messages | None
    tools: list | None


def panel(
    tokenizer: Tokenizer, chosen: ChosenCorpus, options: dict, template: ChatTemplate
) -> list[Read]:
    """Conversations with their counted spans marked, and the corpus check.

    Returns the first conversation and the samples.

    Args:
        tokenizer: the tokenizer.
        chosen: the corpus.
        options: what `counting_form.choose_options` returned.
        template: the chat template.
    """
    rule, length = options["rule"], options["max_length"]
    narrower = {name: options[name] for name in ("reasoning", "last_turn_only")}
    samples = [
        Read(sample.title, *show(template, sample, rule, **narrower), sample.messages, sample.tools)
        for sample in SAMPLES.values()
    ]
    previews: list[Preview] = []
    if chosen.corpus is not None:
        previews = preview(
            chosen.corpus, tokenizer, template, rule, 3, max_length=length, **narrower
        )

    def spans() -> None:
        st.caption(
            "Counted text is green, ↵ marks a newline at its end; the rest is what the chat "
            "template writes around it."
        )
        _conversations(previews)
        _samples(samples)

    def check() -> None:
        if chosen.corpus is None:
            st.caption(HUB)
            return
        with st.spinner("Reading the rows"):
            checked = preflight(
                chosen.corpus, tokenizer, template, rule, sample=500, max_length=length, **narrower
            )
        ask_for_roles(chosen, checked.skipped)
        _report(checked, options["most_refused"])

    tabs({"Counted spans": spans, "Corpus check": check}, key="look")
    own = [Read(FIRST, p.reading, p.notes, p.messages, p.tools) for p in previews[:1]]
    return own + samples


def _conversations(previews: list[Preview]) -> None:
    if not previews:
        st.caption(HUB)
    for i, conversation in enumerate(previews):
        st.caption(
            f"{plain(conversation.file)}, row {conversation.row:,}: {conversation.tokens:,} tokens "
            f"{MEASURED}"
        )
        alt = f"Conversation of row {conversation.row} with its counted spans"
        marked(conversation.text, conversation.spans, f"preview_{i}", alt)
        for sentence in conversation.notes:
            st.caption(plain(sentence))


def _samples(samples: list[Read]) -> None:
    for i, sample in enumerate(samples):
        st.caption(f"{sample.title}. {plain(' '.join(sample.notes))}")
        alt = f"{sample.title}, counted spans"
        marked(sample.reading.text, sample.reading.spans, f"sample_{i}", alt)


def marked(text: str, spans, key: str, alt: str) -> None:
    """Draw a text with its counted ranges marked; nothing for an empty one.

    Args:
        text: the text.
        spans: start and end of each marked range.
        key: key of the component.
        alt: what the text is, for screen readers.
    """
    if text:
        marked_text(span_pieces(text, spans), key=key, height=220, alt=alt)


def _report(checked: Preflight, most_refused: float) -> None:
    metrics = {
        "Conversations": checked.conversations,
        "Rows skipped": checked.skipped.skipped,
        "Empty answers": checked.empty_spans,
        "Turns, median": checked.turns.median,
    }
    cells = [*st.columns(2), *st.columns(2)]
    for cell, (label, value) in zip(cells, metrics.items(), strict=True):
        cell.metric(f"{label} {MEASURED}", f"{value:,.0f}")
    part = "All" if checked.complete else "The first 64 MB with"
    st.caption(f"{part} {counted(checked.rows, 'row')} were read.")
    for reason, count, places in (*checked.skipped.reasons, *checked.notes.reasons):
        st.markdown(plain(f"{count:,} rows: {reason} ({', '.join(places)})"))
    _rendered(checked, most_refused)
    if checked.empty_places:
        st.markdown(plain(f"Empty assistant text, first at {', '.join(checked.empty_places)}"))
    if checked.special_messages:
        texts = ", ".join(code_span(text) for text, _ in checked.special_literals[:5])
        st.markdown(f"- {checked.special_messages:,} messages spell out special tokens ({texts})")
    if checked.length:
        loss, every = checked.length, checked.length.sample == checked.conversations
        st.markdown(
            f"- A limit of {loss.max_length:,} tokens loses {percent(loss.share, 2)} of the "
            f"counted tokens; {loss.cut:,} of {counted(loss.sample, 'conversation')} "
            f"{'' if every else 'sampled '}are longer "
            f"{MEASURED if every and checked.complete else ESTIMATED}"
        )


def _rendered(checked: Preflight, most_refused: float) -> None:
    """What came of the conversations that were rendered."""
    for reason, times, places in checked.unwritten.reasons:
        st.markdown(
            f"- {plain(reason.capitalize())}: in {counted(times, 'turn')} of "
            f"{counted(checked.rendered, 'conversation')} rendered "
            f"({plain(', '.join(places))}) {MEASURED}"
        )
    refused = checked.refused
    if not refused.skipped:
        return
    text = (
        f"The template refuses {refused.skipped:,} of {counted(checked.rendered, 'conversation')} "
        f"rendered {MEASURED}, about {percent(checked.refused_share)} of all {ESTIMATED}; "
    )
    causes = "; ".join(f"{reason}, first at {places[0]}" for reason, _, places in refused.reasons)
    if checked.refused_share > most_refused:
        rest = f"at most {percent(most_refused)} may be, so nothing would be counted."
        st.warning(f"{text}{rest} {plain(causes)}", icon=":material/warning:")
    else:
        st.markdown(f"- {text}they would be left out. {plain(causes)}")
