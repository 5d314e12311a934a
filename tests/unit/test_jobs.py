"""Jobs end with the snakemake that started them; what a killed one left is swept away."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.jobs import STARTER
from pipeline.runs import resume
from pipeline.storage.files import atomic_write, write_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel call is Linux's")

#: a starter that runs a stand-in for a job, tells its number, and waits
PARENT = """
import os, subprocess, sys, time
if sys.argv[1] == "workflow":
    os.environ["PIPELINE_STARTER"] = str(os.getpid())
child = "from pipeline.jobs import die_with_parent; die_with_parent(); print('tied', flush=True); import time; time.sleep(60)"
job = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True)
job.stdout.readline()
print(job.pid, flush=True)
time.sleep(60)
"""  # noqa: E501


def wait_for(condition, seconds=5):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize(("started", "ends"), [("workflow", True), ("by hand", False)])
def test_a_job_ends_with_its_snakemake_and_a_stage_run_by_hand_does_not(root, started, ends):
    command = [sys.executable, "-c", PARENT, started]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        job = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    gone = wait_for(lambda: not job.is_running() or job.status() == "zombie", 5 if ends else 0.5)
    if not ends:
        job.kill()
    assert gone == ends


@pytest.mark.parametrize("noticed", [True, False])
def test_a_job_whose_snakemake_is_gone_already_does_not_begin(root, tmp_path, noticed):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    if noticed:
        ended.wait()
    else:  # its number is still there, until its parent asks how it ended
        assert wait_for(lambda: psutil.Process(ended.pid).status() == "zombie", 5)
    job = subprocess.run(
        [sys.executable, "-m", "pipeline", "pairs", "scenes", "--raw", tmp_path, "--out", "x"],
        env=os.environ | {STARTER: str(ended.pid)},
        cwd=root,
    )
    ended.wait()
    assert job.returncode == 128 + signal.SIGKILL


def parts(folder):
    return sorted(p.name for p in folder.iterdir() if p.suffix == ".part")


def test_what_a_killed_writer_left_is_removed_by_the_next_one(root, tmp_path):
    code = (
        "import os, signal, sys; from pipeline.storage.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code, tmp_path / "a.h5"], cwd=root)
    assert len(parts(tmp_path)) == 1 and not (tmp_path / "a.h5").exists()
    write_text(tmp_path / "a.h5", "whole")
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_what_others_are_writing_is_left_alone(tmp_path):
    host = socket.gethostname()
    others = [
        f".a.h5.{host}-{os.getppid()}.x.part",
        ".a.h5.elsewhere-99999999.x.part",
        ".a.h5.part",
    ]
    for name in others:
        (tmp_path / name).touch()
    with atomic_write(tmp_path / "a.h5"), atomic_write(tmp_path / "a.h5"):
        assert len(parts(tmp_path)) == 5
    assert parts(tmp_path) == sorted(others)


def test_two_writers_of_one_file_at_once_leave_the_whole_file_of_one(root, tmp_path):
    """As when a job outlives its snakemake where the kernel does not end it, and is run again."""
    code = (
        "import sys; from pipeline.storage.files import atomic_write\n"
        "for _ in range(100):\n"
        "    with atomic_write(sys.argv[1]) as part: part.write_text(sys.argv[2] * 100_000)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    writers = [subprocess.Popen([*command, letter], cwd=root) for letter in "xy"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if (tmp_path / "a").exists():
            seen.add((tmp_path / "a").read_text())
    assert seen <= {"x" * 100_000, "y" * 100_000}
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_resume_waits_for_other_jobs_of_slurm_in_the_folder_and_not_for_its_own(
    tmp_path, monkeypatch
):
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(f"#!/bin/sh\nprintf '7|{tmp_path}\\n8|{tmp_path}\\n9|/elsewhere\\n'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
    assert resume.queued(tmp_path) == ["7", "8"]
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__main__.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with subprocess.Popen([sys.executable, "-m", "pipeline", "train"], cwd=tmp_path) as job:
        assert wait_for(lambda: resume.at_work(tmp_path))
        assert resume.at_work(tmp_path, ["8"]) and not resume.at_work(tmp_path, ["7"])
        job.kill()
    assert resume.queued(tmp_path) == ["8"]


def test_resume_refuses_while_a_job_is_at_work_in_the_folder(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(resume, "_GRACE", 0.2)
    (tmp_path / "pipeline").mkdir()
    Path(tmp_path / "pipeline" / "__main__.py").write_text("import time; time.sleep(60)")
    with subprocess.Popen([sys.executable, "-m", "pipeline", "train"], cwd=tmp_path) as job:
        assert wait_for(lambda: resume.at_work(tmp_path))
        assert resume.main(["--directory", str(tmp_path), "--cores", "1"]) == 2
        job.kill()
    said = capsys.readouterr().err
    assert f"(process {job.pid}) is at work in this folder" in said and said.count("\n") == 1
    assert not wait_for(lambda: resume.at_work(tmp_path), 0.1)
