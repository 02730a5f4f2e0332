"""Corpus: choose a tokenizer and conversations, see what is counted, count it."""

import streamlit as st

from pages.ui.corpus import (
    corpus_choice,
    counted_list,
    counting_form,
    spans_view,
    tokenizer_choice,
    trainer_view,
)
from pages.ui.corpus.refusal import refusal
from pages.ui.frame import footer, heading, plain_errors
from pages.ui.router import require_router

require_router()

heading(
    "Corpus", "Which tokens does your traffic use? Choose a tokenizer and conversations, and count."
)
left, right = st.columns(2, gap="large")
chosen = template = None
conversations, commands = [], []
with left:
    st.subheader("Tokenizer", anchor=False)
    tokenizer = tokenizer_choice.choose()
    if tokenizer:
        with plain_errors():
            tokenizer_choice.try_it(tokenizer)
with right:
    st.subheader("Conversations", anchor=False)
    with plain_errors():
        chosen = corpus_choice.choose()

argv = None
if tokenizer and chosen:
    st.subheader("What is counted", anchor=False)
    form, view = st.columns([1, 1.2], gap="large")
    with view:
        problem = corpus_choice.problem(chosen)
    with form:
        options = counting_form.choose_options()
        argv = counting_form.arguments(tokenizer, chosen, options)
        refused = None if problem else refusal(tokenizer, chosen, options)
        possible = problem is None and refused is None
        counting_form.count_button(argv, chosen.name, options, possible=possible)
        counting_form.progress()
    with view, plain_errors():
        if problem:
            raise problem
        template = counting_form.template_of(tokenizer, options)
        if refused:
            with plain_errors():
                raise refused
        conversations = spans_view.panel(tokenizer, chosen, options, template)
    if template:
        trainer_view.panel(template, conversations)
    commands.append(counting_form.spans_command(tokenizer, options))

if not argv:
    counting_form.progress()

st.subheader("Counted sets", anchor=False)
counted_list.counted_list()
footer(argv or ["count", "--tokenizer", "llama-3.1", "--data", "PATH"], *commands)
