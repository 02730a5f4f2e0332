"""Sentences of the library name a setting by its flag; a page names its own field instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pages.ui.format import plain

# Flag -> the label of the field that sets it.
FIELDS = {
    "--across-engines": "Compare different engines",
    "--accumulation": "Accumulation",
    "--answer-tokens": "Tokens per answer",
    "--answers": "Questions to ask it first",
    "--api": "It speaks",
    "--batch-size": "Batch",
    "--compact-teacher": "Less memory for the target's logits",
    "--concurrency": "Prompts at once",
    "--context": "Tokens attention looks back on",
    "--counts": "Tokens chosen from",
    "--cut-answers": "Answers cut at that length",
    "--device": "Device",
    "--draft-config": "Custom config.json",
    "--draft-tokens": "Tokens verified per cycle",
    "--drop-missing": "Allow a draft that is already trimmed",
    "--engine": "Engine",
    "--epochs": "Epochs",
    "--evaluations": "Evaluations",
    "--held-out": "Held out",
    "--insist": "Compare servers that differ",
    "--interpreter": "Engine",
    "--k": "Custom sizes",
    "--learning-rate": "Learning rate",
    "--limit": "Row limit",
    "--map": "Columns",
    "--master-addr": "First node's address",
    "--measured": "Cycle time from",
    "--max-length": "Length limit",
    "--max-refused": "Refused conversations allowed, %",
    "--max-steps": "Steps at most",
    "--max-tokens": "Tokens at most",
    "--name": "Name of the run",
    "--only": "Only what has this in its name",
    "--nodes": "Nodes",
    "--node-rank": "Rank of this node",
    "--pool": "Add up what is alike in several files",
    "--processes": "GPUs per node",
    "--regenerate": "Regenerate the answers",
    "--sidecar": "The file is a draft of its own",
    "--start": "Head starts",
    "--target": "Folder of the target",
    "--temperature": "Temperature",
    "--template": "Template",
    "--trainer": "Trainer",
    "--ttt-length": "Draft positions",
    "--url": "Servers, one per line",
    "--vocabulary": "A vocabulary file",
    "--vocab-size": "Model's V",
    "--weight-bytes": "Target, bytes per weight",
}
# Options that only a shell can set: the sentence says so.
SHELL_ONLY = {
    "cluster",
    "draft",
    "draft-folder",
    "draft-steps",
    "format",
    "gguf-type",
    "header",
    "mem-fraction",
    "model",
    "multiple",
    "out",
    "target-gguf",
    "seed",
    "threads",
    "tokenizer",
}
FLAG = re.compile(r"(`[^`]*`)|(--[a-z][a-z-]*)( (?=[\w.]+=))?")


def with_labels(sentence: str, own: Mapping[str, str] = MappingProxyType({})) -> str:
    """A sentence of the library as a page shows it, in Markdown: flags by their fields' labels.

    What stands between backticks is a command to type and stays as it is.

    Args:
        sentence: a sentence of the library.
        own: labels of flags where the page has others.
    """
    labels = {**FIELDS, **own}

    def named(match: re.Match[str]) -> str:
        command, flag, pairs = match.groups()
        if command:
            return command
        if flag in labels:
            return f"“{labels[flag]}”{': ' if pairs else ''}"
        return f"{flag} in a shell" if flag[2:] in SHELL_ONLY else match[0]

    return plain(FLAG.sub(named, sentence))
