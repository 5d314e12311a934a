"""Labels as others write them: 0/1, -1/+1, class numbers or names; here uint8 (n, c)."""

import numpy as np

from pipeline.errors import InputError

FORMS = ("columns", "classes")


def read_labels(
    where: str, values: np.ndarray, labels_are: str | None
) -> tuple[np.ndarray, list[str]]:
    """The 0/1 matrix (n, c) and the names of its columns.

    labels_are  'columns' (one a label) or 'classes' (the number of one class a row), where an
                array of a single column leaves it open
    """
    if labels_are not in (None, *FORMS):
        raise InputError(f"labels_are is {labels_are!r}; {' or '.join(FORMS)} is needed")
    if values.dtype.kind in "OUS":
        if values.ndim != 1 or labels_are == "columns":
            raise InputError(f"{where}: labels of words need shape (n,), one class a row")
        return _one_hot(values, [str(name) for name in values])
    if values.dtype.kind not in "fiub":
        raise InputError(f"{where}: labels holds {values.dtype}; numbers are needed")
    alone = values.ndim == 1 or values.shape[1] == 1
    if alone and _is_class(where, values, labels_are):
        flat = values.ravel()
        if not np.isfinite(flat).all() or (flat != np.floor(flat)).any():
            raise InputError(
                f"{where}: labels holds other values than 0 and 1, or than class numbers"
            )
        return _one_hot(flat, [f"class {int(value)}" for value in flat])
    columns = values.reshape(len(values), -1)
    if np.isin(columns, (0, 1)).all():
        marked = columns != 0
    elif np.isin(columns, (-1, 1)).all():
        marked = columns > 0
    else:
        raise InputError(
            f"{where}: labels holds other values than 0 and 1 (or -1 and +1); one column a label, "
            "or a vector of class numbers"
        )
    return marked.astype(np.uint8), [f"label {j}" for j in range(columns.shape[1])]


def _is_class(where: str, values: np.ndarray, labels_are: str | None) -> bool:
    """Whether one number a row is a class; 0/1 and -1/+1 could be a label that is there or not."""
    if labels_are is not None:
        return labels_are == "classes"
    found = set(np.unique(values).tolist())
    if found == {1}:
        return False  # either way all rows share it
    if found <= {0, 1} or found <= {-1, 1}:
        numbers = " or ".join(f"{value:g}" for value in sorted(found))
        raise InputError(
            f"{where}: labels holds one number a row, {numbers}, which could be one label "
            "(`labels_are: columns`) or the numbers of classes (`labels_are: classes`)"
        )
    return True


def _one_hot(values: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    _, first, column = np.unique(values, return_index=True, return_inverse=True)
    matrix = np.zeros((len(values), len(first)), np.uint8)
    matrix[np.arange(len(values)), column.ravel()] = 1
    return matrix, [names[i] for i in first]
