"""The ways a stage may end without its result, each in one sentence; all else is a bug."""


class InputError(ValueError):
    """Bad input: the message is one sentence saying what was given, what is needed, and where.

    The command line prints the sentence and exits with status 2, without a traceback.
    """


class ModelError(InputError):
    """A stored model that is damaged, or of a kind that this version cannot read."""


class CollapseError(RuntimeError):
    """Training ended with codes that tell nothing about their input."""
