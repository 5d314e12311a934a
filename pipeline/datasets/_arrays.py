"""Named arrays of .npz, .mat and HDF5 files behind one face: shapes at once, rows when asked for.

Nothing that could run code is read: no pickles, no object references, no links to other files.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import scipy.sparse

from pipeline.errors import InputError

#: what h5py raises when it stumbles in a damaged file
_HDF5_FAULTS = (OSError, RuntimeError, KeyError, ValueError, TypeError)


@dataclass(frozen=True)
class Array:
    """One array of a file, or two stacked; ``rows`` reads a slice along its first axis."""

    shape: tuple[int, ...]
    rows: Callable[[slice], np.ndarray]

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0


@contextmanager
def open_file(path: Path) -> Iterator[Mapping[str, Array]]:
    """The arrays of a file by name; HDF5 is read by rows, .npz and .mat array by array."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    readers = {".npz": _npz, ".mat": _mat, ".h5": _hdf5, ".hdf5": _hdf5}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: not one of {', '.join(readers)}")
    with readers[path.suffix.lower()](path) as arrays:
        yield arrays


def stack(first: Array, second: Array) -> Array:
    """The rows of ``first``, then those of ``second``."""
    if first.shape[1:] != second.shape[1:]:
        raise InputError(f"arrays of {first.shape} and {second.shape} differ in their columns")
    n = len(first)

    def rows(index: slice) -> np.ndarray:
        start, stop, _ = index.indices(n + len(second))
        ahead = first.rows(slice(min(start, n), min(stop, n)))
        return np.concatenate([ahead, second.rows(slice(max(start - n, 0), max(stop - n, 0)))])

    return Array((n + len(second), *first.shape[1:]), rows)


@contextmanager
def _npz(path: Path) -> Iterator[Mapping[str, Array]]:
    with path.open("rb") as raw:
        try:
            file = np.load(raw, allow_pickle=False)
            names = file.files
        except (zipfile.BadZipFile, ValueError, EOFError, AttributeError) as error:
            raise InputError(f"{path}: not a readable .npz file ({error})") from None
        with file:
            yield Lazy(names, lambda name: _in_memory(path, name, lambda: file[name]))


@contextmanager
def _mat(path: Path) -> Iterator[Mapping[str, Array]]:
    if h5py.is_hdf5(path):  # MATLAB's form 7.3, with the axes in Fortran order
        with _hdf5(path, transposed=True) as arrays:
            yield arrays
        return

    def load(name: str) -> Any:
        return scipy.io.loadmat(path, variable_names=[name])[name]

    try:
        names = [name for name, *_ in scipy.io.whosmat(path)]
    except Exception as error:  # scipy raises whatever its parser stumbles over
        raise InputError(f"{path}: not a readable .mat file ({error})") from None
    yield Lazy(names, lambda name: _in_memory(path, name, lambda: load(name)))


@contextmanager
def _hdf5(path: Path, transposed: bool = False) -> Iterator[Mapping[str, Array]]:
    with ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
            names = [name for name in file if _is_inside(file, name)]
        except _HDF5_FAULTS as error:
            said = " ".join(str(error).split())
            raise InputError(f"{path}: not a readable HDF5 file ({said})") from None
        yield Lazy(names, lambda name: _on_disk(path, name, file, transposed))


def _is_inside(file: h5py.File, name: str) -> bool:
    """An array of this very file: one that leads to another file could show any of the machine."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    data = file.get(name)
    return isinstance(data, h5py.Dataset) and not data.external and not data.is_virtual


class Lazy(Mapping[str, Array]):
    """Arrays by name, each loaded when it is asked for and kept no longer than its user does."""

    def __init__(self, names: Sequence[str], load: Callable[[str], Array]) -> None:
        self._names, self._load = names, load

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        return self._load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _in_memory(path: Path, name: str, load: Callable[[], Any]) -> Array:
    try:
        array = load()
    except Exception as error:  # the readers raise whatever they stumble over in a damaged file
        pickled = "pickle" in str(error)
        why = "holds Python objects, which are never loaded" if pickled else f"unreadable ({error})"
        raise InputError(f"{path}: {name}: {why}") from None
    if scipy.sparse.issparse(array):
        sparse = array.tocsr()
        return Array(sparse.shape, lambda rows: sparse[rows].toarray())
    return Array(array.shape, lambda rows: array[rows])


def _on_disk(path: Path, name: str, file: h5py.File, transposed: bool) -> Array:
    def read(what: Callable[[h5py.Dataset], Any]) -> Any:
        try:
            return what(file[name])
        except _HDF5_FAULTS as error:
            said = " ".join(str(error).split())
            raise InputError(f"{path}: {name}: unreadable ({said})") from None

    def rows(data: h5py.Dataset, index: slice) -> np.ndarray:
        source = data.asstr() if h5py.check_string_dtype(data.dtype) else data
        return source[:, index].T if transposed and data.ndim == 2 else source[index]

    shape = read(lambda data: data.shape[::-1] if transposed else data.shape)
    return Array(shape, lambda index: read(lambda data: rows(data, index)))
