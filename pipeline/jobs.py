"""Jobs end with the snakemake that started them, even when that is killed without a word."""

import ctypes
import os
import signal
import sys
from pathlib import Path

from pipeline.sources import PACKAGE
from pipeline.storage.files import alive

STARTER = "PIPELINE_STARTER"
"""The environment variable by which a run of snakemake tells its jobs its process number."""

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that started it ends; Linux only.

    Does nothing in a process that no snakemake started, so that a stage started by hand may
    outlive its terminal.
    """
    starter = os.environ.get(STARTER)
    if starter is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if not alive(int(starter)):  # it ended before the line above
        os._exit(128 + signal.SIGKILL)


def export_job_environment() -> None:
    """Let ``python -m pipeline`` in a job be this package with this Python, wherever it works.

    The jobs end with this process.
    """
    os.environ[STARTER] = str(os.getpid())
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = f"{PACKAGE.parent}:{os.environ.get('PYTHONPATH', '')}"
