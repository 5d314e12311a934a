"""What the workflow promises whatever the data, run on a few drawn features."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.storage import store

pytestmark = pytest.mark.slow

#: of a word in a command line on Linux
LONGEST_WORD = 131_072


@pytest.fixture
def overlay(tmp_path):
    """One seed of one shallow method on 60 drawn pairs."""
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "drawn.npz",
        image=rng.normal(size=(60, 12)),
        text=rng.normal(size=(60, 10)),
        labels=rng.integers(2, size=(60, 3)),
        split=np.repeat(["query", "database"], [10, 50]),
    )
    drawn = {"kind": "features", "raw": str(tmp_path), "file": "drawn.npz"}
    return {
        "seeds": [0],
        "datasets": {"drawn": drawn | {"features": "given", "split": "given"}},
        "experiments": {"table3": {"datasets": ["drawn"], "methods": ["cvh", "fsh"], "bits": [8]}},
        "report": {
            "experiments": ["table3"],
            "gallery": {"experiment": "table3", "methods": ["cvh", "fsh"], "bits": 8, "queries": 1},
        },
    }


@pytest.mark.long
def test_a_table_and_a_report_may_be_longer_than_a_word_of_a_command(snakemake, overlay):
    title = "A long title " * 11_000  # stands for 500 cells
    overlay["experiments"]["table3"]["title"] = title
    run = snakemake("results/report.html", overlay=overlay)
    assert run.status == 0, run.said[-3000:]
    spec = run["results/table3.json"].read_text()
    assert len(spec) > LONGEST_WORD and json.loads(spec)["title"] == title
    assert title.strip() in run["results/report.html"].read_text()


@pytest.mark.long
def test_renaming_entries_of_the_config_changes_no_code_and_no_number(snakemake, overlay):
    def table(dataset, features, split, experiment):
        entry = overlay["datasets"]["drawn"] | {"features": features, "split": split}
        setting = {"title": "", "datasets": [dataset], "methods": ["fsh"], "bits": [8]}
        run = snakemake(
            f"results/{experiment}.csv",
            overlay={
                "seeds": [0, 1],
                "datasets": {dataset: entry},
                "features": {features: {"image": "given", "text": "given"}},
                "splits": {split: {"query": 10, "train": 40}},
                "experiments": {experiment: setting | {"metrics": ["mAP@all"]}},
            },
        )
        assert run.status == 0, run.said
        place = run["data/artefacts"] / dataset / features / split
        codes = store.read_codes(place / "fsh" / "8" / "codes.h5")
        return codes, pd.read_csv(run[f"results/{experiment}.csv"])["value"]

    (codes, values) = table("mine", "raw", "halves", "comparison")
    (again, same) = table("yours", "plain", "parts", "table3")
    np.testing.assert_array_equal(codes.image, again.image)
    np.testing.assert_array_equal(codes.text, again.text)
    np.testing.assert_array_equal(values, same)
    assert not np.array_equal(codes.image[0], codes.image[1])  # FSH does depend on the seed


def test_a_set_of_captions_without_labels_goes_to_its_report(snakemake, tmp_path):
    """Instance metrics, a split in a file, and that file's splits written for others."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(24), 3)
    image = rng.normal(size=(24, 12))[group]
    text = image[:, :10] + rng.normal(size=(72, 10))
    np.savez(tmp_path / "captions.npz", image=image, text=text, image_id=group)
    (tmp_path / "queries.txt").write_text("\n".join(map(str, range(18))))
    lists = {"query": str(tmp_path / "queries.txt")}
    entry = {"kind": "features", "raw": str(tmp_path), "file": "captions.npz", "features": "given"}
    overlay = {
        "seeds": [0, 1],
        "results": "results/mine",
        "datasets": {"mine": entry | {"split": {"file": lists}}},
        "experiments": {
            "instances": {
                "title": "Instance retrieval",
                "datasets": ["mine"],
                "methods": ["cvh", "fsh"],
                "bits": [8],
                "metrics": ["R@1:instance", "R@5:instance", "R@10:instance", "MedR", "MeanR"],
                "rows": ["method"],
                "columns": ["task", "metric"],
            }
        },
    }
    run = snakemake("all", overlay=overlay)
    assert run.status == 0, run.said[-3000:]
    table = pd.read_csv(run["results/mine/instances.csv"])
    means = table[table["seed"] == "mean"]
    assert set(means["task"]) == {"i2t", "t2i"} and len(means) == 2 * 2 * 5
    assert means["value"].notna().all() and means["p_value"].notna().any()
    assert "MedR" in run["results/mine/report.html"].read_text()
    place = run["data/artefacts/mine/given/mine-own"]
    assert (place / "split.csv").read_text().startswith("id,0,1\n0,query,query\n")
    found = store.read_metrics(place / "cvh/8/test.h5").groups
    assert found["i2t"]["own@1"].shape == (2, 6) and found["t2i"]["own@1"].shape == (2, 18)
