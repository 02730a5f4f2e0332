"""Drafts on disk: trim the head of one without training, and read what was trimmed."""

from vocabtrim_core.drafts.slicing import SlicedDraft, plan, read_sliced, slice_draft

__all__ = ["SlicedDraft", "plan", "read_sliced", "slice_draft"]
