"""Writes what MATLAB's `save -v7.3` writes, of the kinds that layouts hold."""

import h5py
import numpy as np
import scipy.sparse


def save(path, arrays):
    """Numbers turned, sparse matrices and structs as groups, characters and cells as MATLAB's."""
    with h5py.File(path, "w") as file:
        _save(file, arrays)


def _save(file, arrays, within=""):
    for name, value in arrays.items():
        name = f"{within}{name}"
        if isinstance(value, dict):
            file.create_group(name).attrs["MATLAB_class"] = np.bytes_("struct")
            _save(file, value, f"{name}/")
        elif scipy.sparse.issparse(value):
            _sparse(file.create_group(name), scipy.sparse.csc_matrix(value))
        elif np.asarray(value).dtype.kind in "UO":
            _cells(file, name, np.asarray(value, object))
        else:
            value = np.atleast_2d(value)
            data = file.create_dataset(name, data=value.T)
            data.attrs["MATLAB_class"] = np.bytes_(value.dtype.name.replace("float64", "double"))


def _sparse(group, matrix):
    group.attrs["MATLAB_sparse"] = np.uint64(matrix.shape[0])
    group.attrs["MATLAB_class"] = np.bytes_("double")
    for part, values in (("data", matrix.data), ("ir", matrix.indices), ("jc", matrix.indptr)):
        group[part] = values


def _cells(file, name, values):
    cells = file.create_dataset(name, values.shape[::-1] if values.ndim > 1 else (1, len(values)),
                                h5py.ref_dtype)  # fmt: skip
    cells.attrs["MATLAB_class"] = np.bytes_("cell")
    references = np.empty(cells.shape, h5py.ref_dtype)
    for number, (place, text) in enumerate(np.ndenumerate(values.T.reshape(cells.shape))):
        inner = f"#refs#/{name}{number}"
        if isinstance(text, list):
            _cells(file, inner, np.array(text, object))
        else:
            codes = np.array([[ord(c)] for c in text], np.uint16)
            file[inner] = codes if text else np.zeros(2, np.uint64)
            file[inner].attrs["MATLAB_class"] = np.bytes_("char")
            if not text:
                file[inner].attrs["MATLAB_empty"] = np.uint8(1)
        references[place] = file[inner].ref
    cells[...] = references
