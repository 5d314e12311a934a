"""How the tests ask Slurm, and what of the profiles does not fit a cluster of seconds."""

import re
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ARGUMENTS = {
    "slurm": (  # no accounting daemon here, and no reason to wait long before the first question
        *("--slurm-status-command", "squeue"),
        *("--slurm-init-seconds-before-status-checks", "1"),
        *("--default-resources", "slurm_partition=main", "mem_mb=500", "runtime=10"),
    ),
    "cluster-generic": ("--default-resources", "mem_mb=500", "runtime=10", "gpu=0"),
}


def jobs(run, pattern):
    """Slurm's own records of the jobs a run has submitted, as it answers ``scontrol show job``."""
    numbers = re.findall(pattern, run.said)
    ask = ["scontrol", "show", "job", "--oneliner"]
    return [subprocess.check_output([*ask, n], text=True) for n in numbers]


SUBMITTED = r"has been submitted with SLURM jobid (\d+)"
