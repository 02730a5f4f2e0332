"""Writes golden.json: counts of the conversations in this folder, found without the product's code.

transformers converts the vendor's file and renders the chat template, the definition in
`helpers/spans/definition.py` finds the counted spans by rendering twice, HF tokenizers gives the
ids. Of vocabtrim_core only the text of the templates is used, which is data. Where conversations
or a template changed on purpose: `PYTHONPATH=.:tests python tests/data/make_golden.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from helpers.spans.definition import RefusedError, Rules, counted, ids_in
from tokenizers import Tokenizer

from vocabtrim_core.templates.presets import NAMED

HERE = Path(__file__).resolve().parent
LLAMA = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
    *(f"<|reserved_special_token_{i}|>" for i in range(3, 248)),
]


def vendors_file(package: str, file: str) -> str:
    return str(Path(next(iter(find_spec(package).submodule_search_locations)), file))


def llama() -> Tokenizer:
    from transformers.convert_slow_tokenizer import TikTokenConverter

    file = vendors_file("llama_models", "llama3/tokenizer.model")
    return TikTokenConverter(file, extra_special_tokens=LLAMA).converted()


def tekken() -> Tokenizer:
    from transformers.integrations.mistral.tokenizer import MistralConverter

    return MistralConverter(vendors_file("mistral_common", "data/tekken_240911.json")).converted()


# tokenizer: how it is made, its template, the template's special tokens, the one that ends a turn
MODELS = {
    "llama-3.1": (
        llama,
        "llama3",
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        "<|eot_id|>",
    ),
    "tekken": (tekken, "mistral", {"bos_token": "<s>", "eos_token": "</s>"}, "</s>"),
}


def counted_ids(corpus: Path, backend: Tokenizer, rules, content: bool) -> tuple[Counter, int, int]:
    """(occurrences of each id, conversations with some, rows that the template refuses).

    content: without the token that ends a turn.
    """
    total, conversations, refused = Counter(), 0, 0
    for line in corpus.read_text("utf-8").splitlines():
        row = json.loads(line)
        try:
            found = counted(rules, row["messages"], row.get("tools"))
        except RefusedError:
            refused += 1
            continue
        encoded = backend.encode(found.text, add_special_tokens=False)
        stop = backend.token_to_id(rules.stops[0])
        spans = ids_in(encoded.ids, encoded.offsets, found.spans)
        ids = [i for span in spans for i in (span[:-1] if content and span[-1] == stop else span)]
        total.update(ids)
        conversations += bool(ids)
    return total, conversations, refused


def digest(counts: dict[int, int]) -> str:
    """sha256 of a line "id count" for each id, ascending."""
    lines = "".join(f"{i} {counts[i]}\n" for i in sorted(counts))
    return hashlib.sha256(lines.encode()).hexdigest()


def golden() -> dict[str, dict]:
    found = {}
    for name, (make, template, specials, stop) in MODELS.items():
        backend = make()
        backend.post_processor = None

        def boundaries(text: str, backend: Tokenizer = backend) -> set[int]:
            return {at for at, _ in backend.encode(text, add_special_tokens=False).offsets}

        rules = Rules(NAMED[template].jinja, specials, (stop,), boundaries)
        for corpus, rule in (("plain", "assistant"), ("plain", "content"), ("tools", "assistant")):
            file = HERE / f"{corpus}.jsonl"
            counts, conversations, refused = counted_ids(file, backend, rules, rule == "content")
            found[f"{name} {corpus} {rule}"] = {
                "most_common": dict(counts.most_common(8)),
                "tokens": counts.total(),
                "distinct": len(counts),
                "conversations": conversations,
                "refused": refused,
                "sha256": digest(counts),
            }
    return found


if __name__ == "__main__":
    (HERE / "golden.json").write_text(json.dumps(golden(), indent=1) + "\n", "utf-8")
