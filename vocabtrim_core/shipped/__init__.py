"""Counts of public corpora that come with the package: numbers, no text.

`data/manifest.json` names the sources with their licences, the rule, the versions and the command
that makes every file again (`benchmarks/shipped_counts.py`).
"""
