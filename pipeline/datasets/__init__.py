"""Data sets, one module per kind: where its raw files come from, and raw files -> pairs.

A kind is a module of this package with ``FILES``, a tuple of ``pipeline.storage.download.Remote``
(empty when nothing is downloaded), and ``pairs(raw, **options)``, whose keyword-only parameters are
the options that a data set of this kind may be given in the config.
"""

import inspect
import logging
import pkgutil
from collections.abc import Callable, Set
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.storage.store import Pairs, Provenance, write_pairs

if TYPE_CHECKING:
    from pipeline.storage.download import Remote

_log = logging.getLogger(__name__)


def available() -> list[str]:
    """The names of all kinds: the modules of this package that are not marked private."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in names if not name.startswith("_"))


def files(kind: str) -> tuple["Remote", ...]:
    """What a data set of this kind downloads."""
    return _module(kind).FILES


def optional_files(kind: str, encoder: str | None = None) -> tuple["Remote", ...]:
    """What it downloads only for encoders of the kind ``encoder``; None: of any kind."""
    by_encoder = getattr(_module(kind), "OPTIONAL_FILES", {})
    asked = by_encoder if encoder is None else {encoder} & by_encoder.keys()
    return tuple(file for name in sorted(asked) for file in by_encoder[name])


def convert(kind: str, raw: Path | str, path: Path | str, **options: Any) -> None:
    """Write the pairs of a data set of this kind as ``path``; see ``load``.

    A kind that has ``unpack`` may write what its pairs refer to into the same folder before.
    """
    pairs = load(kind, raw, **options)
    if hasattr(_module(kind), "unpack"):
        _module(kind).unpack(pairs, Path(path).parent)
    write_pairs(path, pairs, Provenance("pairs", {"kind": kind, **options}))


def drawer(kind: str) -> ModuleType:
    """The module that draws the raw files of this kind: ``DRAWS``, their names, and
    ``draw(folder, *, workers, **options)``."""
    module = f"{__name__}._drawn.{kind}"
    if kind in available() and hasattr(_module(kind), "draw"):
        return _module(kind)
    if find_spec(module) is None:
        raise InputError(f"a data set of kind {kind} cannot be drawn")
    return import_module(module)


def draw(kind: str, folder: Path | str, *, workers: int | None = None, **options: Any) -> None:
    """Draw the raw files of a data set of this kind into ``folder``."""
    function = drawer(kind).draw
    _check_options(f"the drawing of {kind}", function, options.keys(), ours="workers")
    function(Path(folder), workers=workers, **options)


def load(kind: str, raw: Path | str, **options: Any) -> Pairs:
    """The pairs of a data set of this kind, from the raw files in the folder ``raw``.

    Raises InputError for a kind or an option that is not known, and for whatever is wrong with
    the raw files.
    """
    pairs = _module(kind).pairs
    _check_options(f"a data set of kind {kind}", pairs, options.keys())
    loaded = pairs(Path(raw), **options)
    if len(loaded) == 0:
        raise InputError(f"{raw}: no pair is left of this {kind} data set")
    _log.info("%s: %s", kind, describe(loaded))
    return loaded


def describe(pairs: Pairs) -> str:
    """The counts of a data set in one line."""
    texts = []
    if pairs.tags is not None:
        texts.append(f"{pairs.tags.shape[1]:,} tags")
    if pairs.captions is not None:
        texts.append(f"{sum(map(len, pairs.captions)):,} captions")
    counts = np.asarray(pairs.labels).sum(axis=0, dtype=np.int64)
    labels = f"{len(counts)} labels"
    if len(counts):
        top = int(counts.argmax())
        labels += f", most frequent {pairs.label_names[top]} ({counts[top]:,})"
    images = () if pairs.groups is None else (f"{len(np.unique(pairs.groups)):,} images",)
    parts = [f"{len(pairs):,} pairs", *images, *texts, labels]
    if pairs.partition is not None:
        names, sizes = np.unique(np.asarray(pairs.partition, dtype=str), return_counts=True)
        parts += [f"{n:,} {name or 'undivided'}" for name, n in zip(names, sizes, strict=True)]
    return ", ".join(parts)


def _check_options(what: str, function: Callable, given: Set[str], ours: str = "") -> None:
    """Raise InputError for options that are no keyword-only parameters of ``function``.

    ours  a parameter that is not for the config to give
    """
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != ours]
    if unknown := sorted(given - set(known)):
        raise InputError(
            f"{what} has no option {', '.join(unknown)}; it takes {', '.join(known) or 'none'}"
        )


def _module(kind: str) -> ModuleType:
    if kind not in available():
        raise InputError(f"unknown kind of data set {kind!r}; known are {', '.join(available())}")
    return import_module(f"{__name__}.{kind}")
