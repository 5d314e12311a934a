"""A method is found by the name of its file, and says where it comes from."""

import pytest

from pipeline import methods
from pipeline.errors import InputError

#: no code of their authors is public
REMADE = {"acq", "cre", "ldr", "mgah", "pdh", "udcmh", "ukd_ss"}

A_METHOD = """
from dataclasses import dataclass
import numpy as np
from pipeline.methods.base import Hasher

@dataclass(eq=False, kw_only=True)
class FirstColumns(Hasher):
    above: float = 0.0

    def _fit(self, image, text):
        self.fitted_ = True

    def _project_image(self, x):
        return x[:, : self.bits] > self.above

    _project_text = _project_image
"""


def test_adding_a_method_is_adding_a_file(tmp_path, monkeypatch):
    (tmp_path / "first_columns.py").write_text(A_METHOD)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    assert "first_columns" in methods.available()
    hasher = methods.create("first_columns", bits=2, seed=0, above=0.5)
    codes = hasher.fit([[0, 1, 1], [1, 0, 1.0]], [[0, 0], [1, 1.0]]).encode_text([[0, 1.0]])
    assert codes.tolist() == [[False, True]]


def test_an_unknown_parameter_is_refused_by_name():
    with pytest.raises(InputError, match="cvh has no parameter ridgee; it takes ridge"):
        methods.create("cvh", bits=8, seed=0, ridgee=1.0)


@pytest.mark.parametrize("name", methods.available())
def test_a_method_made_from_its_description_says_so_and_what_it_assumes(name):
    said = " ".join(type(methods.create(name, bits=8, seed=0)).__doc__.split()).lower()
    assert ("re-implementation" in said) == (name in REMADE)
    if name in REMADE:
        told = methods.origin(name)
        assert told["Ours"] and told["Not known"]
