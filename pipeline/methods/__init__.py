"""Hashing methods, one file each, named like the method. ``create`` finds them by that name."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.methods._parameters import check_parameters
from pipeline.methods.base import Hasher

_NOT_METHODS = {"base"}
ORIGIN = ("Theirs", "Ours", "Not known")


def available() -> list[str]:
    """The names of all methods: the modules of this package that are not marked private."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(n for n in names if not n.startswith("_") and n not in _NOT_METHODS)


def create(name: str, *, bits: int, seed: int, **params: Any) -> Hasher:
    """A new, unfitted method.

    name    one of ``available()``
    bits    code length
    seed    of everything random in the method
    params  the method's own hyper-parameters, by the names of its constructor
    """
    cls, known = _class(name), parameters(name)
    if unknown := set(params) - known:
        raise InputError(
            f"method {name} has no parameter {', '.join(sorted(unknown))}; "
            f"it takes {', '.join(sorted(known)) or 'none'}"
        )
    hasher = cls(bits=bits, seed=seed, **params)
    check_parameters(cls, hasher.get_params())
    return hasher


def parameters(name: str) -> set[str]:
    """The names of a method's own parameters, those that its constructor takes."""
    return set(inspect.signature(_class(name)).parameters) - {"bits", "seed"}


def origin(name: str) -> dict[str, str]:
    """What of a method is its authors', what is ours, and what is not known, from its docstring.

    The docstring of its class holds them as paragraphs that begin with ``Theirs:``, ``Ours:`` and
    ``Not known:``. The source is read and not imported, so that this costs no library.
    """
    tree = ast.parse(Path(__path__[0], f"{name}.py").read_text(encoding="utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    told = " ".join(f"{ast.get_docstring(node) or ''}\n\n" for node in classes)
    found = {}
    for key in ORIGIN:
        paragraph = re.search(rf"^\s*{key}:\s+(.+?)\n\s*\n", told, re.DOTALL | re.MULTILINE)
        found[key] = " ".join(paragraph[1].split()) if paragraph else ""
    return found


def _class(name: str) -> type[Hasher]:
    if name not in available():
        raise InputError(f"unknown method {name!r}; known are {', '.join(available())}")
    module = importlib.import_module(f"{__name__}.{name}")
    (cls,) = (
        member
        for member in vars(module).values()
        if inspect.isclass(member)
        and issubclass(member, Hasher)
        and member.__module__ == module.__name__
    )
    return cls
