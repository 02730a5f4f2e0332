"""Gemma 4's assistants: recognised, because their vocabulary is already cut while they run."""

from __future__ import annotations

from vocabtrim_core.draft_kinds.kind import HeadKind


class GemmaAssistant(HeadKind):
    """A Gemma 4 assistant with ordered embeddings."""

    name = "gemma-assistant"
    title = "Gemma 4 assistant"
    source = "transformers Gemma4AssistantConfig: num_centroids, centroid_intermediate_top_k"
    refusal = (
        "there is nothing to trim: it was trained with a vocabulary that changes at every step "
        "(2,048 centroids, of which the nearest give 4,096 of 262,144 rows), so its head already "
        "reads few rows"
    )
