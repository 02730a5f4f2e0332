"""A look before the count: counted spans, the pre-flight, the trainer beside it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from pages.ui.corpus.corpus_choice import ChosenCorpus, ask_for_roles
from pages.ui.corpus.marked_text import marked_text, span_pieces
from pages.ui.format import ESTIMATED, MEASURED, code_span, counted, percent, plain
from vocabtrim_core.corpora.preview import Preview, preview
from vocabtrim_core.counting.preflight import Preflight, preflight
from vocabtrim_core.templates.chat_template import ChatTemplate, Reading
from vocabtrim_core.templates.render import Messages
from vocabtrim_core.templates.samples import SAMPLES, show
from vocabtrim_core.templates.trainer import Trained, matching, trained, warnings_of
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

FIRST = "First conversation"
HUB = "Rows of the hub can be looked at once they are downloaded."
# Where two texts have no room beside each other they stand one above the other.
STYLE = """<style>
@media (max-width: 1100px) {
  .st-key-beside_trainer [data-testid=stColumn] { min-width: 100%; }
}
</style>"""


class Read(NamedTuple):
    """A conversation that was read. said: what counts of it or is lost, in sentences."""

    title: str
    reading: Reading
    said: tuple[str, ...]
    messages: Messages | None
    tools: list | None


def look(
    tokenizer: Tokenizer, chosen: ChosenCorpus, wanted: dict, template: ChatTemplate
) -> list[Read]:
    """Conversations with their counted spans marked, and the pre-flight; returns the first one and
    the samples."""
    narrower = {name: wanted[name] for name in ("reasoning", "last_turn_only")}
    rule, length = wanted["rule"], wanted["max_length"]
    samples = [
        Read(sample.title, *show(template, sample, rule, **narrower), sample.messages, sample.tools)
        for sample in SAMPLES.values()
    ]
    spans, check = st.tabs(["Counted spans", "Pre-flight"], key="look", on_change="rerun")
    previews: list[Preview] = []
    if chosen.corpus is not None:
        previews = preview(
            chosen.corpus, tokenizer, template, rule, 3, max_length=length, **narrower
        )
    if spans.open:
        with spans:
            st.caption(
                "Green is counted, ↵ is a newline at its end; the rest is what the chat template "
                "writes around it."
            )
            _conversations(previews)
            _samples(samples)
    if check.open and chosen.corpus is None:
        check.caption(HUB)
    elif check.open and chosen.corpus:
        with check, st.spinner("Reading the rows"):
            checked = preflight(
                chosen.corpus, tokenizer, template, rule, sample=500, max_length=length, **narrower
            )
            ask_for_roles(chosen, checked.skipped)
            _report(checked, wanted["most_refused"])
    own = [Read(FIRST, p.reading, p.said, p.messages, p.tools) for p in previews[:1]]
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
        _marked(conversation.text, conversation.spans, f"preview_{i}", alt)
        _sentences(conversation.said)


def _samples(samples: list[Read]) -> None:
    for i, sample in enumerate(samples):
        st.caption(f"{sample.title}. {plain(' '.join(sample.said))}")
        _marked(
            sample.reading.text,
            sample.reading.spans,
            f"sample_{i}",
            f"{sample.title}, counted spans",
        )


def _marked(text: str, spans, key: str, alt: str) -> None:
    if text:
        marked_text(span_pieces(text, spans), key=key, height=220, alt=alt)


def _sentences(sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        st.caption(plain(sentence))


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


def beside_trainer(template: ChatTemplate, conversations: list[Read]) -> None:
    """Which text counts and which SpecForge gives loss to, side by side, and why they differ."""
    st.subheader("Beside SpecForge", anchor=False)
    entries = matching(template)
    if not entries:
        st.caption(
            "SpecForge has no template with the headers of this chat template, so there is nothing "
            "to compare with."
        )
        return
    read = [conversation for conversation in conversations if conversation.reading.text]
    compared = {
        (conversation.title, entry.name): trained(
            template, conversation.reading, entry, conversation.messages, conversation.tools
        )
        for conversation in read
        for entry in entries
    }
    st.html(STYLE)
    with st.container(key="beside_trainer"):
        _warnings(list(compared.values()), [entry.name for entry in entries])
        left, right = st.columns(2, gap="medium")
        name = left.selectbox(
            "Template of SpecForge",
            [entry.name for entry in entries],
            key="specforge_template",
            help="Those whose header opens the answers of the chosen chat template.",
        )
        title = right.segmented_control(
            "Conversation",
            [conversation.title for conversation in read],
            default=read[0].title if read else None,
            required=True,
            key="specforge_sample",
        )
        for conversation in read:
            if name and conversation.title == title:
                _pair(conversation, compared[conversation.title, name])


def _warnings(compared: list[Trained], names: list[str]) -> None:
    differing = warnings_of(compared)
    for differing_names, sentences in differing:
        st.warning(
            f"**{plain(', '.join(differing_names))}**: {plain(' '.join(sentences))}",
            icon=":material/warning:",
        )
    alike = [
        name
        for name in names
        if not any(name in differing_names for differing_names, _ in differing)
    ]
    if alike and compared:
        st.success(
            f"**{plain(', '.join(alike))}**: SpecForge gives loss to the text that counts, and to "
            "nothing else in these conversations.",
            icon=":material/check_circle:",
        )


def _pair(conversation: Read, other: Trained) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Counted**")
        _marked(
            conversation.reading.text,
            conversation.reading.spans,
            "beside_counted",
            f"{conversation.title}: counted spans",
        )
    with right:
        st.markdown(f"**Loss in SpecForge** ({plain(other.entry.name)})")
        _marked(other.text, other.spans, "beside_loss", f"{conversation.title}: loss in SpecForge")
    if other.entry.prompts:
        st.caption("SpecForge also puts a system prompt of its own before rows that have none.")
