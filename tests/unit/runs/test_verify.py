"""Digests are recomputed and held against what was recorded; what differs is named."""

import json

import numpy as np
import pytest

from pipeline.cli import stages
from pipeline.results.record import record_of
from pipeline.runs.verify import verify
from pipeline.storage import store
from pipeline.storage.store import Provenance


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Pairs, features made from them, metrics, and a table made from these, in the working folder.

    Paths are relative, as the workflow's are.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    pairs = store.Pairs(["a", "b"], np.eye(2, dtype=np.uint8), ["x", "y"])
    store.write_pairs("data/pairs.h5", pairs, Provenance("pairs"))
    made = Provenance("encode", {}, {"pairs": "data/pairs.h5"})
    with store.feature_writer("data/f.h5", (2, 1), made) as writer:
        writer.write(slice(0, 2), np.ones((2, 1)))
    made = Provenance("evaluate", {}, {"codes": "data/f.h5"})
    store.write_metrics("data/test.h5", {"i2t": {"x": np.ones((1, 2))}}, [0], made)
    table = tmp_path / "results" / "t.csv"
    table.write_text("a,b\n")
    cell = {"metrics_file": "data/test.h5", "codes_file": "data/f.h5"}
    spec = {"kind": "table", "metrics": ["mAP@1000"], "cells": [cell, {"missing": "not run"}]}
    table.with_suffix(".json").write_text(json.dumps(record_of(table, spec)))
    return tmp_path


def faults(made):
    return verify(made / "data", made / "results")[1]


def test_files_as_they_were_made_hold(made):
    assert verify(made / "data", made / "results") == (4, [])


def test_an_input_that_was_made_anew_is_named_with_what_was_made_from_it(made):
    pairs = store.Pairs(["a", "c"], np.eye(2, dtype=np.uint8), ["x", "y"])
    store.write_pairs("data/pairs.h5", pairs, Provenance("pairs"))
    (fault,) = faults(made)
    assert fault.startswith(f"data/pairs.h5 is not as it was for {made}/data/f.h5: its SHA-256 is ")


def test_one_flipped_bit_is_found(made):
    damaged = bytearray((made / "data/test.h5").read_bytes())
    damaged[-1] ^= 1
    (made / "data/test.h5").write_bytes(damaged)
    assert any("data/test.h5 is not as it was" in fault for fault in faults(made))


def test_an_edited_table_is_named(made):
    (made / "results/t.csv").write_text("a,c\n")
    (fault,) = faults(made)
    assert "results/t.csv is not as it was" in fault


def test_a_missing_input_is_named(made):
    (made / "data/f.h5").unlink()
    assert faults(made) == [f"data/f.h5 is not there; {made}/data/test.h5 was made from it"]


def test_what_cannot_be_read_is_named(made):
    (made / "data/pairs.h5").write_bytes(b"nothing")
    (made / "results/old.json").write_text("{}")
    said = " ".join(faults(made))
    assert "data/pairs.h5: not a readable HDF5 file" in said
    assert "old.json holds no record of digests" in said


def test_the_command_fails_when_something_differs_and_names_it(made, capsys):
    arguments = ["verify", "--artefacts", "data", "--results", "results"]
    assert stages.main(arguments) == 0
    assert "4 recorded digests hold" in capsys.readouterr().err
    (made / "results/t.csv").write_text("a,c\n")
    assert stages.main(arguments) == 2
    said = capsys.readouterr().err
    assert "results/t.csv is not as it was" in said
    assert "error: 1 fault, named above; 4 digests were recomputed" in said


def test_a_mixture_of_library_versions_is_named_in_one_sentence_for_each_library(made, monkeypatch):
    """After an upgrade the metrics are made anew from features of before."""
    now = store.libraries() | {"torch": "99.1"}
    monkeypatch.setattr(store, "libraries", lambda: now)
    again = Provenance("evaluate", {}, {"codes": "data/f.h5"})
    for name in ("data/test.h5", "data/test2.h5"):
        store.write_metrics(name, {"i2t": {"x": np.ones((1, 2))}}, [0], again)
    table = made / "results" / "t.csv"
    spec = json.loads(table.with_suffix(".json").read_text())
    table.with_suffix(".json").write_text(json.dumps(record_of(table, spec)))
    (fault,) = faults(made)
    before = store.provenance_of("data/f.h5")["libraries"]["torch"]
    assert fault == (
        f"{made}/data/test.h5 and 1 more: made from files of different versions of torch, "
        f"{before} (data/f.h5) and 99.1 ({made}/data/test.h5); to have all of one, delete the "
        "older ones and run again"
    )


def test_files_of_different_versions_that_do_not_meet_are_no_mixture(made, monkeypatch):
    now = store.libraries() | {"torch": "99.1"}
    monkeypatch.setattr(store, "libraries", lambda: now)
    store.write_metrics("data/other.h5", {"i2t": {"x": np.ones((1, 2))}}, [0], Provenance("t"))
    assert faults(made) == []
