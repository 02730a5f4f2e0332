"""SpecForge: the mapping file, the draft's config and a run file that uses both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import load_pair, save_pair
from vocabtrim_core.reproducible_files import save_json, save_text
from vocabtrim_core.templates.presets import SPECFORGE_TEMPLATES
from vocabtrim_core.vocabulary import DraftVocabulary

MAPPING, CONFIG, RUN = "vocab_mapping.pt", "config.json", "run.yaml"
NO_TEMPLATE = "# chat_template: its name in SpecForge (an offline run does not read it)"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: the mapping; with known shapes config.json, run.yaml."""
    files = [save_pair(folder / MAPPING, vocabulary)]
    if context.architecture is not None:
        config = context.architecture.draft_config(len(vocabulary))
        files.append(save_json(folder / CONFIG, config))
        files.append(save_text(folder / RUN, run_file(len(vocabulary), context)))
    return files


def run_file(k: int, context: ExportContext) -> str:
    """Write an offline EAGLE-3 run in SpecForge's own schema; two paths are left to fill in.

    Args:
        k: Number of draft tokens.
        context: Where the vocabulary comes from; the counts give max_length and template.

    Returns:
        The text of run.yaml.
    """
    provenance = context.counts.provenance if context.counts else None
    length = (provenance.max_length if provenance else None) or 4096
    template = provenance.template if provenance else ""
    chat = f"chat_template: {template}" if template in SPECFORGE_TEMPLATES else NO_TEMPLATE
    return f"""\
# EAGLE-3 draft with {k:,} tokens. Fill in the two paths, then, in this folder:
#   specforge train -c {RUN} --plan     checks this file
#   specforge train -c {RUN}
# Paths are resolved from the working directory.
model:
  target_model_path: TARGET_MODEL  # fill in: local folder or hub id of the target
  draft_model_config: {CONFIG}  # draft_vocab_size: {k}
  vocab_mapping_path: {MAPPING}
  torch_dtype: bfloat16
data:
  hidden_states_path: FEATURES  # fill in: folder of captured hidden states (*.ckpt)
  max_length: {length}
  {chat}
  cache_dir: cache
training:
  strategy: eagle3
  num_epochs: 10
  batch_size: 1
  learning_rate: 1.0e-4
  warmup_ratio: 0.015
  max_grad_norm: 0.5
  ttt_length: 7
  attention_backend: flex_attention
  save_interval: 1000  # 0 would keep nothing to resume from
  log_interval: 10
  seed: 0
run_id: eagle3-{k}
output_dir: out
deployment: {{mode: local_colocated, trainer: {{nnodes: 1, nproc_per_node: 1}}}}
"""


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the target ids of the mapping."""
    return load_pair(folder / MAPPING)


EXPORTER = Exporter(
    name="specforge",
    title="SpecForge",
    consumer="SpecForge 0.2.0, EAGLE-3 training",
    stage="train",
    semantics="offset",
    order="ascending",
    files=(MAPPING, CONFIG, RUN),
    how="Name the mapping and the draft config in your run's YAML. Or fill in the two paths of "
    "specforge/run.yaml and start that, inside the folder, with `specforge train -c run.yaml`.",
    example="model:\n"
    "  vocab_mapping_path: specforge/vocab_mapping.pt\n"
    "  draft_model_config: specforge/config.json  # its draft_vocab_size is <N>",
    limits="At most 131,072 draft tokens: the Triton loss takes no larger head, so a full 151,936 "
    "token vocabulary cannot be trained. SpecForge does not check a mapping's content. Copy the "
    "mapping into the run once and leave it: resuming compares its size and modification time. "
    "Never give another mapping to a trained draft: its head rows keep their old meaning.",
    proof="loaded",
    checked="Loaded with SpecForge 0.2.0's own code in tests: the draft model built from "
    "config.json, its load_vocab_mapping, the mapping consistency check and the run file loader; "
    "d2t and t2d equal what its process_token_dict_to_mappings makes from the same counts, bit for "
    "bit. No training step is run there.",
    full="specforge: all V tokens are kept, so the mapping is the identity; SpecForge loads it, "
    "and needs none: vocab_mapping_path may be left out. It refuses to train on from a draft "
    "folder that engines serve (draft_checkpoint_path), which has no mapping at V: go on from a "
    "checkpoint of the training.",
    write=write,
    read=read,
    max_k=131_072,
    wants={
        "architecture": "specforge: config.json and run.yaml are left out, because {why}; set "
        "draft_vocab_size in your own draft config to k."
    },
)
