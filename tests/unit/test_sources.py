"""The source files a stage runs, found by its imports."""

from pathlib import Path

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
