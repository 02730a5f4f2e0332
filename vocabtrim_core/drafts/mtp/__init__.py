"""Heads over the target's vocabulary inside a checkpoint: MTP, NextN, EAGLE."""
