"""The usual layouts of arrays, one module per family, recognised by the arrays' names.

A family is a module with ``NEEDED``, its names for people, and ``read(found)``, which gives the
arrays of the file by the names below, or None when the family is another. Names that all share:

image     (n, d_v) features            pixels    (n, C, H, W), or with its axes in another order
names     (n,) paths or names of image files
text      (n, d_t) features            captions  (n,) or (n, k) sentences
labels    0/1 (n, c), or one of the other forms of ``_labels``
group     (n,) numbers or words, the same for pairs of one image
split     (n,) words or numbers; ``query``, ``database``, ``train``, ``validation``: the rows, as
          bool (n,) or as lists
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.datasets._arrays import Array, Lazy, open_file
from pipeline.datasets._layouts import halves, lists, whole
from pipeline.errors import InputError

_FAMILIES = (lists, halves, whole)  # the first that knows the names is taken


@contextmanager
def open_arrays(files: Sequence[Path | str]) -> Iterator[Mapping[str, Array]]:
    """The arrays of one or several files that belong together, by the names above."""
    paths = [Path(file) for file in files]
    with ExitStack() as stack:
        opened = [
            (path, lists.open_list(path) if path.suffix.lower() == lists.SUFFIX
             else stack.enter_context(open_file(path)))
            for path in paths
        ]  # fmt: skip
        where: dict[str, int] = {}
        for number, (path, arrays) in enumerate(opened):
            for name in arrays:
                if name in where:
                    raise InputError(
                        f"{path}: {name} is also in {paths[where[name]]}; which one is meant?"
                    )
                where[name] = number
        found = Lazy(list(where), lambda name: opened[where[name]][1][name])
        yield _read(found, ", ".join(map(str, paths)))


def _read(found: Mapping[str, Array], where: str) -> Mapping[str, Array]:
    try:
        read = next((arrays for family in _FAMILIES if (arrays := family.read(found))), None)
    except InputError as error:
        raise InputError(error if where in str(error) else f"{where}: {error}") from None
    if read is None:
        needed = ", or ".join(family.NEEDED for family in reversed(_FAMILIES))
        raise InputError(f"{where}: holds {', '.join(found) or 'nothing'}; needed are {needed}")
    return read
