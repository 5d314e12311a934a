"""Hyper-parameters: what may be given for one follows from its annotation, checked in one place.

``int`` is a whole number of at least 1 and ``float`` a finite number of at least 0, unless the
annotation says otherwise: ``CountFrom0``, ``Positive``, ``Share``, ``ShareBelow1``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pipeline.errors import InputError


@dataclass(frozen=True)
class Within:
    """The numbers from ``low`` to ``high``, with or without these two."""

    low: float = 0.0
    high: float = math.inf
    low_too: bool = True
    high_too: bool = True

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.low_too else value > self.low
        below = value <= self.high if self.high_too else value < self.high
        return math.isfinite(value) and above and below

    def __str__(self) -> str:
        first = f"at least {self.low:g}" if self.low_too else f"above {self.low:g}"
        if math.isinf(self.high):
            return first
        return f"{first} and {'at most' if self.high_too else 'below'} {self.high:g}"


CountFrom0 = Annotated[int, Within(0)]
Positive = Annotated[float, Within(0, low_too=False)]
Share = Annotated[float, Within(0, 1)]
ShareBelow1 = Annotated[float, Within(0, 1, high_too=False)]

_DEFAULT = {int: Within(1), float: Within(0)}


def check_parameters(cls: type, params: Mapping[str, Any]) -> None:
    """Raise InputError for the first parameter that its annotation in ``cls`` does not allow."""
    annotations = get_type_hints(cls, include_extras=True)
    for name, value in params.items():
        needed = []
        for option in _options(annotations[name]):
            fits, words = _option(option, value)
            if fits:
                break
            needed.append(words)
        else:
            raise InputError(f"{cls.__name__}: {name}: {value!r}; {' or '.join(needed)} is needed")


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; any other annotation alone."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _option(annotation: Any, value: Any) -> tuple[bool, str]:
    """Whether the value is one of these, and what these are, in words."""
    if get_origin(annotation) is Literal:
        known = get_args(annotation)
        return value in known, " or ".join(map(repr, known))
    ranges: list[Any] = []
    if get_origin(annotation) is Annotated:
        annotation, *ranges = get_args(annotation)
    kind = get_origin(annotation) or annotation
    if kind in _DEFAULT:
        of, noun = (Integral, "a whole number") if kind is int else (Real, "a number")
        within = ranges[0] if ranges else _DEFAULT[kind]
        number = isinstance(value, of) and not isinstance(value, bool)
        return number and value in within, f"{noun}, {within},"
    if kind is Any or not isinstance(kind, type):  # nothing that a value could be compared with
        return True, ""
    words = {bool: "true or false", str: "a word", NoneType: "nothing"}
    return isinstance(value, kind), words.get(kind, f"a {kind.__name__}")
