"""docs/trainer-differences.md says where SpecForge's loss masks and the definition differ."""

from __future__ import annotations

import pytest
from helpers.spans.definition import RefusedError, counted
from helpers.spans.families import load
from helpers.spans.specforge import CHATS, PAGE, TRAINED, differences, page

from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.templates.specforge_loss import (
    BY_NAME,
    loss_spans,
    matching_templates,
    subtract_spans,
)
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

pytest.importorskip("specforge")


@pytest.mark.slow  # two minutes: every template with its tokenizer through SpecForge's parsers
def test_the_page_is_what_is_measured():
    assert page() == PAGE.read_text("utf-8")


def test_every_template_of_the_trainer_that_the_page_names_is_measured():
    from specforge.data.template import TEMPLATE_REGISTRY

    assert set(TRAINED) <= set(TEMPLATE_REGISTRY.get_all_template_names())
    assert CHATS


@pytest.mark.parametrize("template", TRAINED)
def test_the_product_names_the_same_texts(template):
    """The texts that differ, by our own account of the trainer, are those its code masks."""
    family, entry = load(TRAINED[template]), BY_NAME[template]
    assert entry in matching_templates(resolve_template(load_tokenizer(family.folder)))
    for chat in CHATS.values():
        try:
            found = counted(family.rules, chat)
        except RefusedError:
            continue
        loss = loss_spans(found.text, entry)
        both = subtract_spans(loss, found.spans), subtract_spans(found.spans, loss)
        texts = [list(dict.fromkeys(found.text[a:b] for a, b in spans)) for spans in both]
        assert tuple(texts) == differences(family, template, found)
