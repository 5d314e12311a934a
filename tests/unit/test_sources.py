"""The source files a stage runs, found by its imports."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from pipeline.cli import stages
from pipeline.runs import plan
from pipeline.sources import sources, uses


def names(*modules):
    return {Path(p).stem for p in sources(*modules)}


def test_a_stage_s_sources_are_what_it_imports_directly_or_not():
    assert {"splits", "seeds", "store", "errors", "files"} <= names("pipeline.splits")


def test_a_method_s_sources_hold_no_other_method():
    assert "cvh" in names("pipeline.methods.cvh")
    assert not {"cmimh", "djsrh"} & names("pipeline.methods.cvh")


def test_training_alone_brings_in_no_method():
    assert not {"cvh", "cmimh"} & names("pipeline.training")


def test_torch_is_found_through_private_helpers():
    assert uses("pipeline.methods.djsrh", "torch")
    assert not uses("pipeline.methods.cvh", "torch")
    assert not uses("pipeline.splits", "torch")


STAGES = ("draw", "pairs", "encode", "split", "pca", "train", "evaluate", "table", "figure")


@pytest.mark.parametrize("stage", [*STAGES, "report"])
def test_what_a_stage_runs_is_an_input_of_its_rule(root, stage):
    """So that an edit of it reruns the rule's jobs; all the command line does is to call it."""
    texts = [path.read_text() for path in (root / "workflow" / "rules").glob("*.smk")]
    rules = re.split(r"^ *rule\b", "\n".join(texts), flags=re.MULTILINE)
    (rule,) = [text for text in rules if f"python -m pipeline {stage} " in text]
    listed = re.findall(r'"(pipeline[\w.]*)"', rule[: rule.index("output:")])
    handler = ast.parse(inspect.getsource(getattr(stages, f"_{stage}")))
    called = [
        name
        for node in ast.walk(handler)
        if isinstance(node, ast.ImportFrom)
        for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    ]
    assert called and set(sources(*called)) <= set(sources(*listed))
    assert not {stages.__file__, plan.__file__} & set(sources(*listed))
