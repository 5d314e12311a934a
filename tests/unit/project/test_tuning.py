"""Equal tuning: the overlay treats all methods alike, and the rule that chooses from its tables."""

import re
import sys

import pandas as pd
import pytest
import yaml

from pipeline import methods
from pipeline.names import value_label
from pipeline.runs import plan


@pytest.fixture
def overlay(root):
    return yaml.safe_load((root / "overlays" / "tuning.yaml").read_text())


@pytest.fixture
def config(root, overlay):
    """The overlay on the config, as Snakemake merges them."""
    merged = yaml.safe_load((root / "config.yaml").read_text())
    for key, value in overlay.items():
        merged[key] = merged[key] | value if isinstance(value, dict) else value
    return merged


@pytest.fixture
def tuning(root, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(root), *sys.path])
    from benchmarks import tuning

    return tuning


def test_every_hashing_method_has_an_experiment(overlay, root):
    made = {name: methods.create(name, bits=8, seed=0) for name in methods.available()}
    compared = {n for n, m in made.items() if not (m.real_valued or m.sees_both_views)}
    hashing = compared - {"random", "sign"}  # floors with nothing to tune
    assert set(overlay["experiments"]) == hashing
    listed = re.search(r"suffix \.csv,([^)]*)\)", (root / "Makefile").read_text())[1]
    assert set(listed.replace("\\", "").split()) == hashing  # what `make tuning` runs


def test_all_have_as_many_settings_on_the_same_sets_by_the_same_criterion(config, overlay):
    same = ("phase", "datasets", "bits", "metrics", "tasks")
    assert len({str([e[key] for key in same]) for e in overlay["experiments"].values()}) == 1
    for name, entry in overlay["experiments"].items():
        assert entry["phase"] == "validation" and entry["methods"] == [name]
        assert entry["rows"] == list(entry["sweep"])
        assert len(plan.settings(config, name)) == 16 * len(entry["datasets"]), name


def test_the_defaults_are_among_the_settings_and_no_range_ends_at_them(overlay):
    for name, entry in overlay["experiments"].items():
        usual = methods.create(name, bits=16, seed=0).get_params()
        for parameter, values in entry["sweep"].items():
            assert usual[parameter] in values, (name, parameter)
            assert len(values) == 2 or len(values) >= 4
            if len(values) > 2:
                assert usual[parameter] not in (values[0], values[-1]), (name, parameter)


@pytest.mark.parametrize(
    ("method", "published"),
    [
        ("djsrh", {"center": False, "eta": 0.4}),
        ("ukd_ss", {"lr": 1e-4, "neighbor_fraction": 0.555, "quantisation": 1.0}),
    ],
)
def test_published_constants_that_differ_from_the_defaults_are_candidates(
    overlay, method, published
):
    sweep = overlay["experiments"][method]["sweep"]
    assert all(value in sweep[name] for name, value in published.items())


def test_it_is_judged_on_validation_rows_and_is_a_config(config, overlay, root):
    for name in overlay["experiments"]:
        for setting in plan.settings(config, name):
            assert plan.split_params(config, setting.split)["validation"] > 0
    plan.check(config)
    plan.validate(config, root / "workflow" / "schemas" / "config.schema.yaml")


def long(scores, method="FSH"):
    """A long table of one set with a score for each (lambda_, weight)."""
    return pd.DataFrame(
        [
            {"dataset": "wiki", "task": task, "method": method, "bits": 16,
             "lambda_": value_label(a), "weight": value_label(b), "metric": "mAP@1000",
             "seed": "mean", "value": value + shift}
            for (a, b), value in scores.items() for task, shift in (("i2t", 0.01), ("t2i", -0.01))
        ]
    )  # fmt: skip


GRID = {(a, b): 0.3 for a in (100.0, 300.0, 1000.0, 1e4) for b in (0.3, 0.5, 0.7, 0.9)}


def test_the_best_mean_wins_and_an_end_is_told(tuning):
    found = tuning.row(long(GRID | {(1e4, 0.7): 0.35}))
    assert found["values"] == "lambda_ 10000, weight 0.7" and found["chosen"] == "0.350"
    assert found["range ends at"] == "lambda_" and found["settings"] == 16


def test_a_default_as_good_as_the_best_stays(tuning):
    found = tuning.row(long(GRID | {(1e4, 0.7): 0.304}))
    assert found["values"] == "lambda_ 300, weight 0.5" and found["range ends at"] == "none"


def test_a_table_with_holes_is_refused(tuning):
    with pytest.raises(ValueError, match="not every setting"):
        tuning.row(long(GRID).iloc[1:])
