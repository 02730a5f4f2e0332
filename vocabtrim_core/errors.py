"""The exceptions that end a command early on purpose."""


class InputError(ValueError):
    """Bad input. The message is one sentence: what is wrong, where, and what to do."""


class Cancelled(Exception):  # noqa: N818 - a request of the user, not an error
    """The user asked the command to stop; finished parts stay on disk."""
