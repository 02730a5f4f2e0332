"""How drafts are trained and where: SpecForge's settings, the target's own answers, GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui.train import deployment_form
from pages.ui.train.answerer_form import answer_arguments
from pages.ui.widgets import persisted
from vocabtrim_core.drafts.plan import (
    MAX_LENGTH,
    SMALL_MAX_LENGTH,
    SMALL_MAX_TOKENS,
    SMALL_PLAN,
    STARTS,
    Deployment,
    TrainingPlan,
)
from vocabtrim_core.templates.presets import NAMED

HELD_OUT = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of a training with the arguments of `train` that give them, defaults left out."""

    plan: TrainingPlan
    deployment: Deployment
    max_length: int
    max_tokens: int | None
    held_out: float
    template: str
    tokenizer: str | None
    name: str
    arguments: tuple[str, ...]
    run_arguments: tuple[str, ...]  # where it runs


def choose(bundled: bool) -> Options:
    """Draw the settings, folded away.

    Args:
        bundled: whether the target is the bundled one.

    Raises:
        InputError: for values that cannot be.
    """
    argv: list[str] = []
    with st.expander("Training settings", icon=":material/tune:"):
        plan = _plan(bundled, argv)
        length, tokens, held_out, template, tokenizer = _reading(bundled, argv)
        name = st.text_input(
            "Name of the run", **persisted("train_name"), placeholder="from its settings"
        ).strip()
    with st.expander("Regenerate answers with the target", icon=":material/autorenew:"):
        argv += _answers()
    with st.expander("GPU and cluster", icon=":material/memory:"):
        deployment, where = deployment_form.where()
    return Options(
        plan,
        deployment,
        length,
        tokens,
        held_out,
        template,
        tokenizer,
        name,
        tuple(argv),
        tuple(where),
    )


def _number(
    column, label: str, key: str, usual, least, argv: list[str], flag: str, **options
) -> Any:
    """A number whose usual value stands in it greyed; the argument only where it was changed."""
    usual_text = (
        f"{usual:,}" if isinstance(usual, int) else "none" if usual is None else f"{usual:g}"
    )
    value = column.number_input(
        label, least, None, None, **persisted(f"train_{key}"), placeholder=usual_text, **options
    )
    if value is None:
        return usual
    argv += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return value


def _plan(bundled: bool, argv: list[str]) -> TrainingPlan:
    usual = SMALL_PLAN if bundled else TrainingPlan()
    a, b, c, d = st.columns(4, gap="small")
    epochs = _number(a, "Epochs", "epochs", usual.epochs, 1, argv, "--epochs")
    steps = _number(b, "Steps at most", "steps", usual.max_steps, 1, argv, "--max-steps")
    batch = _number(
        c,
        "Batch",
        "batch",
        usual.batch_size,
        1,
        argv,
        "--batch-size",
        help="Conversations per optimizer step.",
    )
    accumulation = _number(
        d, "Accumulation", "accumulation", usual.accumulation, 1, argv, "--accumulation"
    )
    a, b, c, d = st.columns(4, gap="small")
    rate = _number(
        a,
        "Learning rate",
        "rate",
        usual.learning_rate,
        1e-7,
        argv,
        "--learning-rate",
        format="%.1e",
    )
    positions = _number(
        b,
        "Draft positions",
        "ttt",
        usual.ttt_length,
        1,
        argv,
        "--ttt-length",
        help="Unrolled in training; SpecForge's ttt_length.",
    )
    evaluations = _number(
        c,
        "Evaluations",
        "evaluations",
        usual.evaluations,
        1,
        argv,
        "--evaluations",
        help="And checkpoints, per training.",
    )
    start = d.selectbox(
        "Head starts",
        STARTS,
        STARTS.index(usual.start),
        **persisted(f"train_start_{bundled}"),
        help="scratch: random, as in the paper. target: the target's rows of the kept tokens.",
    )
    argv += ["--start", start] if start != usual.start else []
    compact = st.toggle(
        "Less memory for the target's logits",
        **persisted("train_compact"),
        help="SpecForge's compact_teacher: less memory, in exchange for time.",
    )
    argv += ["--compact-teacher"] if compact else []
    return TrainingPlan(
        compact_teacher=bool(compact),
        epochs=epochs,
        max_steps=steps,
        batch_size=batch,
        accumulation=accumulation,
        learning_rate=rate,
        ttt_length=positions,
        evaluations=evaluations,
        start=start,
    )


def _reading(bundled: bool, argv: list[str]) -> tuple[int, int | None, float, str, str | None]:
    a, b, c, d = st.columns(4, gap="small")
    usual = SMALL_MAX_LENGTH if bundled else MAX_LENGTH
    length = _number(
        a,
        "Length limit",
        "length",
        usual,
        2,
        argv,
        "--max-length",
        help="Tokens of a conversation that are used.",
    )
    tokens = _number(
        b,
        "Tokens at most",
        "tokens",
        SMALL_MAX_TOKENS if bundled else None,
        100,
        argv,
        "--max-tokens",
        help="Read in all.",
    )
    held_out = _number(
        c,
        "Held out",
        "held_out",
        HELD_OUT,
        0.001,
        argv,
        "--held-out",
        help="Share of conversations kept from training.",
    )
    template = d.selectbox(
        "Template",
        ["auto", *NAMED],
        **persisted("train_template"),
        help="auto: the tokenizer's own",
    )
    argv += ["--template", template] if template != "auto" else []
    tokenizer = st.text_input(
        "Tokenizer, where it is not beside the weights",
        **persisted("train_tok"),
        placeholder="beside the weights",
    ).strip()
    argv += ["--tokenizer", tokenizer] if tokenizer else []
    return length, tokens, held_out, template, tokenizer or None


def _answers() -> list[str]:
    """Arguments that let the target answer the prompts before anything is captured."""
    st.caption(
        "The paper's alignment step: every prompt is answered by the target itself, and the draft "
        "learns from those answers."
    )
    if not st.toggle("Regenerate the answers", **persisted("train_regenerate")):
        return []
    return answer_arguments("train_by", "--regenerate")
