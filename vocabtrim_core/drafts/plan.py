"""How drafts are trained, and SpecForge's run file for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import FLAG, NUMBER, TEXT, WHOLE, one_of
from vocabtrim_core.fields.leaf import Leaf

STARTS = ("scratch", "target")
ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")  # no option
EPOCHS = "passes over the conversations"
RATE = "learning rate, between 0 and 1"
UNROLLED = "draft positions unrolled, in training and in evaluation"
START = "first weights of the head: random, or the target's"
EVALUATIONS = "held-out evaluations and checkpoints"
COMPACT = "less memory for the target's logits, in exchange for time"
PROCESSES = "GPUs per node, through torchrun"
FIRST_NODE = "first node, where there are several"
MAPPING, CONFIG, RUN_FILE, OUT = "vocab_mapping.pt", "draft.json", "run.yaml", "out"


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """SpecForge's settings that users choose; the same for every k, so that only k differs.

    Attributes:
        epochs: Passes over the training conversations.
        max_steps: Most optimizer steps; None for no limit.
        batch_size: Conversations of a batch, per rank.
        accumulation: Batches of an optimizer step.
        learning_rate: Its peak, between 0 and 1.
        warmup_ratio: Share of the steps in which it rises.
        max_grad_norm: Norm that gradients are clipped to.
        ttt_length: Draft positions unrolled in training.
        start: "scratch", as in the paper, or "target": the head begins with the target's rows.
        evaluations: Held-out evaluations, and checkpoints, per training.
        compact_teacher: SpecForge's setting that saves memory for the target's logits.
        workers: Threads that load features.
        seed: Of the random numbers.
    """

    epochs: Annotated[int, Leaf(WHOLE, "--epochs", help=EPOCHS)] = 10
    max_steps: Annotated[
        int | None, Leaf(WHOLE, "--max-steps", help="stop after this many steps", unset="none")
    ] = None
    batch_size: Annotated[int, Leaf(WHOLE, "--batch-size", help="conversations a batch")] = 1
    accumulation: Annotated[int, Leaf(WHOLE, "--accumulation", help="batches a step")] = 1
    learning_rate: Annotated[float, Leaf(NUMBER, "--learning-rate", help=RATE, metavar="RATE")] = (
        1e-4
    )
    warmup_ratio: float = 0.015
    max_grad_norm: float = 0.5
    ttt_length: Annotated[int, Leaf(WHOLE, "--ttt-length", help=UNROLLED)] = 7
    start: Annotated[str, Leaf(one_of(*STARTS), "--start", help=START)] = "scratch"
    evaluations: Annotated[int, Leaf(WHOLE, "--evaluations", help=EVALUATIONS)] = 10
    compact_teacher: Annotated[bool, Leaf(FLAG, "--compact-teacher", help=COMPACT)] = False
    workers: int = 0  # feature loading threads
    seed: Annotated[int, Leaf(WHOLE, "--seed", help="of the order of conversations")] = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulation", "ttt_length", "evaluations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, but it is {getattr(self, name)}.")
        if self.max_steps is not None and self.max_steps < 1:
            raise InputError(f"max_steps must be at least 1, but it is {self.max_steps}.")
        if not 0 < self.learning_rate < 1:
            raise InputError(
                f"The learning rate must lie between 0 and 1, but it is {self.learning_rate}."
            )
        if self.start not in STARTS:
            raise InputError(f"A draft starts from one of {', '.join(STARTS)}, not {self.start!r}.")

    def steps(self, samples: int, ranks: int = 1) -> int:
        """Compute the number of optimizer steps of one training.

        Args:
            samples: Training conversations.
            ranks: Processes over all nodes.

        Returns:
            At least 1.

        Raises:
            InputError: The conversations do not fill one step.
        """
        per_epoch = samples // (self.batch_size * self.accumulation * ranks)
        if not per_epoch:
            raise InputError(
                f"{samples:,} training conversations do not fill one step of {ranks} x "
                f"{self.batch_size} x {self.accumulation}; lower the batch size or give more."
            )
        return min(per_epoch * self.epochs, self.max_steps or per_epoch * self.epochs)


# Enough training for drafts of a small target, in some minutes on two cores; it is the default of
# the bundled target (`drafts.bundled_target`).
SMALL_PLAN = TrainingPlan(
    max_steps=250, batch_size=4, learning_rate=1e-3, ttt_length=3, start="target", evaluations=5
)
MAX_LENGTH, SMALL_MAX_LENGTH = 2048, 192  # tokens of a conversation
SMALL_MAX_TOKENS = 16_000  # tokens captured


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where SpecForge runs: one process, or `torchrun` over the GPUs of one or several nodes.

    Attributes:
        device: "cpu" or "cuda".
        processes: Processes per node, one GPU each.
        nodes: Number of nodes.
        node_rank: This node's number; None for a single node.
        master_addr: Address of the first node.
        master_port: Its port.
    """

    device: str = "cpu"
    processes: Annotated[int, Leaf(WHOLE, "--processes", help=PROCESSES)] = 1
    nodes: Annotated[int, Leaf(WHOLE, "--nodes", help="machines that train together")] = 1
    node_rank: Annotated[
        int | None, Leaf(WHOLE, "--node-rank", help="number of this node, from 0")
    ] = None
    master_addr: Annotated[
        str | None, Leaf(TEXT, "--master-addr", help=FIRST_NODE, metavar="HOST")
    ] = None
    master_port: int = 29_500

    def __post_init__(self) -> None:
        if self.processes < 1 or self.nodes < 1:
            raise InputError("Processes and nodes must be at least 1.")
        if self.device == "cpu" and self.ranks > 1:
            raise InputError("Several processes need GPUs; on the CPU one process is used.")
        if self.nodes > 1 and not self.master_addr:
            raise InputError("Several nodes need the address of the first one (--master-addr).")
        if self.master_addr and not ADDRESS.fullmatch(self.master_addr):
            raise InputError(
                f"The first node's address is a host name or an IP address, not "
                f"{self.master_addr!r}."
            )

    @property
    def ranks(self) -> int:
        """Processes over all nodes."""
        return self.processes * self.nodes

    def command(self) -> list[str]:
        """Return the arguments of `specforge` that train by RUN_FILE on this node."""
        rank = [] if self.node_rank is None else ["--node-rank", str(self.node_rank)]
        return ["train", "-c", RUN_FILE, *rank]

    def trainer(self) -> dict[str, Any]:
        """Return the value of SpecForge's `deployment.trainer`."""
        settings: dict[str, Any] = {"nnodes": self.nodes, "nproc_per_node": self.processes}
        if self.nodes > 1:
            settings |= {"master_addr": self.master_addr, "master_port": self.master_port}
        return settings


def run_file(
    plan: TrainingPlan,
    deployment: Deployment,
    *,
    run_id: str,
    steps: int,
    target: str,
    head_key: str,
    embedding_key: str,
    features: str,
    held_out: str,
    max_length: int,
    start: str | None = None,
    resume: bool = False,
) -> str:
    """Write the run file of an offline training.

    Paths inside the folder of this k are relative to it.

    Args:
        plan: The trainer's settings.
        deployment: Where it runs.
        run_id: Name of the run and of its checkpoints.
        steps: Optimizer steps of the training.
        target: Folder of the target.
        head_key: Name of its head's tensor.
        embedding_key: Name of its embedding's tensor.
        features: Folder of the features to train on.
        held_out: Folder of the features to evaluate on.
        max_length: Most tokens of a conversation.
        start: Folder of the first weights; None for random ones.
        resume: Whether the training continues from its last checkpoint.

    Returns:
        The YAML text.
    """
    cpu = deployment.device == "cpu"
    interval = max(1, steps // plan.evaluations)
    model: dict[str, Any] = {
        **_model(target, head_key, embedding_key),
        "draft_model_config": CONFIG,
        "vocab_mapping_path": MAPPING,
    }
    if start and not resume:  # SpecForge takes one or the other
        model["draft_checkpoint_path"] = start
    training: dict[str, Any] = {
        **_training(plan),
        # The only attention and sharding that train on a CPU.
        "attention_backend": "sdpa" if cpu else "flex_attention",
        "fsdp_sharding": "NO_SHARD" if cpu else "SHARD_GRAD_OP",
        "compact_teacher": plan.compact_teacher,
        # Never 0, which would leave nothing to resume from.
        "save_interval": interval,
        "eval_interval": interval,
        "log_interval": max(1, min(10, interval)),
        "max_checkpoints": 2,
    }
    if plan.max_steps is not None:
        training["max_steps"] = plan.max_steps
    if resume:
        training["resume_from"] = OUT
    return _yaml(
        {
            "model": model,
            "data": {
                "hidden_states_path": features,
                "eval_hidden_states_path": held_out,
                "max_length": max_length,
                "cache_dir": "cache",
                "dataloader_num_workers": plan.workers,
            },
            "training": training,
            "tracking": {"report_to": "tensorboard"},
            "run_id": run_id,
            "output_dir": OUT,
            "deployment": {"mode": "local_colocated", "trainer": deployment.trainer()},
        }
    )


@dataclass(frozen=True, slots=True)
class OnlineServers:
    """Patched SGLang servers that capture while training runs, owned by SpecForge (one node).

    The devices of the trainer and of the servers must be disjoint.

    Attributes:
        trainer_devices: CUDA ordinals of the trainer.
        server_devices: CUDA ordinals of each server.
        first_port: Port of the first server; the others follow.
    """

    trainer_devices: Sequence[int] = (1,)
    server_devices: Sequence[Sequence[int]] = ((0,),)
    first_port: int = 30_000


def online_run_file(
    plan: TrainingPlan,
    servers: OnlineServers,
    *,
    run_id: str,
    target: str,
    head_key: str,
    embedding_key: str,
    corpus: str,
    template: str,
    max_length: int,
) -> str:
    """Write the run file of an online, disaggregated training: no features on disk, 2 or more GPUs.

    Args:
        plan: The trainer's settings.
        servers: The servers, and the devices.
        run_id: Name of the run and of its checkpoints.
        target: Folder of the target.
        head_key: Name of its head's tensor.
        embedding_key: Name of its embedding's tensor.
        corpus: File of the conversations.
        template: SpecForge's name of the chat template.
        max_length: Most tokens of a conversation.

    Returns:
        The YAML text.
    """
    capture = [
        {
            "port": servers.first_port + i,
            "cuda_visible_devices": list(map(str, devices)),
            "tp_size": len(devices),
        }
        for i, devices in enumerate(servers.server_devices)
    ]
    return _yaml(
        {
            "model": {
                **_model(target, head_key, embedding_key),
                "draft_model_config": CONFIG,
                "vocab_mapping_path": MAPPING,
            },
            "data": {
                "train_data_path": corpus,
                "max_length": max_length,
                "chat_template": template,
                "cache_dir": "cache",
            },
            "training": {
                **_training(plan),
                "attention_backend": "flex_attention",
                "save_interval": 1000,
                "log_interval": 10,
                "max_checkpoints": 2,
            },
            "tracking": {"report_to": "tensorboard"},
            "run_id": run_id,
            "output_dir": OUT,
            "deployment": {
                "mode": "disaggregated",
                "trainer": {"nnodes": 1, "nproc_per_node": len(servers.trainer_devices)},
                "disaggregated": {
                    "control_dir": f"{OUT}/control",
                    "consumer_state_dir": f"{OUT}/consumer",
                    "backend": "mooncake",
                    "managed_local": {
                        "trainer_cuda_visible_devices": list(map(str, servers.trainer_devices)),
                        "capture_servers": capture,
                    },
                },
            },
        }
    )


def _model(target: str, head_key: str, embedding_key: str) -> dict[str, Any]:
    return {
        "target_model_path": target,
        "embedding_key": embedding_key,
        "lm_head_key": head_key,
        "torch_dtype": "bfloat16",  # the only one: SpecForge keeps the target's head in it
    }


def _training(plan: TrainingPlan) -> dict[str, Any]:
    fields = asdict(plan)
    names = {
        "epochs": "num_epochs",
        "batch_size": "batch_size",
        "accumulation": "accumulation_steps",
        "learning_rate": "learning_rate",
        "warmup_ratio": "warmup_ratio",
        "max_grad_norm": "max_grad_norm",
        "ttt_length": "ttt_length",
        "seed": "seed",
    }
    return {
        "strategy": "eagle3",
        **{specforge_name: fields[name] for name, specforge_name in names.items()},
    }


def _yaml(value: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
