"""Modules that take long to import, imported when a test uses them, so that collecting is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any


class Lazy:
    """`torch = Lazy("torch")` stands where `import torch` would; submodules by their full names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_") and self._name not in sys.modules:
            raise AttributeError(attribute)  # pytest asks every global of a test file for some
        return getattr(importlib.import_module(self._name), attribute)
