"""What this machine has: cores, and memory, with refusals of what cannot fit before it is read."""

import math
import os

import psutil

from pipeline.errors import InputError

_BLOCK_BYTES = 256 * 2**20


def cores() -> int:
    """Cores this process may use, where the system tells (a scheduler may grant fewer than all)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_fits(where: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Raise InputError when an array of this shape has more bytes than this machine has memory."""
    needed, there = math.prod(shape) * itemsize, psutil.virtual_memory().total
    if needed > there:
        raise InputError(
            f"{where} has shape {shape}, which takes {needed / 2**30:,.1f} GiB of memory; this "
            f"machine has {there / 2**30:,.1f} GiB"
        )


def rows_at_once(row_bytes: int, most: int) -> int:
    """How many rows to read at a time: ``most``, or fewer where they are wide."""
    return max(1, min(most, _BLOCK_BYTES // max(1, row_bytes)))
