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
    found: list[Preview] = []
    if chosen.corpus is not None:
        found = preview(chosen.corpus, tokenizer, template, rule, 3, max_length=length, **narrower)
    if spans.open:
        with spans:
            st.caption(
                "Green is counted, ↵ is a newline at its end; the rest is what the chat template "
                "writes around it."
            )
            _conversations(found)
            _samples(samples)
    if check.open and chosen.corpus is None:
        check.caption(HUB)
    elif check.open and chosen.corpus:
        with check, st.spinner("Reading the rows"):
            seen = preflight(
                chosen.corpus, tokenizer, template, rule, sample=500, max_length=length, **narrower
            )
            ask_for_roles(chosen, seen.skipped)
            _report(seen, wanted["most_refused"])
    own = [Read(FIRST, p.reading, p.said, p.messages, p.tools) for p in found[:1]]
    return own + samples


def _conversations(found: list[Preview]) -> None:
    if not found:
        st.caption(HUB)
    for i, each in enumerate(found):
        st.caption(f"{plain(each.file)}, row {each.row:,}: {each.tokens:,} tokens {MEASURED}")
        alt = f"Conversation of row {each.row} with its counted spans"
        _marked(each.text, each.spans, f"preview_{i}", alt)
        _sentences(each.said)


def _samples(samples: list[Read]) -> None:
    for i, each in enumerate(samples):
        st.caption(f"{each.title}. {plain(' '.join(each.said))}")
        _marked(
            each.reading.text, each.reading.spans, f"sample_{i}", f"{each.title}, counted spans"
        )


def _marked(text: str, spans, key: str, alt: str) -> None:
    if text:
        marked_text(span_pieces(text, spans), key=key, height=220, alt=alt)


def _sentences(said: tuple[str, ...]) -> None:
    for sentence in said:
        st.caption(plain(sentence))


def _report(found: Preflight, most_refused: float) -> None:
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
    _rendered(found, most_refused)
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


def _rendered(found: Preflight, most_refused: float) -> None:
    """What came of the conversations that were rendered."""
    for reason, times, places in found.unwritten.reasons:
        st.markdown(
            f"- {plain(reason.capitalize())}: in {counted(times, 'turn')} of "
            f"{counted(found.rendered, 'conversation')} rendered "
            f"({plain(', '.join(places))}) {MEASURED}"
        )
    refused = found.refused
    if not refused.skipped:
        return
    text = (
        f"The template refuses {refused.skipped:,} of {counted(found.rendered, 'conversation')} "
        f"rendered {MEASURED}, about {percent(found.refused_share)} of all {ESTIMATED}; "
    )
    causes = "; ".join(f"{reason}, first at {places[0]}" for reason, _, places in refused.reasons)
    if found.refused_share > most_refused:
        rest = f"at most {percent(most_refused)} may be, so nothing would be counted."
        st.warning(f"{text}{rest} {plain(causes)}", icon=":material/warning:")
    else:
        st.markdown(f"- {text}they would be left out. {plain(causes)}")


def beside_trainer(template: ChatTemplate, shown: list[Read]) -> None:
    """Which text counts and which SpecForge gives loss to, side by side, and why they differ."""
    st.subheader("Beside SpecForge", anchor=False)
    entries = matching(template)
    if not entries:
        st.caption(
            "SpecForge has no template with the headers of this chat template, so there is nothing "
            "to compare with."
        )
        return
    read = [each for each in shown if each.reading.text]
    compared = {
        (each.title, entry.name): trained(template, each.reading, entry, each.messages, each.tools)
        for each in read
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
            [each.title for each in read],
            default=read[0].title if read else None,
            required=True,
            key="specforge_sample",
        )
        for each in read:
            if name and each.title == title:
                _pair(each, compared[each.title, name])


def _warnings(found: list[Trained], names: list[str]) -> None:
    differing = warnings_of(found)
    for some, said in differing:
        st.warning(
            f"**{plain(', '.join(some))}**: {plain(' '.join(said))}", icon=":material/warning:"
        )
    alike = [name for name in names if not any(name in some for some, _ in differing)]
    if alike and found:
        st.success(
            f"**{plain(', '.join(alike))}**: SpecForge gives loss to the text that counts, and to "
            "nothing else in these conversations.",
            icon=":material/check_circle:",
        )


def _pair(each: Read, other: Trained) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Counted**")
        _marked(
            each.reading.text, each.reading.spans, "beside_counted", f"{each.title}: counted spans"
        )
    with right:
        st.markdown(f"**Loss in SpecForge** ({plain(other.entry.name)})")
        _marked(other.text, other.spans, "beside_loss", f"{each.title}: loss in SpecForge")
    if other.entry.prompts:
        st.caption("SpecForge also puts a system prompt of its own before rows that have none.")
