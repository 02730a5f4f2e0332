"""Results of other benchmark tools as measurements.

To add a tool, add one module to `formats/` that defines IMPORTER.
"""

from vocabtrim_core.serving.importers.assembling import (
    Hints,
    import_results,
    keep,
    own,
    recognised,
)
from vocabtrim_core.serving.importers.formats import FORMATS
from vocabtrim_core.serving.importers.importer import Importer, Piece
from vocabtrim_core.serving.importers.sources import Source, open_sources, read_source

__all__ = [
    "FORMATS",
    "Hints",
    "Importer",
    "Piece",
    "Source",
    "import_results",
    "keep",
    "open_sources",
    "own",
    "read_source",
    "recognised",
]
