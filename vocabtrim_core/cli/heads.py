"""Commands about the heads of a checkpoint: heads, trim-mtp."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import integer, shared
from vocabtrim_core.cli.command import Command, Result, named_values, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.wording import format_bytes, shell_line

if TYPE_CHECKING:
    from vocabtrim_core.drafts.mtp.heads import DraftHead
    from vocabtrim_core.jobs.progress import Progress

# --- heads --------------------------------------------------------------------------------------


def _heads_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="folder of a checkpoint, a GGUF file, or OWNER/NAME on the hub, of which config, "
        "index and headers are fetched",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--k", type=integer, metavar="K", help="rows of a smaller head")
    shared(group, "--vocabulary", help="its tokens, in any format `compare` reads")
    parser.add_argument(
        "--hardware",
        metavar="NAME",
        choices=tuple(HARDWARE),
        help="with a list or --k: the time saved per drafted token on a device of `forecast`",
    )
    parser.add_argument(
        "--tensors", action="store_true", help="list the type and shape of every tensor"
    )


def _heads(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.mtp.gguf_heads import heads_in

    path = arguments.model
    model = heads_in(path)
    size, tensors = model.vocab_size, model.tensors
    k, absent = _wanted(arguments, size, path)
    by_type: Counter[str] = Counter()
    for _, dtype, _, count in tensors:
        by_type[dtype] += count
    result: Result = {
        "model": path.name,
        "vocab_size": size,
        "tied": model.tied,
        "k": k,
        "hardware": arguments.hardware,
        "types": [{"type": name, "bytes": count} for name, count in by_type.most_common()],
        "drafts": [_draft(draft, k, arguments.hardware) for draft in model.drafts],
        "tokens_without_text": absent,
    }
    if arguments.tensors:
        result["tensors"] = [
            {"name": name, "type": dtype, "shape": list(shape), "bytes": count}
            for name, dtype, shape, count in tensors
        ]
    return result


def _wanted(arguments: argparse.Namespace, size: int, path: Path) -> tuple[int | None, int | None]:
    """Return k, and how many of the list's ids are no token of the model's tokenizer."""
    if arguments.k is not None:
        if not 1 <= arguments.k <= size:
            raise InputError(f"k = {arguments.k:,} is outside 1..{size:,}, the model's V.")
        return arguments.k, None
    if arguments.vocabulary is None:
        return None, None
    from vocabtrim_core.drafts.mtp.savings import padding_rows
    from vocabtrim_core.vocabulary_file import vocabulary_in

    vocabulary = vocabulary_in(arguments.vocabulary, size, None)
    return len(vocabulary), padding_rows(path, vocabulary)


def _draft(draft: DraftHead, k: int | None, hardware: str | None) -> Result:
    from vocabtrim_core.drafts.mtp.heads import KINDS
    from vocabtrim_core.drafts.mtp.savings import savings
    from vocabtrim_core.forecast.devices import device

    head = draft.head
    row: Result = {
        "kind": draft.kind,
        "title": KINDS[draft.kind],
        "name": draft.name,
        "layer_bytes": draft.layer_bytes,
        "layer_bytes_per_step": draft.step_bytes,
        "head": head.name,
        "head_is": "its own" if draft.own else "the target's",
        "layout": head.layout,
        "head_type": head.dtype,
        "rows": head.rows,
        "width": head.width,
        "head_bytes": head.bytes,
        "share_of_step": draft.share(head.rows),
        "smaller_head_rows": draft.trimmed,
    }
    if k is not None:
        smaller = savings(draft, k, device(hardware) if hardware else None)
        row |= {
            "head_bytes_at_k": smaller.head_bytes,
            "share_of_step_at_k": smaller.share,
            "saved_per_step": smaller.saved_bytes,
            "memory_change": smaller.memory_change,
            "seconds_saved_per_step": smaller.seconds,
        }
    return row


def _heads_text(result: Result) -> str:
    types = ", ".join(f"{row['type']} {format_bytes(row['bytes'])}" for row in result["types"])
    lines = [
        f"{result['model']}: V = {result['vocab_size']:,}, head "
        f"{'tied to' if result['tied'] else 'apart from'} the embedding; {types}"
    ]
    if not result["drafts"]:
        lines.append("There is no draft in it: no mtp.*, no layer with eh_proj, no fc.")
    for draft in result["drafts"]:
        lines.append(_draft_text(draft, result["k"], result["hardware"]))
    if result["tokens_without_text"]:
        lines.append(
            f"{result['tokens_without_text']:,} ids of the list are rows by which the model is "
            "padded, and no token of its tokenizer: they can be left out."
        )
    if tensors := result.get("tensors"):
        rows = [
            (t["name"], t["type"], " x ".join(map(str, t["shape"])), t["bytes"]) for t in tensors
        ]
        lines.append(table([("tensor", "type", "shape", "bytes"), *rows]))
    return "\n\n".join(lines)


def _draft_text(draft: Result, k: int | None, hardware: str | None) -> str:
    size = format_bytes
    text = (
        f"{draft['name']}: {draft['title']}\n"
        f"head: {draft['head']} ({draft['head_is']}), {draft['layout']}, {draft['rows']:,} x "
        f"{draft['width']:,}, {size(draft['head_bytes'])}\n"
        f"a drafted token reads {size(draft['layer_bytes_per_step'])} of the layer and "
        f"{size(draft['head_bytes'])} of the head: {draft['share_of_step']:.1%} is the head"
    )
    if draft["smaller_head_rows"]:
        text += f"\na smaller head of {draft['smaller_head_rows']:,} rows stands beside it already"
    if k is not None:
        change = draft["memory_change"]
        text += (
            f"\nwith k = {k:,}: the head is {size(draft['head_bytes_at_k'])}, "
            f"{draft['share_of_step_at_k']:.1%} of a step; {size(draft['saved_per_step'])} less is "
            f"read per drafted token, and memory {'grows' if change > 0 else 'shrinks'} by "
            f"{size(abs(change))}"
        )
        text += ", the copy of the rows" if change > 0 else ""
        if draft["seconds_saved_per_step"] and hardware:
            low, high = (1e3 * seconds for seconds in draft["seconds_saved_per_step"])
            text += (
                f"\non {HARDWARE[hardware].name} these bytes take {low:,.2f} to {high:,.2f} ms per "
                "drafted token"
            )
    return text


# --- trim-mtp -----------------------------------------------------------------------------------


def _trim_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="folder of a checkpoint with MTP layers, or a GGUF file of one",
    )
    shared(
        parser,
        "--vocabulary",
        required=True,
        help="tokens of the smaller head: a choice.json, an export, or a list that `compare` reads",
    )
    shared(parser, "--out", required=True, metavar="PATH", help="a new folder, or a new .gguf")
    parser.add_argument(
        "--sidecar",
        action="store_true",
        help="GGUF: trim the head of a draft in a file of its own, with d2t (for a patched reader)",
    )


def _trim(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.hub_checkpoint import is_hub_id
    from vocabtrim_core.drafts.mtp.gguf_heads import GGUF, heads_in
    from vocabtrim_core.vocabulary_file import vocabulary_in

    path, out = arguments.model, arguments.out
    if path.suffix == GGUF and out.suffix != GGUF:
        raise InputError(f"A GGUF file is written to a GGUF file; let --out {out} end in .gguf.")
    if path.suffix != GGUF and arguments.sidecar:
        raise InputError("--sidecar is for GGUF files; a folder gets the smaller head in a copy.")
    if is_hub_id(path):
        raise InputError(
            f"There is no model at {path} on this machine; rows are taken from its files: fetch it "
            f"(`hf download {path} --local-dir DIR`), then give that folder."
        )
    model = heads_in(path)
    vocabulary = vocabulary_in(arguments.vocabulary, model.vocab_size, None)
    if path.suffix == GGUF:
        from vocabtrim_core.drafts.mtp.gguf_copy import gguf_sidecar, gguf_with_draft_head

        write = gguf_sidecar if arguments.sidecar else gguf_with_draft_head
        progress(0, 1, f"copying {path.name}")
        return {"out": out, **asdict(write(path, vocabulary, out))}
    from vocabtrim_core.drafts.mtp.checkpoint_copy import copy_with_draft_head

    line = shell_line(
        "trim-mtp", path.resolve().name, "--vocabulary", arguments.vocabulary.name, "--out", "DIR"
    )
    total = model.drafts[0].head.bytes_of(len(vocabulary)) if model.drafts else 1
    written = 0

    def on_written(count: int, tensor: str) -> None:
        nonlocal written
        written += count
        progress(min(written, total), total, f"writing {tensor}")

    progress(0, total, f"copying the rows of {path.name}")
    record = copy_with_draft_head(path, vocabulary, out, command=line, on_written=on_written)
    result: dict[str, Any] = asdict(record)
    return {"out": out, **result, "files": list(record.files)}


def _trim_text(result: Result) -> str:
    names = (
        "k",
        "vocab_size",
        "head",
        "layout",
        "files",
        "linked",
        "left_out",
        "vocabulary_sha256",
        "out",
    )
    head, smaller = (format_bytes(result[name]) for name in ("head_bytes", "draft_head_bytes"))
    return "\n".join(
        [
            named_values(result, *names),
            f"The head of {head} stays; drafting reads {smaller}, a copy of its rows bit for bit.",
            *result["notes"],
        ]
    )


COMMANDS = (
    Command(
        "heads",
        "what a checkpoint or a GGUF file drafts with, and what a smaller head saves",
        _heads,
        _heads_arguments,
        _heads_text,
        "heads Qwen3.8-27B --k 32768",
    ),
    Command(
        "trim-mtp",
        "copy a model with a smaller head for its MTP layers, rows bit for bit",
        _trim,
        _trim_arguments,
        _trim_text,
        "trim-mtp Qwen3.8-27B --vocabulary ids.json --out Qwen3.8-27B-32k",
    ),
)
