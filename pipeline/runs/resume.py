"""Go on after a kill: ``python -m pipeline.runs.resume``, followed by the arguments of snakemake.

Frees the lock that a killed snakemake left behind and runs snakemake with the same arguments. When
a snakemake or one of its jobs is still at work in the folder it waits a little, then refuses:
unlocking would let two runs work in one folder. Jobs that an earlier run has left in the queue of
Slurm are waited for, however long they take, so that none is done twice at once.
"""

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

_BETWEEN = 10.0  # seconds between two looks at the queue of a cluster
_GRACE = 10.0  # seconds in which the jobs of a killed snakemake have to be gone


def main(arguments: Sequence[str]) -> int:
    """Unlock and run; the exit status of snakemake, or 2 when others are at work."""
    folder = _folder(arguments)
    if busy := _wait_for_peace(folder):
        print(
            f"error: {folder}: {', '.join(busy)} is at work in this folder; "
            "wait for it, or end it, then resume",
            file=sys.stderr,
        )
        return 2
    _wait_for_jobs(folder)
    snakemake = [sys.executable, "-m", "snakemake"]
    if any(folder.glob(".snakemake/locks/*")):
        unlocked = subprocess.run([*snakemake, "--unlock", *arguments]).returncode
        if unlocked:
            return unlocked
    return subprocess.run([*snakemake, *arguments]).returncode


def at_work(folder: Path, but: Sequence[str] = ()) -> list[str]:
    """The processes of snakemake and of this package that work in a folder, each in a few words,
    ``but`` for those of these jobs of Slurm."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() != str(folder):
                continue
            command, job = process.cmdline(), process.environ().get("SLURM_JOB_ID")
        except psutil.Error:  # ended meanwhile, or somebody else's
            continue
        if _is_ours(command) and job not in but:
            found.append(f"{' '.join(command[:4])} (process {process.pid})")
    return found


def _is_ours(command: Sequence[str]) -> bool:
    modules = (["-m", "snakemake"], ["-m", "pipeline"])
    return command[1:3] in modules or [Path(word).name for word in command[1:2]] == ["snakemake"]


def _folder(arguments: Sequence[str]) -> Path:
    """Where snakemake will work: its option --directory, or here."""
    for name, value in itertools.pairwise(arguments):
        if name in ("--directory", "-d"):
            return Path(value).resolve()
    return Path.cwd()


def queued(folder: Path) -> list[str]:
    """The numbers of this user's other jobs that Slurm, where there is one, has for this folder."""
    if shutil.which("squeue") is None:
        return []
    ask = ["squeue", "--me", "--noheader", "--format=%i|%Z"]
    answer = subprocess.run(ask, capture_output=True, text=True)
    pairs = (line.strip().partition("|") for line in answer.stdout.splitlines())
    here = [number for number, _, place in pairs if place and Path(place).resolve() == folder]
    return [number for number in here if number != os.environ.get("SLURM_JOB_ID")]


def _wait_for_jobs(folder: Path) -> None:
    known: list[str] = []
    while numbers := queued(folder):
        if numbers != known:
            several = "jobs" if len(numbers) > 1 else "job"
            print(f"waiting for {several} {', '.join(numbers)} of an earlier run on the cluster; "
                  f"scancel {' '.join(numbers)} ends what is not wanted", flush=True)  # fmt: skip
            known = numbers
        time.sleep(_BETWEEN)


def _wait_for_peace(folder: Path) -> list[str]:
    until, waited_for = time.monotonic() + _GRACE, queued(folder)
    while (busy := at_work(folder, waited_for)) and time.monotonic() < until:
        time.sleep(0.1)
    return busy


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
