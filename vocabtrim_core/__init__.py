"""Choose the draft vocabulary of a speculative decoder, prove the choice, export it."""

__version__ = "0.1.0"
