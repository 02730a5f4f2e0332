"""What is counted: the rule, the template, options; the button that counts; the counted sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.ui import jobpanel, state
from pages.ui.corpus.corpus_choice import ChosenCorpus
from pages.ui.format import MEASURED, counted, plain, what_counts
from pages.ui.job_results import result_of
from pages.ui.router import page
from pages.ui.session import session
from pages.ui.tokens import spec_of
from pages.ui.widgets import persisted
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.templates.chat_template import RULES, SPAN_ENDS, ChatTemplate
from vocabtrim_core.templates.resolve import NAMED, resolve_template
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.tokenizers.vocab_size import BY_HAND

RULE_HELP = {
    "assistant": "What the target generates in its turns: text, reasoning, tool calls, and the "
    "token it stops with.",
    "content": "The same without the token it stops with.",
    "all": "Every token of the rendered conversation.",
    "reference": "As the paper's released code: the end-of-turn token of the last turn only.",
}
SPAN_END_NAMES = {"stop": "Stop token", "template": "Template's end", "next-role": "Next role"}
SPAN_END_HELP = {
    "stop": "The last token that the model generates there.",
    "template": "With all that the template writes for the turn, such as the newline after the "
    "stop token. SpecForge computes the loss on it, too.",
    "next-role": "As Stop token; where the template writes none (GLM), with the marker of the next "
    "role, which stops the model.",
}
REFUSED = 1.0  # percent of conversations that a template may refuse, at first


def choose_options() -> dict:
    """The rule, template and options chosen."""
    rule = st.segmented_control(
        "Rule", RULES, default="assistant", required=True, **persisted("rule")
    )
    rule = rule or "assistant"
    st.caption(RULE_HELP[rule])
    span_end = "stop"
    if rule == "assistant":
        span_end = (
            st.segmented_control(
                "A turn ends with",
                SPAN_ENDS,
                default="stop",
                required=True,
                **persisted("span_end"),
                format_func=SPAN_END_NAMES.__getitem__,
            )
            or "stop"
        )
        st.caption(SPAN_END_HELP[span_end])
    left, right = st.columns(2)
    template = left.selectbox(
        "Template", ["auto", *NAMED], **persisted("template"), help="auto: the tokenizer's own"
    )
    length = right.number_input(
        "Length limit, tokens",
        1,
        None,
        None,
        **persisted("max_length"),
        placeholder="none",
    )
    refused = left.number_input(
        "Refused conversations allowed, %",
        0.0,
        100.0,
        REFUSED,
        0.5,
        **persisted("most_refused"),
        help="Conversations that the template may refuse to render. They "
        "are left out and reported; with more of them nothing is counted.",
    )
    reasoning = st.toggle("Count reasoning content", True, **persisted("reasoning"))
    last = st.toggle("Last turn only", False, **persisted("last_turn"))
    return {
        "rule": rule,
        "template": template,
        "max_length": length,
        "reasoning": reasoning,
        "last_turn_only": last,
        "span_end": span_end,
        "most_refused": (REFUSED if refused is None else refused) / 100,
    }


def arguments(tokenizer: Tokenizer, chosen: ChosenCorpus, options: dict) -> list[str]:
    """The `count` command of these choices, defaults left out.

    Args:
        tokenizer: the tokenizer.
        chosen: the corpus.
        options: what `choose_options` returned.
    """
    argv = _command("count", tokenizer, chosen.arguments, options)
    if options["max_length"]:
        argv += ["--max-length", str(options["max_length"])]
    if options["most_refused"] != REFUSED / 100:
        argv += ["--max-refused", f"{options['most_refused']:g}"]
    return argv


def spans_command(tokenizer: Tokenizer, options: dict) -> list[str]:
    """The command that shows what of the samples counts.

    Args:
        tokenizer: the tokenizer.
        options: what `choose_options` returned.
    """
    return _command("spans", tokenizer, (), options)


def _command(verb: str, tokenizer: Tokenizer, data: Sequence[str], options: dict) -> list[str]:
    spec, revision = spec_of(tokenizer.source)
    argv = [verb, "--tokenizer", spec, *data]
    argv += ["--tokenizer-revision", revision] if revision else []
    if tokenizer.vocab_size_from == BY_HAND:
        argv += ["--vocab-size", str(tokenizer.vocab_size)]
    for name, default in (("rule", "assistant"), ("span_end", "stop"), ("template", "auto")):
        if options[name] != default:
            argv += [f"--{name.replace('_', '-')}", options[name]]
    argv += [] if options["reasoning"] else ["--no-reasoning"]
    argv += ["--last-turn-only"] if options["last_turn_only"] else []
    return argv


def template_of(tokenizer: Tokenizer, options: dict) -> ChatTemplate:
    """The chosen template.

    Args:
        tokenizer: the tokenizer.
        options: what `choose_options` returned.

    Raises:
        InputError: where it cannot be used with this tokenizer.
    """
    return resolve_template(tokenizer, options["template"], options["span_end"])


def count_button(argv: list[str], name: str, options: dict, *, possible: bool) -> None:
    """Start the count as a background job; off while there is nothing to count.

    Args:
        argv: arguments of `count`.
        name: name of the corpus.
        options: what `choose_options` returned.
        possible: whether there is anything to count.
    """
    template = options["template"]
    how = [what_counts(**options), *([] if template == "auto" else [f"template {template}"])]
    jobpanel.start_button(
        "Count the tokens",
        argv,
        f"Count {name}: {', '.join(how)}",
        possible=possible,
        type="primary",
        icon=":material/calculate:",
        key="count",
    )


def progress() -> None:
    """The latest counts as jobs; one that is done says its result and leads to Explore."""
    jobpanel.watch(lambda: jobpanel.of_verb("count", "demo")[:3], "counts", _outcome)


def _outcome(job: Job) -> None:
    result = result_of(job)
    if "key" not in result:
        return
    st.markdown(
        f"{counted(result['tokens'], 'token')} of "
        f"{counted(result['conversations'], 'conversation')} "
        f"{MEASURED} by {plain(result['engine'])}; {plain(result['proof']['sentence'])}.",
        help="\n\n".join(map(plain, result["proof"].get("details", ()))) or None,
    )
    for remark in (*result.get("skips", ()), *result.get("notes", ())):
        st.caption(plain(_left_out(remark)))
    known = [stored.key for stored in state.counted_sets()]
    if result["key"] in known and st.button(
        "Explore", icon=":material/tune:", key=f"explore_{job.id}"
    ):
        explore(result["key"])


def _left_out(remark: Mapping[str, Any]) -> str:
    """A remark of a count's result: rows that were skipped, or what of them does not count."""
    places = ", ".join(remark["places"])
    if "rows" in remark:
        return f"{counted(remark['rows'], 'row')} skipped: {remark['reason']} ({places})"
    return f"{remark['times']:,} times not counted: {remark['note']} ({places})"


def explore(key: str) -> None:
    """Put a counted set in view on Explore.

    Args:
        key: its key.
    """
    session.counts_key = key
    st.switch_page(page("explore"))
