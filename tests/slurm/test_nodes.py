"""What clusters do to jobs: time limits, nodes that die, preemption; and a submitter that dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil
import pytest
import yaml
from cluster import ARGUMENTS, HERE, SUBMITTED, jobs

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]  # of a slow machine that others use
CODES = "data/artefacts/wiki/given/given/{method}/16/codes.h5"


@pytest.fixture(scope="module")
def small(overlay):
    """CMIMH alone, with epochs enough to be interrupted."""
    table = overlay["experiments"]["table3"] | {"methods": ["cmimh"]}
    longer = {"cmimh": overlay["methods"]["cmimh"] | {"epochs": 6}}
    return overlay | {"experiments": {"table3": table}, "methods": longer}


@pytest.fixture(scope="module")
def undisturbed(snakemake, small):
    run = snakemake(CODES.format(method="cmimh"), overlay=small)
    assert run.status == 0, run.said
    return run[CODES.format(method="cmimh")].read_bytes()


@pytest.fixture
def faults(tmp_path):
    folder = tmp_path / "faults"
    folder.mkdir()
    return folder


def environment(faults):
    return {"FAULTS": str(faults), "PYTHONPATH": str(HERE / "faulty")}


def waited(faults, what):
    """The number of the job that hangs, once it does."""
    for _ in range(6000):
        for found in faults.glob(f"{what}.*"):
            return found.suffix[1:]
        time.sleep(0.2)
    raise TimeoutError(f"no job hangs in {what}")


@contextmanager
def meanwhile(work):
    """``work()`` in another thread, whose fault is this one's."""
    faults = []

    def run():
        try:
            work()
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    assert not faults, faults


def told(number):
    return subprocess.check_output(["scontrol", "show", "job", "--oneliner", number], text=True)


def test_two_nodes_are_there(slurm):
    nodes = subprocess.check_output(["sinfo", "-h", "-N", "-o", "%N %T"], text=True)
    assert nodes.split() == ["one", "idle", "two", "idle"]


def test_a_training_out_of_time_goes_on_from_its_checkpoint_with_the_same_codes(
    submit,
    small,
    undisturbed,
    faults,
):
    (faults / "train.stall").touch()
    target = CODES.format(method="cmimh")
    run = submit("slurm", small, target, env=environment(faults),
                 resources=("train:runtime=1",))  # fmt: skip
    assert run.status == 0, run.said
    assert any("JobState=TIMEOUT" in job for job in jobs(run, SUBMITTED))
    logs = "".join(p.read_text() for p in run.folder.glob("logs/**/*") if p.is_file())
    assert "going on after epoch" in logs + run.said
    assert run[target].read_bytes() == undisturbed


def test_a_job_whose_node_dies_comes_back_on_another(submit, small, undisturbed, faults, slurm):
    (faults / "train.hang").touch()
    target = CODES.format(method="cmimh")
    died = []

    def kill_the_node():
        number = waited(faults, "train.hang")
        node = dict(p.split("=", 1) for p in told(number).split() if "=" in p)["NodeList"]
        died.append((number, node))
        os.kill(int((slurm / f"slurmd.{node}.pid").read_text()), signal.SIGKILL)
        for process in psutil.process_iter():
            try:
                if (
                    process.name() == "slurmstepd"
                    or process.environ().get("SLURM_JOB_ID") == number
                ):
                    process.kill()
            except psutil.Error:
                continue

    try:
        with meanwhile(kill_the_node):
            run = submit("slurm", small, target, env=environment(faults))
        assert run.status == 0, run.said
        ((number, node),) = died
        assert f"NodeList={node} " not in told(number) or len(jobs(run, SUBMITTED)) > 5
        assert run[target].read_bytes() == undisturbed
    finally:
        for _, node in died:
            subprocess.run(["slurmd", "-N", node], check=True)


def test_a_job_that_is_requeued_ends_as_if_it_had_not_been(submit, small, undisturbed, faults):
    """As preemption does it."""
    (faults / "train.hang").touch()
    target = CODES.format(method="cmimh")
    requeued = []

    def requeue():
        requeued.append(waited(faults, "train.hang"))
        subprocess.run(["scontrol", "requeue", requeued[0]], check=True)

    with meanwhile(requeue):
        run = submit("slurm", small, target, env=environment(faults))
    assert run.status == 0, run.said
    assert "Restarts=1" in told(requeued[0])
    assert run[target].read_bytes() == undisturbed


def test_a_submitter_that_died_waits_for_its_jobs_before_it_goes_on(
    slurm, root, small, undisturbed, faults, tmp_path
):
    (faults / "train.stall").touch()
    target, folder = CODES.format(method="cmimh"), tmp_path / "run"
    folder.mkdir()
    (folder / "overlay.yaml").write_text(yaml.safe_dump(small))

    def start(*module):
        words = [
            *(sys.executable, *module, "--snakefile", root / "Snakefile", "--directory", folder),
            *("--workflow-profile", root / "profiles" / "slurm", *ARGUMENTS["slurm"]),
            *("--set-resources", "train:mem_mb=500", "--latency-wait", "5", target),
            *("--configfile", root / "config.yaml", folder / "overlay.yaml"),
        ]
        return subprocess.Popen(words, cwd=root, env=os.environ | environment(faults), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip

    first = start("-m", "snakemake")
    number = waited(faults, "train.stall")
    first.kill()
    first.communicate()
    second = start("-m", "pipeline.runs.resume")
    with meanwhile(lambda: (time.sleep(20), subprocess.run(["scancel", number]))):
        said = second.communicate()[0]
    assert second.returncode == 0, said
    assert f"job {number} of an earlier run" in said
    assert (folder / target).read_bytes() == undisturbed
