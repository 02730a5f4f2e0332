"""The command that shows the counted text and the text of SpecForge's loss: spans."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import integer
from vocabtrim_core.cli.command import Command, Result, named_values
from vocabtrim_core.cli.corpus_options import (
    corpus_arguments,
    corpus_of,
    span_arguments,
    tokenizer_arguments,
    tokenizer_of,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import from_argv

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.templates.chat_template import Reading
    from vocabtrim_core.templates.specforge_loss import LossComparison, SpecForgeTemplate

OPEN, CLOSE = "⟦", "⟧"  # around a span in text for people


def _arguments(parser: argparse.ArgumentParser) -> None:
    tokenizer_arguments(parser)
    corpus_arguments(parser)
    span_arguments(parser)
    add = parser.add_argument_group("what is shown").add_argument
    add(
        "--first",
        type=integer,
        default=3,
        metavar="N",
        help="conversations of --data or --dataset; without either, two samples with tool calls "
        "and reasoning are shown (default %(default)s)",
    )
    add(
        "--specforge",
        metavar="NAME",
        help="the template of SpecForge to compare with (default: the one with the same header)",
    )


def _spans(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.templates.samples import SAMPLES, show
    from vocabtrim_core.templates.specforge_loss import (
        compare_loss,
        grouped_differences,
        matching_templates,
    )

    if arguments.first < 1:
        raise InputError(f"--first must be at least 1, but it is {arguments.first}.")
    tokenizer = tokenizer_of(arguments)
    template = resolve_template(tokenizer, arguments.template, arguments.span_end)
    fitting = matching_templates(template)
    entries = [_named(arguments.specforge)] if arguments.specforge else list(fitting)
    options = from_argv(CountConfig, arguments, "reasoning", "last_turn_only")
    shown, compared = [], []

    def add(title: str, reading: Reading, notes: Sequence[str], messages: Any, tools: Any) -> None:
        results = [
            compare_loss(template, reading, e, messages, tools) for e in entries if reading.text
        ]
        compared.extend(results)
        shown.append(
            {
                "title": title,
                "text": reading.text,
                "spans": [list(s) for s in reading.spans],
                "said": list(notes),
                "specforge": _trained(results[0]) if results else None,
            }
        )

    if arguments.data or arguments.dataset:
        from vocabtrim_core.corpora.preview import preview

        corpus = corpus_of(arguments, progress)
        for p in preview(corpus, tokenizer, template, arguments.rule, arguments.first, **options):
            add(f"{p.file}, row {p.row:,}", p.reading, p.notes, p.messages, p.tools)
    else:
        for sample in SAMPLES.values():
            read = show(template, sample, arguments.rule, **options)
            add(sample.title, read.reading, read.notes, sample.messages, sample.tools)
    return {
        "tokenizer": tokenizer.name,
        "template": template.name,
        "rule": arguments.rule,
        "span_end": template.span_end,
        "specforge": [entry.name for entry in entries],
        "conversations": shown,
        "differences": [
            {"specforge": list(names), "said": list(sentences)}
            for names, sentences in grouped_differences(compared)
        ],
        "warnings": [*tokenizer.warnings, *template.warnings],
    }


def _named(name: str) -> SpecForgeTemplate:
    from vocabtrim_core.templates.specforge_loss import BY_NAME

    if name not in BY_NAME:
        known = ", ".join(BY_NAME)
        raise InputError(f"SpecForge has no template {name} with a parser; choose one of {known}.")
    return BY_NAME[name]


def _trained(compare_loss: LossComparison) -> Result:
    return {
        "template": compare_loss.entry.name,
        "text": compare_loss.text,
        "spans": [list(span) for span in compare_loss.spans],
        "differences": list(compare_loss.differences),
    }


def marked(text: str, spans: Sequence[Sequence[int]]) -> str:
    """Mark ranges of a text.

    Args:
        text: The text.
        spans: (start, end) of each range in characters, in order and without overlap.

    Returns:
        The text with each range between `OPEN` and `CLOSE`.
    """
    pieces, at = [], 0
    for start, end in spans:
        pieces += [text[at:start], OPEN, text[start:end], CLOSE]
        at = end
    return "".join([*pieces, text[at:]])


def _text(result: Result) -> str:
    lines = [named_values(result, "tokenizer", "template", "rule", "span_end", "specforge")]
    for conversation in result["conversations"]:
        lines += ["", f"{conversation['title']}: counted between {OPEN} and {CLOSE}"]
        lines += (
            [marked(conversation["text"], conversation["spans"])] if conversation["text"] else []
        )
        lines += conversation["said"]
        if compared := conversation["specforge"]:
            lines += ["", f"the same in SpecForge ({compared['template']}): loss in {OPEN} {CLOSE}"]
            lines.append(marked(compared["text"], compared["spans"]))
    lines.append("")
    if not result["specforge"]:
        lines.append("SpecForge has no template with the headers of this chat template.")
    elif not result["differences"]:
        lines.append("SpecForge computes the loss on the counted text and on nothing else here.")
    for difference in result["differences"]:
        sentences = " ".join(difference["said"])
        lines.append(f"differs, SpecForge {', '.join(difference['specforge'])}: {sentences}")
    return "\n".join([*lines, *(f"warning: {sentence}" for sentence in result["warnings"])])


COMMANDS = (
    Command(
        "spans",
        "show the counted text of conversations, and the text that SpecForge computes the loss on",
        _spans,
        _arguments,
        _text,
        "spans --tokenizer llama-3.1 --span-end template",
    ),
)
