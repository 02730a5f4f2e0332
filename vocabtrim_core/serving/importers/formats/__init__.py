"""Every importable format, one module each: a module here that defines IMPORTER is a format."""

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
