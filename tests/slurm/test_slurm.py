"""The workflow through a real Slurm."""

import subprocess
import threading
import time

import pytest
from cluster import ARGUMENTS, HERE, SUBMITTED, jobs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def local(snakemake, overlay):
    run = snakemake("results/table3.csv", overlay=overlay)
    assert run.status == 0, run.said
    return run


@pytest.fixture(scope="module")
def through_slurm(submit, overlay):
    """With a GPU allowed: jobs on torch ask for one, and torch, which finds none, does without."""
    run = submit("slurm", overlay | {"device": "auto"})
    assert run.status == 0, run.said
    return run


def assert_same_tables(run, local):
    for name in ("table3.csv", "table3.md", "table3.tex"):
        assert (run["results"] / name).read_bytes() == (local["results"] / name).read_bytes()


def test_the_table_through_slurm_is_the_local_one_byte_for_byte(through_slurm, local):
    assert_same_tables(through_slurm, local)


def test_every_job_but_the_local_ones_was_submitted(through_slurm):
    # pairs, two encodings, the split, two trainings; the two evaluations in one group
    assert len(jobs(through_slurm, SUBMITTED)) == 1 + 2 + 1 + 2 + 1


def test_a_job_on_torch_and_no_other_got_a_gpu_from_slurm(through_slurm):
    on_gpu = [job for job in jobs(through_slurm, SUBMITTED) if "gpu:1" in job]
    assert len(on_gpu) == 1
    assert "JobState=COMPLETED" in on_gpu[0]
    assert "cmimh" in on_gpu[0]


def kill_when_it_hangs(faults, stage):
    """Let Slurm kill the job of ``stage`` that hangs; its number."""
    for _ in range(600):
        for hanging in faults.glob(f"{stage}.hang.*"):
            number = hanging.suffix[1:]
            subprocess.run(["scancel", "--signal=KILL", "--full", number], check=True)
            return number
        time.sleep(0.2)
    raise TimeoutError(f"no job of {stage} hangs")


@pytest.mark.long
@pytest.mark.parametrize("profile", ARGUMENTS)
def test_a_job_that_fails_and_one_that_is_killed_come_back(
    profile, submit, overlay, local, tmp_path
):
    faults = tmp_path / "faults"
    faults.mkdir()
    (faults / "pairs.fail").touch()
    (faults / "split.hang").touch()
    killed = []
    killer = threading.Thread(target=lambda: killed.append(kill_when_it_hangs(faults, "split")))
    killer.start()
    one = overlay["experiments"]["table3"] | {"methods": ["cvh"]}
    run = submit(
        profile,
        overlay | {"experiments": {"table3": one}},
        env={"FAULTS": str(faults), "PYTHONPATH": str(HERE / "faulty")},
    )
    killer.join()
    assert run.status == 0, run.said
    assert len(killed) == 1
    assert {p.name.split(".")[0] for p in faults.iterdir()} == {"pairs", "split"}
    assert run.said.count("Error in rule pairs:") == run.said.count("Error in rule split:") == 1
    for name in ("codes.h5", "test.h5"):
        file = f"data/artefacts/wiki/given/given/cvh/16/{name}"
        assert run[file].read_bytes() == local[file].read_bytes()


@pytest.mark.long
def test_the_demo_s_table_through_slurm_is_the_local_one(submit, snakemake, demo_overlay):
    """With one seed and one code length; the pictures, the methods and the split are the demo's."""
    table3 = demo_overlay["experiments"]["table3"] | {"bits": [16]}
    demo_overlay = demo_overlay | {"seeds": [0], "experiments": {"table3": table3}}
    demo_overlay["report"] = {"experiments": ["table3"]}
    local = snakemake("results/demo/table3.csv", overlay=demo_overlay)
    assert local.status == 0, local.said
    run = submit("slurm", demo_overlay, target="results/demo/table3.csv")
    assert run.status == 0, run.said
    table = "results/demo/table3.csv"
    assert run[table].read_bytes() == local[table].read_bytes()
    for job in jobs(run, SUBMITTED):
        found = dict(part.split("=", 1) for part in job.split() if "=" in part)
        print(*(found[key] for key in ("JobId", "Comment", "NumCPUs", "StartTime", "EndTime")))
