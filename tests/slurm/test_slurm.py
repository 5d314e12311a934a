"""The workflow through a real Slurm."""

import re

import pytest

pytestmark = pytest.mark.slow

QUICK = (  # no accounting daemon here, and no reason to wait long before asking for the status
    *("--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "2"),
    *("--latency-wait", "5"),
    *("--default-resources", "slurm_partition=main", "mem_mb=500", "runtime=10"),
)


@pytest.fixture(scope="module")
def overlay(wiki_overlay):
    """Two quick methods: jobs of seconds."""
    table = {"datasets": ["wiki"], "methods": ["cvh", "cmfh"], "bits": [16, 32]}
    return wiki_overlay | {"experiments": {"table3": table}}


@pytest.fixture(scope="module")
def through_slurm(snakemake, slurm, overlay, root):
    resources = [f"--set-resources={rule}:mem_mb=500" for rule in ("pairs", "encode", "train")]
    run = snakemake(
        *("--workflow-profile", str(root / "profiles" / "slurm")),
        *QUICK,
        *resources,
        "results/table3.csv",
        overlay=overlay,
    )
    assert run.status == 0, run.said
    return run


def test_the_table_through_slurm_is_the_local_one_byte_for_byte(through_slurm, snakemake, overlay):
    local = snakemake("results/table3.csv", overlay=overlay)
    assert local.status == 0, local.said
    for name in ("table3.csv", "table3.md", "table3.tex"):
        assert through_slurm["results"].joinpath(name).read_bytes() == (
            local["results"].joinpath(name).read_bytes()
        )


def test_every_job_but_the_local_ones_was_submitted(through_slurm):
    submitted = re.findall(r"has been submitted with SLURM jobid (\d+)", through_slurm.said)
    # pairs, two encodings, the split, four trainings; the four evaluations in one group
    assert len(submitted) == 1 + 2 + 1 + 4 + 1
