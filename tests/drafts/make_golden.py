"""Writes the recorded run files anew, after a change that is meant.

`PYTHONPATH=.:tests python tests/drafts/make_golden.py`
"""

from test_drafts_parts import FILES, GOLDEN

for name, text in FILES.items():
    (GOLDEN / name).write_text(text, "utf-8")
