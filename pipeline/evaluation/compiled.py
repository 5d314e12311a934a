"""The decorator of compiled functions: Numba, cached on disk, callable from many threads."""

from collections.abc import Callable

import numba


def compiled(function: Callable) -> Callable:
    """Compile ``function`` on first use and keep the machine code for later processes.

    The interpreter lock is released inside, so a thread pool uses all cores; Numba's own parallel
    layers are omitted because they abort when a process that used them forks, or when two threads
    enter them at once. Where neither the package's folder nor the user's cache folder can be
    written, the code is compiled again in each process.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba's "no locator available": nowhere to put the cache
        return numba.njit(**options)(function)
