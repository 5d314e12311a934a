"""The ways a stage may end without its result, each in one sentence; all else is a bug."""

_LONGEST = 1000  # characters of a message; what input holds may be longer


def brief(text: str) -> str:
    """A message on one line and of bounded length, whatever the input that it quotes."""
    line = "".join(c if c.isprintable() else " " for c in text)
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST * 3 // 4]} ... {line[-_LONGEST // 4 :]}"


def sentence(error: OSError | MemoryError) -> str:
    """What the machine refused, in a few words."""
    if isinstance(error, MemoryError):
        return brief(f"not enough memory ({str(error) or 'no more can be had'})")
    where = f"{error.filename}: " if error.filename else ""
    return brief(f"{where}{error.strerror or error}")


class InputError(ValueError):
    """Bad input: the message is one sentence saying what was given, what is needed, and where.

    The command line prints the sentence and exits with status 2, without a traceback.
    """

    def __str__(self) -> str:
        return brief(super().__str__())


class ModelError(InputError):
    """A stored model that is damaged, or of a kind that this version cannot read."""


class CollapseError(RuntimeError):
    """Training ended with codes that tell nothing about their input."""
