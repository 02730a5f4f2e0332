"""The importable formats, one module each, which defines IMPORTER."""

from __future__ import annotations

import importlib
import pkgutil

from vocabtrim_core.serving.importers.importer import Importer


def _discover() -> dict[str, Importer]:
    modules = (
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    )
    return {m.IMPORTER.name: m.IMPORTER for m in modules}


FORMATS: dict[str, Importer] = _discover()  # by module name, alphabetically
