"""The one exception that means "the input is at fault", as opposed to a bug of ours."""


class InputError(ValueError):
    """Bad input: the message is one sentence saying what was given, what is needed, and where.

    The command line prints the sentence and exits with status 2, without a traceback.
    """
