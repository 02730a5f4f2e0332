"""Runs in the trainer's environment: SpecForge's own command line, and further tasks of ours.

    python launcher.py FOLDER [NAME=VALUE ...] -- train|export ...   SpecForge's commands
    python launcher.py FOLDER [NAME=VALUE ...] -- probe              what this environment has
    python launcher.py FOLDER [NAME=VALUE ...] -- evaluate JSON      a draft on captured features
    python launcher.py FOLDER [NAME=VALUE ...] -- finish JSON JSON   export and evaluate

Where FOLDER holds start.json, `train` begins by writing the draft's first weights from it, once.

It is run by path, so of our files it imports only the one beside it. No package is edited: without
Triton or a GPU, a torch loss replaces the Triton one in memory.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

LOSS = "specforge.core.loss"
EVALUATED = "evaluated "  # a line of progress: conversations done and in all
PEAK = "peak bytes on the GPU: "
PEAK_HERE = "peak bytes of this process: "


def main(argv: list[str]) -> int:
    """Run one task in a folder.

    Args:
        argv: FOLDER, NAME=VALUE pairs, "--", then the task and its arguments.

    Returns:
        The exit code.
    """
    folder, *parameters = argv
    separator = parameters.index("--")
    os.environ.update(dict(setting.split("=", 1) for setting in parameters[:separator]))
    os.chdir(folder)
    # Python puts this file's folder first on the path; its modules must not shadow others.
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent]
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    command, *arguments = parameters[separator + 1 :]
    if command == "probe":
        print(json.dumps(probe()), flush=True)
        return 0
    if not has_triton():
        replace_loss()
    if command == "finish":
        from specforge.export import export_to_sglang

        export_to_sglang(**json.loads(arguments.pop(0)))
    if command in ("finish", "evaluate"):
        print(json.dumps(evaluate(**json.loads(arguments[0]))), flush=True)
        return 0
    if command == "train" and "--plan" not in arguments:
        make_start()
    from specforge.cli import main as specforge

    code = specforge([command, *arguments])
    if command == "train" and "--plan" not in arguments:
        say_memory()
    return code


def _end_with(parent: int) -> None:
    """End this process once its parent is gone, so that no trainer runs on unnoticed."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(20)
    os._exit(143)


def say_memory() -> None:
    """Print the most bytes that this process held, and held on its GPU, as lines of the log."""
    import torch

    if importlib.util.find_spec("resource"):  # not on Windows
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        print(f"{PEAK_HERE}{peak}", flush=True)
    if torch.cuda.is_initialized():
        print(f"{PEAK}{torch.cuda.max_memory_allocated()}", flush=True)


def has_triton() -> bool:
    """Return whether SpecForge's own loss can run here."""
    import torch

    if os.environ.get("SPECFORGE_DEVICE") == "cpu" or not torch.cuda.is_available():
        return False
    return importlib.util.find_spec("triton") is not None


def replace_loss() -> None:
    """Register the torch loss under the name that SpecForge's models import it by.

    Raises:
        ImportError: The file beside this one cannot be loaded.
    """
    path = Path(__file__).with_name("torch_loss.py")
    spec = importlib.util.spec_from_file_location(LOSS, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[LOSS] = module


def probe() -> dict[str, Any]:
    """Return versions, devices, and the speed of a bfloat16 matrix product (FLOP/s) here."""
    import importlib.metadata as metadata

    report: dict[str, Any] = {"python": sys.version.split()[0], "versions": {}}
    for name in ("torch", "transformers", "specforge", "triton", "accelerate", "tensorboard"):
        try:
            report["versions"][name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if "torch" not in report["versions"]:
        return report
    import torch

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    report["devices"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    report["memory"] = [
        torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count())
    ]
    report["threads"] = torch.get_num_threads()
    rows, width = (8192, 4096) if cuda else (512, 512)
    a = torch.ones(rows, width, dtype=torch.bfloat16, device=device)
    b = torch.ones(width, width, dtype=torch.bfloat16, device=device)
    for _ in range(2):
        torch.mm(a, b)
    times = []
    for _ in range(5 if cuda else 20):
        if cuda:
            torch.cuda.synchronize()
        began, used = time.perf_counter(), time.process_time()
        torch.mm(a, b)
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        # On a busy machine the processor time tells more of an idle one.
        times.append(seconds if cuda else min(seconds, time.process_time() - used or seconds))
    report["flops_per_second"] = 2 * rows * width * width / min(times)
    return report


def make_start() -> None:
    """Write the first weights that start.json describes, unless they exist."""
    if Path("start.json").is_file():
        parameters = json.loads(Path("start.json").read_text("utf-8"))
        if not (Path(parameters["out"]) / "config.json").is_file():
            start(**parameters)


def start(target: str, head_key: str, norm_key: str, config: str, mapping: str, out: str) -> None:
    """Write a draft whose head, norm and fusion begin as the target's, the others at random.

    The head has the target's rows of the kept tokens, and the fusion passes the highest captured
    layer on. So the draft starts in the target's own space, which short runs need.

    Args:
        target: Folder of the target, with an index file.
        head_key: Name of its head's tensor.
        norm_key: Name of its last norm's tensor.
        config: The draft's config.json.
        mapping: The draft's vocab_mapping.pt.
        out: The folder to write.
    """
    import torch
    from safetensors.torch import save_file
    from specforge.modeling.auto import AutoDraftModel, AutoDraftModelConfig

    torch.manual_seed(0)
    model = AutoDraftModel.from_config(
        AutoDraftModelConfig.from_file(config), torch_dtype=torch.bfloat16
    )
    model.load_vocab_mapping(mapping)
    state = model.state_dict()
    with torch.no_grad():
        state["lm_head.weight"].copy_(_tensor(target, head_key)[state["t2d"]])
        state["norm.weight"].copy_(_tensor(target, norm_key))
        width = state["fc.weight"].shape[0]
        state["fc.weight"].mul_(0.1)[:, -width:] += torch.eye(width, dtype=torch.bfloat16)
    Path(out).mkdir(parents=True, exist_ok=True)
    saved = {name: t.contiguous() for name, t in state.items() if "embed" not in name}
    save_file(saved, Path(out) / "model.safetensors", metadata={"format": "pt"})
    (Path(out) / "config.json").write_text(Path(config).read_text("utf-8"), "utf-8")


def _tensor(folder: str, name: str):
    """Read one tensor of a model folder with an index file."""
    from safetensors import safe_open

    index = next(Path(folder).glob("*.index.json"))
    file = json.loads(index.read_text("utf-8"))["weight_map"][name]
    with safe_open(Path(folder) / file, framework="pt") as opened:
        return opened.get_tensor(name)


def evaluate(
    draft: str,
    target: str,
    head_key: str,
    embedding_key: str,
    features: str,
    ttt_length: int,
    max_length: int,
    attention: str,
) -> dict[str, list[list[float]]]:
    """Measure the per-position accuracy of a draft on captured features, counted as in SpecForge.

    Args:
        draft: Folder of the draft.
        target: Folder of the target.
        head_key: Name of the target's head tensor.
        embedding_key: Name of the target's embedding tensor.
        features: Folder of the samples.
        ttt_length: Draft positions to unroll.
        max_length: Most tokens of a conversation.
        attention: SpecForge's attention backend.

    Returns:
        `correct[n][i]` and `counted[n][i]`: of the assistant tokens of conversation n at draft
        position i, those that equal the target's own choice, and all. Ratios are of sums over
        conversations.

    Raises:
        ValueError: The folder does not hold a complete EAGLE-3 draft.
    """
    import torch
    from safetensors.torch import load_file
    from specforge.algorithms.eagle3.model import OnlineEagle3Model
    from specforge.modeling.auto import AutoDraftModel, AutoDraftModelConfig
    from specforge.modeling.target.target_head import TargetHead
    from specforge.utils import get_local_device

    device = get_local_device()
    model = AutoDraftModel.from_config(
        AutoDraftModelConfig.from_file(f"{draft}/config.json"),
        attention_backend=attention,
        torch_dtype=torch.bfloat16,
    )
    missing, unexpected = model.load_state_dict(
        load_file(Path(draft) / "model.safetensors"), strict=False
    )
    full_vocabulary = model.lm_head.weight.shape[0] == model.vocab_size  # it needs no mapping
    absent = {"d2t", "t2d"} if full_vocabulary else set()
    if unexpected or [name for name in missing if "embed" not in name and name not in absent]:
        raise ValueError(f"{draft} is not a whole EAGLE-3 draft: {missing} {unexpected}")
    model.load_embedding(target, embedding_key=embedding_key)
    model = OnlineEagle3Model(
        model.to(device), length=ttt_length, attention_backend=attention
    ).eval()
    head = TargetHead.from_pretrained(target, lm_head_key=head_key)
    correct, counted = [], []
    files = sorted(Path(features).rglob("*.ckpt"))
    for number, path in enumerate(files):
        print(f"{EVALUATED}{number} {len(files)}", flush=True)
        sample = torch.load(path, map_location=device, weights_only=True)
        ids = sample["input_ids"][None, :max_length]
        mask = sample["loss_mask"][None, :max_length].clone()
        mask[:, -1] = 0  # nothing follows the last token
        with torch.no_grad():
            logits = head(sample["hidden_state"][:, :max_length])
            ids, logits, mask = head.preprocess(ids, logits, mask)
            out = model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                target=logits,
                loss_mask=mask,
                hidden_states=sample["aux_hidden_state"][:, :max_length],
            )
        correct.append([float(x) for x in out[3]])
        counted.append([float(x) for x in out[4]])
    return {"correct": correct, "counted": counted}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
