"""Whether a draft is really used: questions about a running server, or about its log."""

from vocabtrim_core.serving.doctor.diagnosis import Asked, diagnose
from vocabtrim_core.serving.doctor.draft_facts import DraftFacts, draft_facts
from vocabtrim_core.serving.doctor.examination import Expected, examine
from vocabtrim_core.serving.doctor.finding import Diagnosis, Finding
from vocabtrim_core.serving.doctor.random_draft import RandomDraft

__all__ = [
    "Asked",
    "Diagnosis",
    "DraftFacts",
    "Expected",
    "Finding",
    "RandomDraft",
    "diagnose",
    "draft_facts",
    "examine",
]
