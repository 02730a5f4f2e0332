"""The two ways work ends early on purpose."""


class InputError(ValueError):
    """Bad input, told in one sentence: what is wrong, where (file, line, field), what to do."""


class Cancelled(Exception):  # noqa: N818 - a wish, not an error
    """The user asked the running work to stop; finished parts stay on disk."""
