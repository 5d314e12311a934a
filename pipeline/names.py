"""Names with overrides, as in paths, and names and values as papers print them.

A name with overrides is written ``name,key=value,key=value`` with JSON values, for example the
method ``cmimh,w_gap=0.1`` or the split ``paper,train=10000``.
"""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.errors import InputError


def name_with(name: str, overrides: Mapping[str, Any]) -> str:
    """``name`` with overrides, as used in paths; ``parse_name`` reads it back."""
    parts = [f"{key}={json.dumps(overrides[key])}" for key in sorted(overrides)]
    return ",".join([name, *parts])


def parse_name(text: str) -> tuple[str, dict[str, Any]]:
    """The plain name and the overrides of ``name,key=value,...``."""
    name, *parts = text.split(",")
    overrides = {}
    for part in parts:
        key, _, value = part.partition("=")
        try:
            overrides[key] = json.loads(value)
        except json.JSONDecodeError:
            raise InputError(
                f"{text!r}: {part!r} is not key=value with a JSON value, such as w_gap=0.1"
            ) from None
    return name, overrides


def label(method: str) -> str:
    """A method's name as papers print it: ``ukd_ss`` is UKD-SS."""
    return parse_name(method)[0].upper().replace("_", "-")


def value_label(value: Any) -> str:
    """A value of a table's key as text: True is 'yes', 1.0 is '1', nothing is ''."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
