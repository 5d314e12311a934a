"""How every artefact is laid out in HDF5: the only module that knows.

One reader and one writer per kind of file. Arrays whose first axis is ``seed`` hold all seeds of a
setting. Texts are one UTF-8 blob with the place where each of them ends. Every file carries as
attributes its ``kind``, ``layout`` version, the version of the package that made it and, as JSON,
the parameters, the paths and digests of its inputs and the versions of the libraries. It is sealed
(``pipeline.storage.sealed``), so that HDF5 never reads a damaged one.
"""

import errno
import itertools
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline import __version__
from pipeline.errors import InputError
from pipeline.storage import sealed
from pipeline.storage.files import PartialFile, atomic_write, resumable_write, sha256
from pipeline.storage.machine import check_fits
from pipeline.storage.packed import PackedRows

log = logging.getLogger(__name__)
LAYOUT = 2
_ROWS = 65_536  # rows of labels read in one go
TASKS = ("i2t", "t2i", "i2i", "t2t")  # view of the query, view of the database
VIEWS = {"i": "image", "t": "text"}
#: what h5py raises when it stumbles in a damaged file
_FAULTS = (OSError, RuntimeError, KeyError, ValueError, TypeError)
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "transformers", "numba",
              "h5py", "pillow")  # fmt: skip


@dataclass(frozen=True)
class Provenance:
    """What made a file: the stage, its parameters (JSON-able) and its input files."""

    stage: str
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Path | str] = field(default_factory=dict)

    @cached_property
    def attributes(self) -> dict[str, str]:
        """As they stand in a file; the inputs are read and digested when first asked for."""
        digests = {name: sha256(path) for name, path in sorted(self.inputs.items())}
        return {
            "stage": self.stage,
            "version": __version__,
            "params": json.dumps(dict(self.params), sort_keys=True),
            "inputs": json.dumps(digests, sort_keys=True),
            "input_paths": json.dumps({k: str(p) for k, p in self.inputs.items()}, sort_keys=True),
            "libraries": json.dumps(libraries()),
        }


@cache
def libraries() -> dict[str, str]:
    """The versions of the libraries that values may depend on, imported or not."""
    return {name: version(name) for name in _LIBRARIES}


# --- pairs --------------------------------------------------------------------------------------


@dataclass
class Pairs:
    """n image-text pairs of one data set, before any feature is taken.

    ids          n unique names
    labels       uint8 (n, c), 0/1; label_names: c names
    images       n references: paths below image_root, which may pass through a .zip archive
                 ('train2017.zip/train2017/000000000009.jpg'); empty for a set without images
    image_root   the folder the images or their archives are in
    tags         uint8 (n, d), 0/1, or None; tag_names: d names
    captions     n lists of at least one sentence, or None
    partition    n of 'query', 'database', 'train' and 'validation' (both part of the database),
                 'apart' (trained on, but never searched), 'unused' (in no part of any split) or ''
                 where the split protocol decides, or None when it decides for all
    groups       int64 (n,), pairs of one number being of one image (with a caption each), or None:
                 every pair has an image of its own
    sources      for kind 'features': the files with the given arrays, row i of them being pair i
    """

    ids: Sequence[str]
    labels: np.ndarray
    label_names: Sequence[str]
    images: Sequence[str] = ()
    image_root: str = ""
    tags: np.ndarray | None = None
    tag_names: Sequence[str] = ()
    captions: Sequence[Sequence[str]] | None = None
    partition: Sequence[str] | None = None
    groups: np.ndarray | None = None
    sources: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.ids)


def write_pairs(path: Path | str, pairs: Pairs, provenance: Provenance) -> None:
    """Write a pairs file, whole or not at all."""
    with _create(path, "pairs", provenance) as file:
        _put_text(file, "ids", pairs.ids)
        _put(file, "labels", np.asarray(pairs.labels, np.uint8))
        _put_text(file, "label_names", pairs.label_names)
        _put_text(file, "images", pairs.images)
        file.attrs["image_root"] = str(pairs.image_root)
        _put_text(file, "sources", pairs.sources)
        if pairs.tags is not None:
            _put(file, "tags", np.asarray(pairs.tags, np.uint8))
            _put_text(file, "tag_names", pairs.tag_names)
        if pairs.captions is not None:
            _put_text(file, "captions", [c for group in pairs.captions for c in group])
            _put(file, "captions_per_pair", np.array([len(c) for c in pairs.captions], np.int64))
        if pairs.partition is not None:
            _put_text(file, "partition", pairs.partition)
        if pairs.groups is not None:
            _put(file, "groups", np.asarray(pairs.groups, np.int64))


def read_pairs(path: Path | str) -> Pairs:
    """Read a pairs file."""
    with _open(path, "pairs") as file:
        captions = None
        if "captions" in file:
            flat, ends = _get_text(file, "captions"), np.cumsum(file["captions_per_pair"][:])
            captions = [flat[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        return Pairs(
            ids=_get_text(file, "ids"),
            labels=file["labels"][:],
            label_names=_get_text(file, "label_names"),
            images=_get_text(file, "images"),
            image_root=file.attrs["image_root"],
            tags=file["tags"][:] if "tags" in file else None,
            tag_names=_get_text(file, "tag_names") if "tag_names" in file else (),
            captions=captions,
            partition=_get_text(file, "partition") if "partition" in file else None,
            groups=file["groups"][:] if "groups" in file else None,
            sources=_get_text(file, "sources") if "sources" in file else (),
        )


def read_labels(path: Path | str) -> np.ndarray:
    """The labels of a pairs file alone, uint8 (n, c)."""
    with _open(path, "pairs") as file:
        return file["labels"][:]


def read_packed_labels(path: Path | str) -> PackedRows:
    """The same in an eighth of the memory; InputError where one is neither 0 nor 1."""
    with _open(path, "pairs") as file:
        labels = file["labels"]

        def blocks() -> Iterator[np.ndarray]:
            for start in range(0, len(labels), _ROWS):
                block = labels[start : start + _ROWS]
                if (block > 1).any():
                    raise InputError(f"{path}: a label is {block.max()}; labels are 0 or 1")
                yield block

        return PackedRows.of(blocks(), labels.shape[1])


def read_groups(path: Path | str) -> np.ndarray | None:
    """The groups of a pairs file alone, int64 (n,), or None."""
    with _open(path, "pairs") as file:
        return file["groups"][:] if "groups" in file else None


def groups_of(names: Sequence[str]) -> np.ndarray | None:
    """The groups of pairs by the names of their images; None where all differ."""
    unique, groups = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    return groups.astype(np.int64) if len(unique) < len(names) else None


# --- features -----------------------------------------------------------------------------------


@contextmanager
def feature_writer(
    path: Path | str, shape: tuple[int, ...], provenance: Provenance
) -> Iterator["FeatureWriter"]:
    """Stream features of ``shape`` (n, d) or (seeds, n, d) into a file that appears when whole."""
    _check_room(Path(path), 4 * math.prod(shape))
    attributes = {"kind": "features", "layout": LAYOUT, **provenance.attributes}
    with atomic_write(path) as part:
        with sealed.streamed(part, "w") as (file, written):
            _lay_out(file, attributes, shape)
            yield FeatureWriter(file, written)
            apart = _places(file, "features")
        sealed.seal(part, LAYOUT, apart)


@contextmanager
def resumable_feature_writer(
    path: Path | str, shape: tuple[int, int], provenance: Provenance, code: str
) -> Iterator["ResumableWriter"]:
    """The same for features (n, d) that take long: what a killed attempt has kept is still there.

    code  a digest of the program: what another version has kept is not gone on from
    """
    attributes = {"kind": "features", "layout": LAYOUT, **provenance.attributes}
    identity = json.dumps([attributes, list(shape), code], sort_keys=True)

    def finished() -> int:
        return shape[0] if attributes_of(path) == attributes else 0

    with resumable_write(path, identity, finished) as attempt:
        try:
            sealed.check(attempt.path, LAYOUT)
        except (InputError, FileNotFoundError):
            attempt = replace(attempt, done=0)
        if not attempt.done:
            with sealed.streamed(attempt.path, "w") as (file, _):
                _lay_out(file, attributes, shape)
                apart = _places(file, "features", "valid")
            sealed.seal(attempt.path, LAYOUT, apart)  # for whoever goes on after a kill
        with sealed.streamed(attempt.path, "r+") as (file, written):
            yield ResumableWriter(file, written, attempt)
            apart = _places(file, "features")
        sealed.seal(attempt.path, LAYOUT, apart)


def _lay_out(file: h5py.File, attributes: Mapping[str, Any], shape: tuple[int, ...]) -> None:
    file.attrs.update(attributes)
    _allocate(file, "features", shape, np.float32)
    _allocate(file, "valid", shape[-2:-1], bool)


def _places(file: h5py.File, *names: str) -> list[tuple[int, int]]:
    """Where arrays that lie in one piece are in the file: (offset, bytes), in its order."""
    there = ((file[name].id.get_offset(), file[name].id.get_storage_size()) for name in names)
    return sorted((offset, size) for offset, size in there if size)


def _allocate(file: h5py.File, name: str, shape: tuple[int, ...], dtype: type) -> None:
    """All space at once, so that later writes touch no metadata, which a kill could leave torn."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    file.create_dataset(name, shape, dtype, dcpl=early)


class FeatureWriter:
    """Blocks of rows, in any order; a row that is never marked valid leaves its pair out."""

    def __init__(self, file: h5py.File, written: sealed.Written) -> None:
        self._features, self._valid, self._written = file["features"], file["valid"], written

    def write(
        self, rows: slice, block: np.ndarray, valid: np.ndarray | bool = True, seed: int = 0
    ) -> None:
        """Store ``block`` (len(rows), d) at seed index ``seed``; ``valid`` is bool (len(rows),)."""
        index = (rows,) if self._features.ndim == 2 else (seed, rows)
        self._features[index] = block
        self._valid[rows] = valid
        self._written.check()


class ResumableWriter(FeatureWriter):
    """Blocks of rows in order; ``done`` rows are there already."""

    def __init__(self, file: h5py.File, written: sealed.Written, attempt: PartialFile) -> None:
        super().__init__(file, written)
        self._file, self._keep, self.done = file, attempt.keep, attempt.done

    def keep(self, rows: int) -> None:
        """All up to ``rows`` is written and has to outlive a kill."""
        self._file.flush()
        self._written.check()
        self._keep(rows)

    def rows(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows that are written, in any order and repeatedly: float32 (m, d), bool (m,)."""
        found, back = np.unique(index, return_inverse=True)
        return self._features[found][back], self._valid[found][back]

    def missing(self) -> np.ndarray:
        """The rows among those done that are not valid."""
        return np.flatnonzero(~self._valid[: self.done])


@dataclass(frozen=True)
class Features:
    """An open feature file: ``rows`` reads float32 (m, d); ``valid`` is bool (n,)."""

    _data: h5py.Dataset
    valid: np.ndarray

    @property
    def dimensions(self) -> int:
        return self._data.shape[-1]

    def __len__(self) -> int:
        return self._data.shape[-2]

    def rows(self, index: slice | np.ndarray, seed: int = 0) -> np.ndarray:
        """Rows ``index`` (a slice, or indices in any order) of seed number ``seed``.

        A file without a seed axis (features that no split shaped) gives the same for every seed.
        """
        data = self._data
        count = len(range(*index.indices(len(self)))) if isinstance(index, slice) else len(index)
        check_fits(f"{data.file.filename}: a part of the features", (count, data.shape[-1]), 4)
        if isinstance(index, slice):
            return data[index] if data.ndim == 2 else data[seed, index]
        order = np.argsort(index, kind="stable")
        ranked = np.asarray(index)[order]
        block = data[ranked] if data.ndim == 2 else data[seed, ranked]
        out = np.empty_like(block)
        out[order] = block
        return out


@contextmanager
def open_features(path: Path | str) -> Iterator[Features]:
    """Open a feature file for reading by rows, as long as the context lasts."""
    with _open(path, "features") as file:
        valid = file["valid"][:]
        shape = file["features"].shape
    if len(valid) != shape[-2]:
        raise InputError(f"{path}: damaged: features of {shape} and {len(valid)} marks")
    with _opened(path, "features") as file:
        yield Features(file["features"], valid)


# --- splits -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """Row indices, ascending. query, database and validation are disjoint; train lies in the
    database, unless a data set has rows apart to train on."""

    query: np.ndarray
    database: np.ndarray
    train: np.ndarray
    validation: np.ndarray


_PARTS = ("query", "database", "train", "validation")


def write_splits(path: Path | str, splits: Mapping[int, Split], provenance: Provenance) -> None:
    """Write the splits of several seeds (seed -> Split)."""
    with _create(path, "splits", provenance) as file:
        file["seeds"] = np.array(list(splits), np.int64)
        for seed, split in splits.items():
            for part in _PARTS:
                _put(file, f"{seed}/{part}", np.asarray(getattr(split, part), np.int64))


def read_splits(path: Path | str) -> dict[int, Split]:
    """Read the splits of all seeds of a file (seed -> Split)."""
    with _open(path, "splits") as file:
        return {
            int(seed): Split(*(file[f"{seed}/{part}"][:] for part in _PARTS))
            for seed in file["seeds"][:]
        }


# --- codes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Codes:
    """The codes of every pair for several seeds of one setting.

    image, text: bool (seeds, n, bits), those of a seed perhaps packed, or float32 (seeds, n, d) for
    a real-valued method; diagnostics: what the method measured on itself, by name (seeds, ...).
    """

    seeds: Sequence[int]
    image: np.ndarray | Sequence[PackedRows]
    text: np.ndarray | Sequence[PackedRows]
    diagnostics: Mapping[str, np.ndarray] = field(default_factory=dict)


def write_codes(path: Path | str, codes: Codes, provenance: Provenance) -> None:
    """Write the codes of a setting; bool codes are packed eight to a byte."""
    with _create(path, "codes", provenance) as file:
        file["seeds"] = np.array(codes.seeds, np.int64)
        file.attrs["bits"] = codes.image[0].shape[-1]
        for view in ("image", "text"):
            array = getattr(codes, view)
            _put(file, view, np.packbits(array, axis=-1) if array.dtype == bool else array)
        for name, array in sorted(codes.diagnostics.items()):  # as read back after a kill
            _put(file, f"diagnostics/{name}", np.asarray(array))


def read_codes(path: Path | str, *, packed: bool = False) -> Codes:
    """Read the codes of a setting; ``packed`` leaves the bits of each seed so."""
    with _open(path, "codes") as file:
        bits = int(file.attrs["bits"])

        def view(name: str) -> np.ndarray | list[PackedRows]:
            array = file[name][:]
            if array.dtype != np.uint8:
                return array
            if packed:
                return [PackedRows(rows, bits) for rows in array]
            return np.unpackbits(array, axis=-1, count=bits).view(bool)

        return Codes(file["seeds"][:].tolist(), view("image"), view("text"), _diagnostics(file))


@dataclass(frozen=True)
class PackedCodes:
    """The codes of one view and seed, as they lie in an open file: uint8 (n, ceil(bits / 8))."""

    _data: h5py.Dataset
    _seed: int

    @property
    def shape(self) -> tuple[int, int]:
        return self._data.shape[1:]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._data[self._seed, rows]


@contextmanager
def open_codes(path: Path | str, view: str, seed: int) -> Iterator[PackedCodes]:
    """Open the binary codes of ``view`` and ``seed`` for reading by rows, packed."""
    with _open(path, "codes") as file:
        seeds = file["seeds"][:].tolist()
        if seed not in seeds:
            raise InputError(f"{path}: no seed {seed}; there are {', '.join(map(str, seeds))}")
        if file[view].dtype != np.uint8:
            raise InputError(f"{path}: the method is real-valued, its codes are not binary")
        yield PackedCodes(file[view], seeds.index(seed))


def read_diagnostics(path: Path | str) -> dict[str, np.ndarray]:
    """What the method measured on itself, without the codes: name -> array (seeds, ...)."""
    with _open(path, "codes") as file:
        return _diagnostics(file)


def _diagnostics(file: h5py.File) -> dict[str, np.ndarray]:
    return {name: array[:] for name, array in file.get("diagnostics", {}).items()}


# --- metrics ------------------------------------------------------------------------------------


def write_metrics(
    path: Path | str,
    metrics: Mapping[str, Mapping[str, np.ndarray]],
    seeds: Sequence[int],
    provenance: Provenance,
) -> None:
    """Write ``metrics[group][name]``, arrays whose first axis is the seed.

    Groups are the four tasks (per-query and curve arrays), ``codes`` (what is measured on the
    codes themselves, such as ``corr_mse_image``) and ``queries`` (``rows``, the queries' pairs).
    """
    with _create(path, "metrics", provenance) as file:
        file["seeds"] = np.array(seeds, np.int64)
        for group, arrays in metrics.items():
            for name, array in arrays.items():
                _put(file, f"{group}/{name}", np.asarray(array))


@dataclass(frozen=True)
class Metrics:
    seeds: Sequence[int]
    groups: Mapping[str, Mapping[str, np.ndarray]]


def read_metrics(path: Path | str) -> Metrics:
    """Read a metrics file."""
    with _open(path, "metrics") as file:
        groups = {
            group: {name: array[:] for name, array in arrays.items()}
            for group, arrays in file.items()
            if isinstance(arrays, h5py.Group)
        }
        return Metrics(file["seeds"][:].tolist(), groups)


# --- below ---------------------------------------------------------------------------------------


def attributes_of(path: Path | str) -> dict[str, Any]:
    """The attributes of any file written here, as they stand there."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    sealed.check(path, LAYOUT)
    with _hdf5(path) as file:
        return dict(file.attrs)


def provenance_of(path: Path | str) -> dict[str, Any]:
    """The same with the parameters, inputs and libraries JSON decoded."""
    attributes = attributes_of(path)
    encoded = ("params", "inputs", "input_paths", "libraries")
    try:
        return attributes | {key: json.loads(attributes.get(key, "{}")) for key in encoded}
    except (ValueError, TypeError):
        raise InputError(f"{path}: damaged, or not written by this program") from None


@contextmanager
def _create(path: Path | str, kind: str, provenance: Provenance) -> Iterator[h5py.File]:
    """A file that appears when whole, put together in memory first."""
    attributes = provenance.attributes
    how: dict[str, Any] = {"driver": "core", "backing_store": False}
    with (
        atomic_write(path) as part,
        h5py.File(part, "w", userblock_size=sealed.BLOCK, **how) as file,
    ):
        file.attrs.update({"kind": kind, "layout": LAYOUT, **attributes})
        yield file
        file.flush()
        part.write_bytes(sealed.image(file, LAYOUT))


def _check_room(path: Path, size: int) -> None:
    """Raise OSError when the disk has no room for ``size`` bytes more, before any is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@contextmanager
def _open(path: Path | str, kind: str) -> Iterator[h5py.File]:
    """The file, to be read at once: a part of it that is missing or damaged is an InputError."""
    with _opened(path, kind) as file:
        try:
            yield file
        except _FAULTS as error:
            raise InputError(f"{path}: damaged, or not written by this program ({error})") from None


@contextmanager
def _opened(path: Path | str, kind: str) -> Iterator[h5py.File]:
    if not Path(path).exists():
        raise InputError(f"{path}: no such file; a {kind} file is needed")
    sealed.check(path, LAYOUT)
    with _hdf5(path) as file:
        found = file.attrs.get("kind")
        if found != kind:
            raise InputError(f"{path}: a {kind} file is needed, this holds {found or 'no known'}")
        _notice(str(path), str(file.attrs.get("libraries", "{}")))
        yield file


@cache
def _notice(path: str, made_with: str) -> None:
    """Warn, once, of a file that other versions of libraries have made than are here."""
    try:
        then = json.loads(made_with)
        other = [f"{k} {then[k]} (now {v})" for k, v in libraries().items() if then.get(k, v) != v]
    except (ValueError, TypeError, AttributeError):
        return
    if other:
        log.warning("%s was made with %s; `verify` names what mixes versions", path,
                    ", ".join(other))  # fmt: skip


def _hdf5(path: Path | str) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except _FAULTS as error:
        raise InputError(f"{path}: not a readable HDF5 file ({error})") from None


def _put(file: h5py.File, name: str, array: np.ndarray) -> None:
    """Arrays with something to gain are compressed; scalars and empty ones cannot be."""
    big = array.size > 1024
    file.create_dataset(
        name, data=array, **({"compression": "gzip", "shuffle": True} if big else {})
    )


def _put_text(file: h5py.File, name: str, texts: Sequence[str]) -> None:
    """All texts as one blob of UTF-8, and where each of them ends in it."""
    encoded = [text.encode("utf-8") for text in texts]
    _put(file, f"{name}/utf8", np.frombuffer(b"".join(encoded), np.uint8))
    _put(file, f"{name}/ends", np.cumsum([len(text) for text in encoded], dtype=np.int64))


def _get_text(file: h5py.File, name: str) -> list[str]:
    blob, ends = file[f"{name}/utf8"][:].tobytes(), file[f"{name}/ends"][:].tolist()
    if sorted(ends) != ends or (ends[-1] if ends else 0) != len(blob):
        raise ValueError(f"the texts {name} do not end where they should")
    return [blob[a:b].decode("utf-8") for a, b in itertools.pairwise([0, *ends])]
