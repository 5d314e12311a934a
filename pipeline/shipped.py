"""Where the files of the project that are not Python lie.

They are the Snakefile, config.yaml, workflow/, envs/, overlays/ and profiles/. In a checkout they
stand around the package; an installed package carries a copy of them inside (see setup.py).
"""

from pathlib import Path

from pipeline.errors import InputError

_PACKAGE = Path(__file__).resolve().parent
_COPY = _PACKAGE / "_project"


def shipped(path: str) -> Path:
    """The place of a file or folder of the project, such as ``workflow/schemas``."""
    found = (_COPY if _COPY.is_dir() else _PACKAGE.parent) / path
    if not found.exists():
        raise InputError(f"{found} is missing: the workflow was not installed with the package")
    return found
