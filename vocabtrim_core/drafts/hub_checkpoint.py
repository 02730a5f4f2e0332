"""A checkpoint on the hub, opened by its config, index and headers; no weight is fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.drafts.checkpoint import Checkpoint
from vocabtrim_core.drafts.tensor_files import HeaderTensor
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG, read_config

NO_DATA = np.empty(0, np.uint8)


def is_hub_id(model: Path) -> bool:
    """Whether a model is named by OWNER/NAME and is no folder here.

    Args:
        model: What was given as the model.

    Returns:
        True for an id of the hub.
    """
    parts = model.parts
    plain = len(parts) == 2 and not parts[0].startswith((".", "~", "/"))
    return plain and not model.exists() and not Path(parts[0]).exists()


def hub_checkpoint(repo: str) -> Checkpoint:
    """Open a checkpoint on the hub without its weights.

    config.json is downloaded; of each safetensors file the header alone is asked for.

    Args:
        repo: Its id, OWNER/NAME.

    Returns:
        The config and the tensors, which have names, types, shapes and sizes but no data.

    Raises:
        InputError: The hub has no such model or cannot be reached, or its weights are not in
            safetensors.
    """
    from huggingface_hub import HfApi, errors, hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    try:
        config = read_config(Path(hf_hub_download(repo, CONFIG))).whole
        headers = HfApi().get_safetensors_metadata(repo).files_metadata
    except errors.GatedRepoError:
        reason = "is gated; accept its licence on the hub and run `hf auth login`"
    except errors.RepositoryNotFoundError:
        reason = "does not exist on the hub, or is private; check the name, or run `hf auth login`"
    except errors.NotASafetensorsRepoError:
        reason = "has no safetensors files; of a GGUF file give the path on this machine"
    except InputError:
        raise
    except Exception as error:
        cause = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        if isinstance(error, errors.LocalEntryNotFoundError | ConnectionError):
            cause = "no connection to the hub"
        reason = (
            f"cannot be read: {cause}; check the internet connection, or give the folder that "
            "holds the model"
        )
    else:
        shards = {
            file: {
                name: HeaderTensor(
                    name,
                    str(info.dtype),
                    tuple(info.shape),
                    NO_DATA,
                    info.data_offsets[1] - info.data_offsets[0],
                )
                for name, info in header.tensors.items()
            }
            for file, header in headers.items()
        }
        return Checkpoint(Path(repo), config, shards)
    raise InputError(f"The hub model {repo} {reason}.")
