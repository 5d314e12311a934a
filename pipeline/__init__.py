"""Unsupervised cross-modal hashing: from raw downloads to tables, and to models that one can use.

load(folder)                      a trained model, for new images and texts
create(name, bits=, seed=, ...)   an unfitted method
evaluate(...)                     what codes reach
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "create", "evaluate", "load"]

_HOMES = {"load": "models.model", "create": "methods", "evaluate": "evaluation"}


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for: not every stage needs torch."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
