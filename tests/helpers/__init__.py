"""What tests share, and where things are."""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
APP = ROOT / "app.py"
