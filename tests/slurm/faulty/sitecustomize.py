"""Faults on order, in the jobs of a cluster: found through PYTHONPATH by every Python that starts.

FAULTS is a folder; ``FAULTS/<stage>.fail`` lets the next job of that stage fail at once, and
``FAULTS/<stage>.hang`` lets it hang until it is killed. Each happens once: the file is renamed.
"""

import os
import sys
import time
from pathlib import Path

_, *command = [*sys.orig_argv, "", "", ""]
if command[:2] == ["-m", "pipeline"] and "FAULTS" in os.environ:
    ordered = Path(os.environ["FAULTS"])
    for kind in ("fail", "hang"):
        order = ordered / f"{command[2]}.{kind}"
        if order.exists():
            order.rename(ordered / f"{command[2]}.{kind}.{os.environ.get('SLURM_JOB_ID')}")
            if kind == "hang":
                time.sleep(600)
            os._exit(1)
