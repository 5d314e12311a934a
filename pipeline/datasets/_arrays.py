"""Named arrays of .npz, .npy, .mat and HDF5 files behind one face: shapes at once, rows when asked.

Nothing that could run code or reach another file is read: no pickles, no links, no outside storage.
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

from pipeline.datasets._probe import probe
from pipeline.errors import InputError
from pipeline.storage.machine import check_fits
from pipeline.storage.recognise import kind_of

#: what h5py raises when it stumbles in a damaged file
_HDF5_FAULTS = (OSError, RuntimeError, KeyError, ValueError, TypeError)


_PICKLES = (".pkl", ".pickle", ".p", ".pt", ".pth", ".joblib")
_NO_ARRAYS = (
    " (structs within a struct, or an array of them: save their arrays as variables of their own)"
)
_TO_CONVERT = "np.savez('mine.npz', image=..., text=..., labels=...)"
#: what files are by their first bytes (``kind_of``) that may bear an ending
_HDF5 = "an HDF5 file"
_ARE: dict[str, tuple[str | None, ...]] = {
    ".npz": ("a zip archive", "an empty zip archive"),
    ".npy": ("a NumPy array (.npy)",),
    # before form 5 a .mat file begins with numbers, which may look like anything
    ".mat": ("a MATLAB file", "a MATLAB file of form 7.3", _HDF5, None),
    ".h5": (_HDF5, None),  # a user block may come first
    ".hdf5": (_HDF5, None),
}


@dataclass(frozen=True)
class Array:
    """One array of a file, or several stacked; ``read`` gives a slice along an axis of it."""

    shape: tuple[int, ...]
    read: Callable[[slice, int], np.ndarray]

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0

    def rows(self, index: slice = slice(None)) -> np.ndarray:
        """A slice along the first axis; all of the array by default."""
        if not self.shape:
            raise InputError("an array of shape () has no rows")
        return self.read(index, 0)


def in_memory(values: np.ndarray) -> Array:
    """An array that is in memory."""
    return Array(values.shape, lambda index, axis: values[(slice(None),) * axis + (index,)])


@contextmanager
def open_file(path: Path) -> Iterator[Mapping[str, Array]]:
    """The arrays of a file by name; HDF5 is read by rows, .npz and .mat array by array.

    A file that holds one array without a name (.npy, a sparse matrix of SciPy) lends it its own.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    suffix = path.suffix.lower()
    readers = {".npz": _npz, ".npy": _npy, ".mat": _mat, ".h5": _hdf5, ".hdf5": _hdf5}
    if suffix in _PICKLES:
        raise InputError(
            f"{path}: a pickle, which can run code when it is opened and is never loaded; where "
            f"you trust it, load it and save its arrays with {_TO_CONVERT}"
        )
    if suffix not in readers:
        raise InputError(f"{path}: not one of {', '.join(readers)}")
    kind = kind_of(path)
    if kind not in _ARE[suffix]:
        raise InputError(f"{path}: not a {suffix} file; it is {kind or 'of no known kind'}")
    with readers[suffix](path) as arrays:
        yield arrays


def stack(*parts: Array) -> Array:
    """The rows of the first array, then those of the next."""
    if len({part.shape[1:] for part in parts}) > 1:
        shapes = " and ".join(str(part.shape) for part in parts)
        raise InputError(f"arrays of {shapes} differ in their columns")
    ends = np.cumsum([len(part) for part in parts])

    def read(index: slice, axis: int) -> np.ndarray:
        if axis:
            return np.concatenate([part.read(index, axis) for part in parts])
        start, stop, _ = index.indices(int(ends[-1]))
        begins = ends - [len(part) for part in parts]
        slices = [slice(max(start - b, 0), max(stop - b, 0)) for b in begins]
        return np.concatenate([part.rows(own) for part, own in zip(parts, slices, strict=True)])

    return Array((int(ends[-1]), *parts[0].shape[1:]), read)


@contextmanager
def _npz(path: Path) -> Iterator[Mapping[str, Array]]:
    with path.open("rb") as raw:
        try:
            file = np.load(raw, allow_pickle=False)
            names = file.files
        except (zipfile.BadZipFile, ValueError, EOFError, AttributeError) as error:
            raise InputError(f"{path}: not a readable .npz file ({error})") from None
        with file:
            if {"format", "shape", "data"} <= set(names):  # what scipy.sparse.save_npz writes
                yield _alone(path, lambda: scipy.sparse.load_npz(path))
            else:
                yield Lazy(names, lambda name: _loaded(path, name, lambda: _member(file, name)))


def _member(file: Any, name: str) -> Any:
    """An array of an .npz file, whose size is looked at before any of it is read."""
    stored = f"{name}.npy" if f"{name}.npy" in file.zip.namelist() else name
    with file.zip.open(stored) as member:
        try:
            version = np.lib.format.read_magic(member)
        except ValueError:
            raise InputError("no array, but some other file") from None
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else (np.lib.format.read_array_header_2_0)
        )
        shape, _, dtype = read(member)
    check_fits("it", shape, dtype.itemsize)
    return file[name]


@contextmanager
def _npy(path: Path) -> Iterator[Mapping[str, Array]]:
    yield _alone(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))


def _alone(path: Path, load: Callable[[], Any]) -> "Lazy":
    return Lazy([path.stem], lambda name: _loaded(path, name, load))


@contextmanager
def _mat(path: Path) -> Iterator[Mapping[str, Array]]:
    if h5py.is_hdf5(path):  # MATLAB's form 7.3, with the axes in Fortran order
        with _hdf5(path, transposed=True) as arrays:
            yield arrays
        return

    def load(name: str) -> Any:
        return scipy.io.loadmat(path, variable_names=[name])[name]

    names: dict[str, str] = {}
    fields: dict[str, np.ndarray] = {}
    try:
        for name, _, kind in scipy.io.whosmat(path):
            if kind != "struct":
                _name_once(path, names, name, name)
                continue
            inside = _fields(load(name))  # a struct can be read whole or not at all
            for field in inside or [name + _NO_ARRAYS]:
                _name_once(path, names, field, f"{name}.{field}")
            fields |= inside
    except InputError:
        raise
    except Exception as error:  # scipy raises whatever its parser stumbles over
        raise InputError(f"{path}: not a readable .mat file ({error})") from None
    yield Lazy(
        list(names),
        lambda name: _loaded(path, name, lambda: fields[name] if name in fields else load(name)),
    )


def _fields(struct: np.ndarray) -> dict[str, Any]:
    """The arrays of one struct; none of an array of structs, or where one of them is a struct."""
    if struct.size != 1:
        return {}
    inside = dict(zip(struct.dtype.names or (), struct.item(), strict=True))
    return {} if any(array.dtype.names for array in inside.values()) else inside


def _name_once(path: Path, names: dict[str, str], name: str, place: str) -> None:
    if name in names:
        raise InputError(f"{path}: {name} is both {names[name]} and {place}; which one is meant?")
    names[name] = place


@contextmanager
def _hdf5(path: Path, transposed: bool = False) -> Iterator[Mapping[str, Array]]:
    probe(path)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
            places = _places(path, file)
        except _HDF5_FAULTS as error:
            said = " ".join(str(error).split())
            raise InputError(f"{path}: not a readable HDF5 file ({said})") from None
        yield Lazy(list(places), lambda name: _on_disk(path, places[name], file, transposed))


def _places(path: Path, file: h5py.File) -> dict[str, str]:
    """Where in a file its arrays are, by name; those of MATLAB's structs by their own names."""
    places: dict[str, str] = {}
    for name in file:
        if _is_inside(file, name):
            _name_once(path, places, name, name)
        elif _is_struct(file, name):
            plain = all(_is_plain(file[name], field) for field in file[name])
            for field in file[name] if plain else [name + _NO_ARRAYS]:
                _name_once(path, places, field, f"{name}/{field}")
    return places


def _is_struct(file: h5py.File, name: str) -> bool:
    return (
        isinstance(file.get(name, getlink=True), h5py.HardLink)
        and isinstance(file[name], h5py.Group)
        and file[name].attrs.get("MATLAB_class") == b"struct"
    )


def _is_plain(struct: h5py.Group, field: str) -> bool:
    """An array; an array of structs has references to its values, which no cell array holds."""
    if not _is_inside(struct, field):
        return False
    data = struct[field]
    refers = isinstance(data, h5py.Dataset) and h5py.check_ref_dtype(data.dtype)
    return not refers or data.attrs.get("MATLAB_class") == b"cell"


def _is_inside(file: h5py.Group, name: str) -> bool:
    """An array of this very file: one that leads to another file could show any of the machine."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    data = file.get(name)
    if isinstance(data, h5py.Group):  # the parts of a sparse matrix of MATLAB's
        return "MATLAB_sparse" in data.attrs and all(_is_inside(data, part) for part in data)
    return _is_own(data)


def _is_own(data: Any) -> bool:
    return isinstance(data, h5py.Dataset) and not data.external and not data.is_virtual


class Lazy(Mapping[str, Array]):
    """Arrays by name, each loaded when it is asked for and kept no longer than its user does."""

    def __init__(self, names: Sequence[str], load: Callable[[str], Array]) -> None:
        self._names, self._load = names, load

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        return self._load(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # without loading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _loaded(path: Path, name: str, load: Callable[[], Any]) -> Array:
    try:
        array = load()
    except InputError as error:
        raise InputError(f"{path}: {name}: {error}") from None
    except Exception as error:  # the readers raise whatever they stumble over in a damaged file
        pickled = "pickle" in str(error)
        why = (
            f"holds Python objects, which are never loaded; save plain arrays with {_TO_CONVERT}"
            if pickled
            else f"unreadable ({error})"
        )
        raise InputError(f"{path}: {name}: {why}") from None
    return _of_sparse(array) if scipy.sparse.issparse(array) else in_memory(array)


def _of_slice(shape: tuple[int, ...], index: slice, axis: int) -> tuple[int, ...]:
    """The shape of a slice along an axis of an array of this shape."""
    return *shape[:axis], len(range(*index.indices(shape[axis]))), *shape[axis + 1 :]


def _of_sparse(matrix: Any) -> Array:
    check_fits("a sparse matrix", matrix.shape[:1], 8)
    rows = matrix.tocsr()

    def read(index: slice, axis: int) -> np.ndarray:
        check_fits("a sparse matrix", _of_slice(rows.shape, index, axis), rows.dtype.itemsize)
        return (rows[:, index] if axis else rows[index]).toarray()

    return Array(rows.shape, read)


def _on_disk(path: Path, name: str, file: h5py.File, transposed: bool) -> Array:
    """An array of an HDF5 file; MATLAB's, by their attribute or ``transposed``, turn their axes."""

    def reading(what: Callable[[Any], Any]) -> Any:
        try:
            return what(file[name])
        except _HDF5_FAULTS as error:
            said = " ".join(str(error).split())
            raise InputError(f"{path}: {name}: unreadable ({said})") from None

    def slices(data: h5py.Dataset, index: slice, axis: int) -> np.ndarray:
        source = data.asstr() if h5py.check_string_dtype(data.dtype) else data
        if turned:
            return source[(slice(None),) * (data.ndim - 1 - axis) + (index,)].T
        return source[(slice(None),) * axis + (index,)]

    kind = reading(lambda data: data.attrs.get("MATLAB_class", b""))
    turned = transposed or kind != b""
    if reading(lambda data: isinstance(data, h5py.Group)):
        return _of_sparse(reading(_matlab_sparse))
    if kind == b"char":
        return in_memory(reading(_matlab_char))
    if reading(lambda data: h5py.check_ref_dtype(data.dtype)):
        return in_memory(reading(lambda data: _matlab_cells(file, data)))
    shape = reading(lambda data: data.shape[::-1] if turned else data.shape)

    def read(index: slice, axis: int) -> np.ndarray:
        check_fits(f"{path}: {name}", _of_slice(shape, index, axis), itemsize)
        return reading(lambda data: slices(data, index, axis))

    itemsize = reading(lambda data: data.dtype.itemsize)
    return Array(shape, read)


# --- what MATLAB's form 7.3 makes of sparse matrices, characters and cells ------------------------


def _matlab_sparse(group: h5py.Group) -> scipy.sparse.csc_matrix:
    starts = group["jc"][:].ravel()
    values, rows = (
        group[part][:].ravel() if part in group else np.zeros(0, int) for part in ("data", "ir")
    )
    shape = (int(group.attrs["MATLAB_sparse"]), len(starts) - 1)
    matrix = scipy.sparse.csc_matrix((values, rows, starts), shape=shape)
    matrix.check_format()
    return matrix


def _matlab_char(data: h5py.Dataset) -> np.ndarray:
    """The rows of a matrix of characters, str (rows,); one that is empty is one empty string."""
    if data.attrs.get("MATLAB_empty", 0):
        return np.array([""])
    codes = np.atleast_2d(data[:].T)
    return np.array(["".join(map(chr, row)).rstrip() for row in codes])


def _matlab_cells(file: h5py.File, data: h5py.Dataset, depth: int = 0) -> np.ndarray:
    """Strings, or cells of strings, object array in MATLAB's shape."""
    cells = np.empty(data.shape[::-1], object)
    for place, reference in np.ndenumerate(data[:].T):
        target = file[reference]
        if not _is_own(target):
            raise ValueError("a cell leads out of the file")
        if h5py.check_ref_dtype(target.dtype) and depth < 2:
            cells[place] = _matlab_cells(file, target, depth + 1).ravel()
        elif target.attrs.get("MATLAB_class") == b"char":
            cells[place] = str(_matlab_char(target)[0])
        else:
            raise ValueError("a cell holds no text")
    return cells
