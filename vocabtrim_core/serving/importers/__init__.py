"""Import of other benchmark tools' results as measurements.

To add a tool, add one module to `formats/` that defines IMPORTER.
"""

from vocabtrim_core.serving.importers.assembling import (
    Hints,
    find_importer,
    import_results,
    own_measurement,
    save_once,
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
    "find_importer",
    "import_results",
    "open_sources",
    "own_measurement",
    "read_source",
    "save_once",
]
