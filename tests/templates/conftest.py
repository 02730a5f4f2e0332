from __future__ import annotations

from functools import cache

import pytest
from helpers.template_kit import NAMED_MARKERS, SPECIALS
from helpers.template_samples import MARKERS, SAMPLES
from helpers.tokenizer_makers import byte_level, sentence_piece, write_folder

from vocabtrim_core.templates.presets import NAMED
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """`sample("CHATML")` -> (tokenizer, its template); the tokenizer is byte-level by default."""
    root = tmp_path_factory.mktemp("tokenizers")
    makers = {"bytes": byte_level, "pieces": sentence_piece}
    made = {kind: make([*MARKERS, *NAMED_MARKERS]) for kind, make in makers.items()}

    @cache
    def get(name: str, kind: str = "bytes", span_end: str = "stop"):
        jinja = None if name in NAMED else SAMPLES[name]
        folder = write_folder(root / kind / name, made[kind], jinja, tokenizer_config=SPECIALS)
        tokenizer = load_tokenizer(folder)
        return tokenizer, resolve_template(tokenizer, name if name in NAMED else "auto", span_end)

    return get
