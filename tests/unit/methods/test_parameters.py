"""Hyper-parameters out of their range are refused in one sentence, before anything is computed."""

import re
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.methods import available, create
from pipeline.methods._parameters import (
    CountFrom0,
    Positive,
    Share,
    ShareBelow1,
    check_parameters,
)


@dataclass
class Toy:
    count: int = 1
    maybe: CountFrom0 = 0
    weight: float = 0.0
    above: Positive = 1.0
    share: Share = 0.5
    below: ShareBelow1 = 0.5
    center: bool = True
    how: Literal["raise", "warn"] = "raise"
    critic: Literal["mean"] | int = "mean"
    limit: int | None = None
    widths: tuple[int, ...] = (1,)
    device: str = "auto"
    other: Any = None


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("count", 0, "a whole number, at least 1, is needed"),
        ("count", 2.5, "a whole number, at least 1, is needed"),
        ("count", True, "a whole number, at least 1, is needed"),
        ("count", "many", "a whole number, at least 1, is needed"),
        ("maybe", -1, "a whole number, at least 0, is needed"),
        ("weight", -0.1, "a number, at least 0, is needed"),
        ("weight", float("nan"), "a number, at least 0, is needed"),
        ("weight", float("inf"), "a number, at least 0, is needed"),
        ("weight", None, "a number, at least 0, is needed"),
        ("above", 0, "a number, above 0, is needed"),
        ("share", 1.1, "a number, at least 0 and at most 1, is needed"),
        ("below", 1, "a number, at least 0 and below 1, is needed"),
        ("center", "yes", "true or false is needed"),
        ("how", "shout", "'raise' or 'warn' is needed"),
        ("critic", "median", "'mean' or a whole number, at least 1, is needed"),
        ("limit", 0, "a whole number, at least 1, or nothing is needed"),
        ("widths", [1], "a tuple is needed"),
        ("device", 1, "a word is needed"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_is_needed(name, value, needed):
    with pytest.raises(InputError, match=re.escape(f"Toy: {name}: {value!r}; {needed}")):
        check_parameters(Toy, {name: value})


def test_values_that_fit_pass():
    check_parameters(Toy, vars(Toy()))
    numbers = {"count": np.int64(3), "weight": np.float32(2), "share": 1, "critic": 4, "limit": 9}
    check_parameters(Toy, numbers | {"maybe": 0, "below": 0, "how": "warn", "other": object()})


@pytest.mark.parametrize("name", available())
def test_every_default_of_a_method_fits_and_every_number_below_its_range_is_refused(name):
    hasher = create(name, bits=4, seed=0)
    numbers = [f.name for f in fields(hasher) if type(getattr(hasher, f.name)) in (int, float)]
    for parameter in numbers:
        with pytest.raises(InputError, match=f": {parameter}: -1"):
            type(hasher)(**hasher.get_params() | {parameter: -1}).fit(np.eye(9), np.eye(9))
