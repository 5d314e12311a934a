"""Kinds of encoders, one module each, found by its name.

A module has one of

    create(**options) -> ImageEncoder       a network for images; the bulk work is images.py's
    write(pairs, *, path, provenance, **options) -> facts

where ``write`` may also take ``view`` and ``device``, and ``facts`` (JSON-able) are what a stored
encoder needs beside its options. A kind that can encode new things has ``create``, or
``reopen(facts, *, device, **options)`` that gives a function from a list of them to their features.
"""

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from pipeline.errors import InputError


def available() -> list[str]:
    """The names of all kinds."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module_of(kind: str) -> ModuleType:
    """The module of a kind; only that one, and what it needs, is imported."""
    if kind not in available():
        raise InputError(f"unknown kind of encoder {kind!r}; known are {', '.join(available())}")
    return import_module(f"{__name__}.{kind}")


def can_reopen(kind: str | None) -> bool:
    """Whether new things can be encoded alike; no kind (a view without an encoder) can not."""
    module = module_of(kind) if kind else None
    return hasattr(module, "create") or hasattr(module, "reopen")


def options_of(function: Callable) -> set[str]:
    """The names of the keyword-only parameters of ``function``."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}


def defaults_of(function: Callable) -> dict[str, Any]:
    """The defaults of the parameters of ``function`` that have one."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
