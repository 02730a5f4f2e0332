"""Optional packages, and the message where one is missing."""

from __future__ import annotations

import platform
import sys

EXTRAS = {"torch": "train", "accelerate": "train", "tensorboard": "train", "distributed": "cluster"}


def missing_package(error: BaseException) -> str | None:
    """What to install after an import failed.

    Args:
        error: Any exception.

    Returns:
        One sentence; None where the exception is not about a package of others that is missing.
    """
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    package = (name or "vocabtrim_core").partition(".")[0]
    if package.startswith("vocabtrim") or package == "pages":
        return None  # an error in this program
    extra = EXTRAS.get(package)
    if extra == "train" and (sys.platform, platform.machine()) == ("darwin", "x86_64"):
        return (
            f"This needs the Python package {package}, which is not made for Macs "
            "with Intel processors any more; do it on another machine."
        )
    requirement = f"vocabtrim-explorer[{extra}]" if extra else package.replace("_", "-")
    return (
        f"This needs the Python package {package}, which is not installed; run `pip install "
        f"'{requirement}'`, or set up everything with `make setup` in a checkout."
    )
