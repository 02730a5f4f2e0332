"""Placeholder page body while its parts arrive."""

from pages.ui.frame import choose_counts, heading
from pages.ui.router import require_router

require_router()
heading("Corpus", "")
choose_counts()
