"""Packages that not every installation has, and the sentence for the one that is missing."""

from __future__ import annotations

import platform
import sys

EXTRAS = {"torch": "train", "accelerate": "train", "tensorboard": "train", "distributed": "cluster"}


def missing_package(error: BaseException) -> str | None:
    """What to install, for an import that failed because a package is not there; else None."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    package = (name or "vocabtrim_core").partition(".")[0]
    if package.startswith("vocabtrim") or package == "pages":
        return None  # a bug of ours
    extra = EXTRAS.get(package)
    if extra == "train" and (sys.platform, platform.machine()) == ("darwin", "x86_64"):
        return (
            f"This needs the Python package {package}, which is not made for Macs "
            "with Intel processors any more; do it on another machine."
        )
    which = f"vocabtrim-explorer[{extra}]" if extra else package.replace("_", "-")
    return (
        f"This needs the Python package {package}, which is not installed; run `pip install "
        f"'{which}'`, or set up everything with `make setup` in a checkout."
    )
