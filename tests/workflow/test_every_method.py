"""Every method through every rule, in small: on Wikipedia's features and on the demo's set."""

import inspect

import pandas as pd
import pytest

from pipeline.methods import available, create

#: makes a fit a matter of a second; each applies to the methods that have the parameter
TINY = {
    "epochs": 2,
    "hidden": 32,
    "iterations": 5,
    "critic_hidden": 16,
    "on_collapse": "warn",
    "min_steps": 20,
    "rounds": 1,
    "teacher_epochs": 1,
    "teacher_rounds": 1,
}


def tiny(name):
    known = inspect.signature(type(create(name, bits=16, seed=0))).parameters
    return {key: value for key, value in TINY.items() if key in known}


@pytest.fixture
def overlay(demo_overlay, wiki_overlay):
    """One seed of both sets, the drawn one in small, and every method likewise."""
    scenes = demo_overlay["datasets"]["scenes"] | {"draw": {"count": 320, "seed": 0}}
    return {
        **{"seeds": [0], "device": "cpu", "encoders": demo_overlay["encoders"]},
        "datasets": {"scenes": scenes, **wiki_overlay["datasets"]},
        "features": {"lite": demo_overlay["features"]["lite"] | {"image_pca": 32}},
        "splits": {"demo": {"query": 60, "train": 200}},
        "methods": {name: tiny(name) for name in available()},
    }


@pytest.mark.long
@pytest.mark.parametrize("dataset", ["wiki", "scenes"])
def test_every_method_runs_in_table_3(snakemake, overlay, dataset):
    table3 = {"datasets": [dataset], "methods": available(), "bits": [16]}
    run = snakemake("results/table3.csv", overlay=overlay | {"experiments": {"table3": table3}})
    assert run.status == 0, run.said
    means = pd.read_csv(run["results/table3.csv"]).query("seed == 'mean'")
    assert len(means) == len(available()) * 4  # tasks
    assert means["method"].nunique() == len(available())
    assert means["value"].between(0, 1).all()


def test_no_rule_and_no_evaluation_knows_a_method_by_name(root):
    files = [*root.glob("workflow/rules/*"), *root.glob("pipeline/evaluation/*.py")]
    words = {w for file in files for w in file.read_text().replace(".", " ").lower().split()}
    assert not words & (set(available()) - {"random", "sign"})  # which are words of English too
