"""The files of a training run as other modules read them, checked against their types.

Fields that other versions lack may be absent; what is read of a file is a plain mapping.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.records import DamagedError

SPEC, STATE, RESULT = "run.json", "state.json", "result.json"
FORMAT = "vocabtrim-run-1"


@dataclass(frozen=True, slots=True)
class _Target:
    vocab_size: int
    name: str = ""
    folder: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    sha256: str
    steps: int
    counts: str = ""


@dataclass(frozen=True, slots=True)
class _Spec:
    target: _Target
    vocabularies: dict[str, _Vocabulary]
    features: str = ""
    corpus: str = ""
    regenerated_by: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    plan: TrainingPlan | None = None
    deployment: Deployment | None = None
    trainer: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Result:
    k: int
    vocab_size: int
    acceptance_length: float
    per_position_accuracy: tuple[float, ...]
    coverage: float = 0.0
    flops_reduction: float = 0.0
    head_bytes: int = 0
    steps: int = 0
    best_step: int = 0
    held_out_tokens: int = 0
    held_out_conversations: int = 0
    seconds: float = 0.0
    draft: str = ""
    device: str = ""
    trainer: dict[str, str] = field(default_factory=dict)
    acceptance_interval: tuple[float, float] | None = None
    coverage_of: str = ""
    coverage_held_out: float = 0.0
    tokens_per_step: float = 0.0
    plan: dict[str, Any] = field(default_factory=dict)


def read_spec(folder: Path) -> dict[str, Any]:
    """Read what a run trains.

    Args:
        folder: The run's folder.

    Returns:
        The content of its run.json.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It cannot be read, or is of a newer version.
    """
    path = folder / SPEC
    value = records.read_value(path, newest=FORMAT)
    spec = records.convert(value, _Spec, path)
    if bad := next((k for k in spec.vocabularies if not (k.isascii() and k.isdigit())), None):
        raise DamagedError(path, f"{bad!r} is no size of a vocabulary")
    return value


def read_result(folder: Path) -> dict[str, Any]:
    """Read the result of a training of one size.

    Args:
        folder: The folder of this size.

    Returns:
        The content of its result.json.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It cannot be read.
    """
    path = folder / RESULT
    value = records.read_value(path)
    result = records.convert(value, _Result, path)
    if not result.per_position_accuracy:
        raise DamagedError(path, "per_position_accuracy is empty")
    return value
