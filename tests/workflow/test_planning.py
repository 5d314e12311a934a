"""What the workflow plans, and what it refuses, without running a job."""

import re
import subprocess
import sys

import pytest
import yaml


def jobs(run):
    """Rule -> number of jobs, from the table that a dry run prints."""
    return {name: int(n) for name, n in re.findall(r"^([a-z_]+)\s+(\d+)$", run.said, re.MULTILINE)}


def test_the_default_config_plans_table_3_of_the_paper(snakemake):
    run = snakemake("-n", "results/table3.csv")
    assert run.status == 0, run.said
    planned = jobs(run)
    # seven methods, three data sets, three code lengths; every job holds all seeds
    assert planned["train"] == planned["evaluate"] == 7 * 3 * 3
    assert planned["pairs"] == planned["split"] == planned["pca"] == 3
    assert planned["encode"] == 6
    assert planned["table"] == 1


def test_one_data_set_can_be_had_alone(snakemake):
    planned = jobs(snakemake("-n", "results/coco2017/table3.csv"))
    assert planned["train"] == 7 * 3
    assert planned["pairs"] == 1


def test_the_whole_paper_is_planned_by_all(snakemake):
    run = snakemake("-n", "all")
    assert run.status == 0, run.said
    assert jobs(run)["table"] == 9
    assert jobs(run)["figure"] == 5


@pytest.fixture
def mine(root, tmp_path):
    """The README's own example of an overlay, its arrays in a folder of the test."""
    readme = (root / "README.md").read_text()
    overlay = yaml.safe_load(re.search(r"```yaml\n# mine.yaml\n(.*?)```", readme, re.DOTALL)[1])
    (tmp_path / overlay["datasets"]["mine"]["file"]).touch()
    overlay["datasets"]["mine"]["raw"] = str(tmp_path)
    return overlay


@pytest.mark.parametrize("target", ["results/mine/report.html", "all"])
def test_an_overlay_of_one_s_own_data_plans_that_alone(snakemake, mine, target):
    run = snakemake("-n", target, overlay=mine)
    assert run.status == 0, run.said
    planned = jobs(run)
    assert "download" not in planned and planned["pairs"] == planned["split"] == 1
    assert planned["train"] == planned["evaluate"] == 7 * 3
    assert planned["table"] == planned["report"] == 1 and "figure" not in planned


def test_a_gallery_of_other_experiments_is_left_out(snakemake, mine):
    usual = {"title": "", "methods": ["cvh"], "bits": [8], "metrics": ["mAP@all"]}
    mine["experiments"] = {"own": usual | {"datasets": ["mine"]}}
    planned = jobs(snakemake("-n", "results/mine/report.html", overlay=mine))
    assert planned["train"] == 1 and "download" not in planned


def test_a_split_may_come_with_the_data_set(snakemake, mine, tmp_path):
    (tmp_path / "queries.txt").write_text("0")
    mine["datasets"]["mine"]["split"] = {"file": {"query": str(tmp_path / "queries.txt")}}
    run = snakemake("-n", "-p", "results/mine/table3.csv", overlay=mine)
    assert run.status == 0, run.said
    assert "data/artefacts/mine/given/mine-own/split.csv" in run.said
    assert str(tmp_path / "queries.txt") in run.said
    (tmp_path / "queries.txt").unlink()
    assert "queries.txt" in snakemake("-n", "results/mine/table3.csv", overlay=mine).said


def test_a_key_given_twice_is_refused_with_both_lines(root, tmp_path):
    (tmp_path / "twice.yaml").write_text(
        "seeds: [0]\nexperiments:\n  table3:\n    bits: [8]\n    tasks: [i2t]\n    bits: [16]\n"
    )
    done = subprocess.run(
        [*(sys.executable, "-m", "snakemake", "--directory", tmp_path, "-n", "all"),
         *("--snakefile", root / "Snakefile"),
         *("--configfile", root / "config.yaml", tmp_path / "twice.yaml")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=root,
    )  # fmt: skip
    said = " ".join(done.stdout.split())
    assert done.returncode != 0 and "Traceback" not in said
    assert "twice.yaml: experiments.table3.bits is given twice, in line 4 and line 6" in said


@pytest.mark.parametrize(("device", "slots"), [("auto", 1), ("cpu", 0)])
def test_the_pca_asks_for_a_gpu_unless_the_config_keeps_to_the_cpu(snakemake, device, slots):
    pca = "data/artefacts/coco2017/alexnet-bert/official/image-pca.h5"
    said = snakemake("-n", pca, overlay={"device": device}).said
    rule = said[said.index("\nrule pca:") :]
    resources = re.search("resources: (.*)", rule)[1]
    assert ("gpu=1" in resources) == slots
    assert f"--device {device}" in snakemake("-n", "-p", pca, overlay={"device": device}).said


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        ({"sedes": [0]}, r"config, top level: .*'sedes' was unexpected"),
        ({"seeds": "0"}, "config, seeds: '0' is not of type 'array'"),
        (
            {"splits": {"paper": {"query": 2000, "trian": 5000}}},
            "config, splits.paper: .*'trian' was unexpected",
        ),
        (
            {"experiments": {"table3": {"methods": ["cvx"]}}},
            "experiments.table3.methods: unknown name 'cvx'; known are acq",
        ),
        (
            {"experiments": {"table3": {"datasets": ["mars"]}}},
            "datasets: unknown name 'mars'; known are mirflickr25k",
        ),
        (
            {"datasets": {"mine": {"kind": "folders", "features": "given", "split": "given"}}},
            "datasets.mine.kind: unknown name 'folders'; known are .*folder",
        ),
    ],
)
def test_a_wrong_config_is_refused_by_name(snakemake, overlay, sentence):
    run = snakemake("-n", "results/table3.csv", overlay=overlay)
    assert run.status != 0
    assert re.search(sentence, " ".join(run.said.split())), run.said
    assert "Traceback" not in run.said
