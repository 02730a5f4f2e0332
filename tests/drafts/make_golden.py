"""Write the recorded run files anew, after a change that is meant (run it in this folder)."""

from test_drafts_parts import FILES, GOLDEN

for name, text in FILES.items():
    (GOLDEN / name).write_text(text, "utf-8")
