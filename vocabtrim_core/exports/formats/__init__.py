"""Every export format, one module each: a module here that defines EXPORTER is a format."""

from __future__ import annotations

import importlib
import pkgutil

from vocabtrim_core.exports.exporter import Exporter


def _discover() -> dict[str, Exporter]:
    modules = (
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    )
    return {module.EXPORTER.name: module.EXPORTER for module in modules}


FORMATS: dict[str, Exporter] = _discover()  # by module name, alphabetically
