"""docs/trainer-differences.md says where SpecForge's loss masks and the definition differ."""

from __future__ import annotations

import pytest
from trainer import CHATS, PAGE, TRAINED, page

pytest.importorskip("specforge")


def test_the_page_is_what_is_measured(tmp_path):
    assert page(tmp_path) == PAGE.read_text("utf-8")


def test_every_template_of_the_trainer_that_the_page_names_is_measured():
    from specforge.data.template import TEMPLATE_REGISTRY

    assert set(TRAINED) <= set(TEMPLATE_REGISTRY.get_all_template_names())
    assert CHATS
