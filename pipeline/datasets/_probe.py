"""HDF5 files of others, walked through by a process that may crash or be stopped.

HDF5's reader may end its process on a damaged file, or run in circles in it. What it is going to
look at here - names, attributes, indexes of pieces, texts - a child looks at first.
"""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import h5py

from pipeline.errors import InputError

SECONDS = 60  # of processor time, and one more for every ten megabytes
_BYTES_A_SECOND = 10_000_000


def probe(path: Path) -> None:
    """Raise InputError for a file that HDF5's reader does not survive, or does not come out of."""
    limit = SECONDS + path.stat().st_size // _BYTES_A_SECOND
    sys.stdout.flush()
    sys.stderr.flush()
    if (child := os.fork()) == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            _walk(path)
        except BaseException:  # the reader proper says what is wrong
            os._exit(0)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if -ended in (signal.SIGXCPU, signal.SIGKILL):
        raise InputError(f"{path}: damaged: HDF5 does not come to an end of it in {limit} seconds")
    if ended:
        raise InputError(f"{path}: damaged: HDF5 crashes when it reads it (signal {-ended})")


def _walk(path: Path) -> None:
    with h5py.File(path, "r") as file:
        for name in file:
            if isinstance(file.get(name, getlink=True), h5py.HardLink):
                _look(file.get(name))


def _look(found: Any) -> None:
    for value in found.attrs.values():
        str(value)
    if isinstance(found, h5py.Group):
        for part in found:
            if isinstance(found.get(part, getlink=True), h5py.HardLink):
                _look(found.get(part))
    elif not found.external and not found.is_virtual:
        if found.chunks:
            found.id.get_num_chunks()
        if h5py.check_dtype(vlen=found.dtype) is not None:
            found[:]
        elif h5py.check_ref_dtype(found.dtype):
            for reference in found[:].ravel():
                _look(found.file[reference])
