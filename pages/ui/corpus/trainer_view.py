"""The counted text beside the text that SpecForge computes the loss on."""

from __future__ import annotations

import streamlit as st

from pages.ui.corpus.spans_view import Read, marked
from pages.ui.format import plain
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.templates.specforge_loss import (
    LossComparison,
    compare_loss,
    grouped_differences,
    matching_templates,
)

# Where two texts have no room beside each other they stand one above the other.
STYLE = """<style>
@media (max-width: 1100px) {
  .st-key-beside_trainer [data-testid=stColumn] { min-width: 100%; }
}
</style>"""


def panel(template: ChatTemplate, conversations: list[Read]) -> None:
    """The counted text beside the text that SpecForge computes the loss on, and why they differ.

    Args:
        template: the chat template.
        conversations: conversations that were read.
    """
    st.subheader("Compared with SpecForge", anchor=False)
    entries = matching_templates(template)
    if not entries:
        st.caption(
            "SpecForge has no template with the headers of this chat template, so there is nothing "
            "to compare with."
        )
        return
    read = [conversation for conversation in conversations if conversation.reading.text]
    compared = {
        (conversation.title, entry.name): compare_loss(
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


def _warnings(compared: list[LossComparison], names: list[str]) -> None:
    alike = list(names)
    for differing, sentences in grouped_differences(compared):
        alike = [name for name in alike if name not in differing]
        st.warning(
            f"**{plain(', '.join(differing))}**: {plain(' '.join(sentences))}",
            icon=":material/warning:",
        )
    if alike and compared:
        st.success(
            f"**{plain(', '.join(alike))}**: SpecForge computes the loss on the counted text and "
            "on nothing else in these conversations.",
            icon=":material/check_circle:",
        )


def _pair(conversation: Read, other: LossComparison) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Counted**")
        marked(
            conversation.reading.text,
            conversation.reading.spans,
            "beside_counted",
            f"{conversation.title}: counted spans",
        )
    with right:
        st.markdown(f"**Loss in SpecForge** ({plain(other.entry.name)})")
        marked(other.text, other.spans, "beside_loss", f"{conversation.title}: loss in SpecForge")
    if other.entry.prompts:
        st.caption("SpecForge also adds its own system prompt to rows that have none.")
