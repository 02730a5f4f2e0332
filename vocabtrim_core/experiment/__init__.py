"""One experiment from prompts to a measured comparison: drafts of several sizes on one engine.

It runs commands that exist by themselves (`regenerate`, `count`, `optimize`, `train`, `bench`), one
after the other, and keeps what each gave; a stopped experiment continues with the stage it was in.
"""
