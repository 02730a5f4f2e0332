"""Hand over, heads of a model: what is shown, what is written, what is in the way."""

# ruff: noqa: F811
from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import mtp_gguf
from helpers.mtp_checkpoints import H, V, plain, write_checkpoint
from helpers.talks import zipf
from safetensors.torch import load_file
from test_pages import errors, home, opened, started, words  # noqa: F401

from pages.ui.handover import heads_view
from vocabtrim_core import workspace
from vocabtrim_core.cli import main
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.forecast.devices import HARDWARE

K = 64


@pytest.fixture
def traffic(home) -> TokenCounts:
    """Counts over the V of the small checkpoints."""
    drawn = zipf("traffic", 1.1, V)
    most = np.sort(drawn.counts)[::-1][:V]
    counts = TokenCounts(np.random.default_rng(3).permutation(most), 10, 0, drawn.provenance)
    save_counts(counts)
    return counts


def shown(counts: TokenCounts, model: object = ""):
    app = opened("handover", counts=counts.key, k=str(K), give=heads_view.TITLE)
    return app.text_input(key="heads_model").set_value(str(model)).run()


def said(app) -> str:
    """All text of the page with its boxes."""
    return "\n".join([words(app), errors(app), *(info.value for info in app.info)])


def metrics(app) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_a_checkpoint_is_shown_and_a_copy_written(traffic, started, tmp_path):
    folder = tmp_path / "model"
    head = write_checkpoint(folder)["lm_head.weight"]
    app = shown(traffic, folder)
    assert not app.exception
    assert not errors(app)
    layer = 2 * (H * 2 * H + H + H * H + H * 128)
    values = metrics(app)
    assert values["Head"] == f"{2 * K * H / 1e3:.1f} kB"
    assert values["Share of a drafted token"] == f"{2 * K * H / (2 * K * H + layer):.1%}"
    app.selectbox(key="heads_hardware").select("rtx-3090")
    app.run()
    device = HARDWARE[app.selectbox(key="heads_hardware").value]
    saved = 2 * (V - K) * H / device.bandwidth
    low, high = (1e3 * saved / share for share in reversed(device.effective))
    assert metrics(app)["Time saved"] == f"{low:.2f} to {high:.2f} ms"
    app.button(key="trim_head").click().run()
    argv = started[-1]
    assert argv[:2] == ["trim-mtp", str(folder.resolve())]
    out = Path(argv[-1])
    assert out.is_relative_to(workspace.home() / "trimmed-heads")
    assert main(argv) == 0
    app.run()
    assert str(out) in [code.value for code in app.code]
    assert app.button(key="trim_head").disabled
    ids = torch.load(out / "mtp_draft_vocab_ids.pt", weights_only=True)
    rows = load_file(out / "mtp_draft_head.safetensors")["mtp.draft_lm_head.weight"]
    assert torch.equal(rows, head[ids])
    assert ids.tolist() == sorted(np.argsort(-traffic.counts, kind="stable")[:K].tolist())
    shutil.rmtree(out)


@pytest.mark.parametrize(
    ("layout", "config", "sentence"),
    [
        ("fp8 blocks", {}, "one scale for 128 rows each"),
        ("bf16", {"vocab_size": V + 1}, "the files belong to different models"),
    ],
)
def test_what_cannot_be_copied_is_a_sentence(traffic, layout, config, sentence, tmp_path):
    write_checkpoint(tmp_path / "model", layout, **config)
    app = shown(traffic, tmp_path / "model")
    assert not app.exception
    assert sentence in said(app)
    assert not [button for button in app.button if button.key == "trim_head"]


def test_models_without_a_draft_or_a_folder(traffic, tmp_path):
    assert "Name a model" in shown(traffic).info[0].value
    assert "no model folder" in errors(shown(traffic, "/nowhere"))
    draft = {"extra.weight": torch.zeros(2, 2)}
    write_checkpoint(tmp_path / "model", draft=draft)
    app = shown(traffic, tmp_path / "model")
    assert any("There is no draft in it" in warning.value for warning in app.warning)
    assert f"{V:,} x {H}" not in words(app)


def test_an_own_head_is_not_copied(traffic, tmp_path):
    """A draft with a head of its own: shown, and no button that must fail."""
    layer = {"model.layers.2.eh_proj.weight": torch.zeros(H, 2 * H, dtype=torch.bfloat16)}
    own = plain("model.layers.2.shared_head.head")
    write_checkpoint(tmp_path / "model", draft=layer | own)
    app = shown(traffic, tmp_path / "model")
    assert "no engine reads a smaller one inside a checkpoint" in said(app)
    assert re.search(r"Its head is `model\.layers\.2\.shared_head\.head`, its own", words(app))


def test_a_gguf_file_is_copied_to_a_file(traffic, started, tmp_path):
    path = mtp_gguf.write(tmp_path / "model.gguf", size=V)
    app = shown(traffic, path)
    assert not app.exception
    app.button(key="trim_head").click().run()
    out = Path(started[-1][-1])
    assert out.suffix == ".gguf"
    assert main(started[-1]) == 0
    app.run()
    assert str(out) in [code.value for code in app.code]
    app.toggle(key="heads_sidecar").set_value(True).run()
    app.button(key="trim_head").click().run()
    assert "--sidecar" in started[-1]
    assert main(started[-1]) == 0
    out.unlink()


def test_export_leads_there(traffic):
    app = opened("export", counts=traffic.key, k=str(K))
    assert app.button(key="to_heads").label == "Trim the head in a model"
