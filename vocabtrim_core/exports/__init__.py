"""Exports: one chosen vocabulary, written for every consumer, with a manifest to check it by.

To add a consumer, add one module to `formats/` that defines EXPORTER.
"""

from vocabtrim_core.exports.bundle import Inspection, export, export_zip, inspect_export, verify
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.exports.formats import FORMATS
from vocabtrim_core.exports.manifest import ExportedFile, Manifest
from vocabtrim_core.reproducible_files import zip_bytes

__all__ = [
    "FORMATS",
    "ExportContext",
    "ExportedFile",
    "Exporter",
    "Inspection",
    "Manifest",
    "export",
    "export_zip",
    "inspect_export",
    "verify",
    "zip_bytes",
]
