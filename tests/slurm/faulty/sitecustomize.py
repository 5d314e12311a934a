"""Faults on order, in the jobs of a cluster: found through PYTHONPATH by every Python that starts.

FAULTS is a folder; ``FAULTS/<stage>.fail`` lets the next job of that stage fail at once,
``FAULTS/<stage>.hang`` lets it hang until it is killed, and ``FAULTS/<stage>.stall`` lets it hang
once it has written its second checkpoint. Each happens once: the file is renamed.
"""

import os
import sys
import threading
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
    if (order := ordered / f"{command[2]}.stall").exists():
        job = os.environ.get("SLURM_JOB_ID")
        written = []

        def watch(event, arguments):
            if event == "os.rename" and str(arguments[1]).endswith(".epochs"):
                written.append(arguments[1])
                if len(written) == 3 and order.exists():
                    order.rename(ordered / f"{command[2]}.stall.{job}")
                    time.sleep(600)

        def hurry():
            """A checkpoint after every epoch."""
            while (module := sys.modules.get("pipeline.methods._epochs")) is None or not hasattr(
                module, "CHECKPOINT_SECONDS"
            ):
                time.sleep(0.01)
            module.CHECKPOINT_SECONDS = 0.0

        sys.addaudithook(watch)
        threading.Thread(target=hurry, daemon=True).start()
