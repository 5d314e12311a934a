"""Train one setting, all its seeds, and encode every pair of the data set."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline import seeds
from pipeline.errors import CollapseError, InputError
from pipeline.methods import create, parameters
from pipeline.methods.base import Hasher
from pipeline.models.folder import DESCRIPTION, Made, write_model
from pipeline.sources import digest
from pipeline.storage import store
from pipeline.storage.files import write_text
from pipeline.storage.store import Codes, Features, Provenance, Split, open_features

_BLOCK = 16_384  # rows encoded at a time: bounds memory, whatever the size of the data set
_DIAGNOSED = 100_000  # at most so many rows, evenly spread over the database, are read to diagnose

Watcher = Callable[[dict[str, Any]], None]
Records = list[dict[str, Any]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keeper:
    """What of an unfinished training is kept, so that an interruption does not cost all of it.

    Of every finished seed its codes, its records and its model are kept beside ``path``; a method
    that learns in epochs may keep the state of the seed at work there too.

    provenance  of the training; what was kept of another one is not taken
    models      where models belong in the end, and by what they are described; None: none are kept
    """

    path: Path
    provenance: Provenance
    models: "Models | None" = None

    def read(self, seed: int) -> tuple[Codes, Records] | None:
        """The codes and records of a finished seed, if they were kept."""
        path = self._of(seed)
        try:
            whole = not self.models or (self._of(seed, ".model") / DESCRIPTION).exists()
            if whole and path.exists() and self._is_of_this_training(path):
                records = json.loads(self._of(seed, ".json").read_text(encoding="utf-8"))
                _log.info("seed %d was finished before; taken from %s", seed, path)
                return store.read_codes(path), records
        except (InputError, OSError, KeyError, ValueError):
            _log.warning("%s is not readable; training seed %d again", path, seed)
        return None

    def write(self, codes: Codes, records: Records, hasher: Hasher) -> None:
        """Keep what one finished seed has led to; its state by epoch is not needed now."""
        seed = codes.seeds[0]
        if self.models:
            self.models.write(self._of(seed, ".model"), hasher, seed)
        write_text(self._of(seed, ".json"), json.dumps(records))
        store.write_codes(self._of(seed), codes, self.provenance)
        self.epochs_of(seed).unlink(missing_ok=True)

    def epochs_of(self, seed: int) -> Path:
        """Where the training of a seed may keep its state by epoch."""
        return self._of(seed, ".epochs")

    def finish(self, seeds: Sequence[int]) -> None:
        """Once the codes of all seeds are safe: models to their place, all else removed."""
        if self.models:
            for seed in seeds:
                place = self.models.folder / str(seed)
                shutil.rmtree(place, ignore_errors=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                self._of(seed, ".model").rename(place)
        for path in self.path.parent.glob(f"{self.path.name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _of(self, seed: int, ending: str = "") -> Path:
        return self.path.with_name(f"{self.path.name}-{seed}{ending}")

    def _is_of_this_training(self, path: Path) -> bool:
        found = store.attributes_of(path)
        return all(found[name] == value for name, value in self.provenance.attributes.items())


@dataclass(frozen=True)
class Models:
    """The models of a training: one folder a seed below ``folder``.

    encoders, axes  by view: what describes the encoder, and for each seed the axes of a PCA
    """

    folder: Path
    method: str
    encoders: Mapping[str, Path | None]
    axes: Mapping[str, Mapping[int, Path]]
    inputs: Mapping[str, str]

    def write(self, folder: Path, hasher: Hasher, seed: int) -> None:
        axes = {view: files.get(seed) for view, files in self.axes.items()}
        made = Made(self.method, seed, self.encoders, axes, self.inputs)
        shutil.rmtree(folder, ignore_errors=True)
        write_model(folder, hasher, made)


def write_codes(
    method: str,
    *,
    bits: int,
    params: Mapping[str, Any],
    device: str,
    image: Path | str,
    text: Path | str,
    splits: Path | str,
    path: Path,
    records: Path | None = None,
    models: Path | None = None,
    encoders: Mapping[str, Path | None] | None = None,
    axes: Mapping[str, Sequence[Path]] | None = None,
) -> None:
    """Write as ``path`` the codes of all pairs by ``train``, which goes on where one was killed.

    splits          the file of the splits; ``records`` gets one JSON line per epoch
    models          a folder for the models, one folder a seed
    encoders, axes  by view: what describes its encoder, and the axes of its PCA, a file a seed,
                    named by it
    """
    inputs = {"image": image, "text": text, "splits": splits}
    about = {"method": method, "bits": bits, "params": params}
    code = digest("pipeline.training", f"pipeline.methods.{method}")
    kept = Provenance("checkpoint", {**about, "device": device, "code": code}, inputs)
    kept_models = models and Models(
        models,
        method,
        encoders or {},
        {view: {int(file.stem): file for file in files} for view, files in (axes or {}).items()},
        json.loads(kept.attributes["inputs"]),
    )
    keeper = Keeper(path.with_name(f".{path.name}.checkpoint"), kept, kept_models or None)
    with _record_writer(records) as watch:
        codes = train(
            method,
            bits=bits,
            params=params,
            device=device,
            splits=store.read_splits(splits),
            image=image,
            text=text,
            watch=watch,
            keeper=keeper,
        )
    store.write_codes(path, codes, Provenance("train", about, inputs))
    keeper.finish(codes.seeds)


def train(
    method: str,
    *,
    bits: int,
    params: Mapping[str, Any],
    splits: Mapping[int, Split],
    image: Path | str,
    text: Path | str,
    device: str = "auto",
    watch: Watcher | None = None,
    keeper: Keeper | None = None,
) -> Codes:
    """Fit ``method`` once per seed of ``splits`` and encode all pairs.

    What is random depends on the seed, the method and the code length alone: settings that differ
    in a hyper-parameter are compared on common random numbers.

    image, text  feature files; ``watch`` gets the method's records, the seed added
    device  for methods whose constructor takes one, unless ``params`` says it
    keeper  holds what an interrupted training before this one had done
    """
    if "device" in parameters(method):
        params = {"device": device, **params}
    parts = []
    with open_features(image) as images, open_features(text) as texts:
        for i, (seed, split) in enumerate(tqdm(splits.items(), desc="seeds")):
            kept = keeper.read(seed) if keeper else None
            if kept is None:
                records: Records = []
                hasher = create(
                    method, bits=bits, seed=seeds.derive(seed, "method", method, bits), **params
                )
                hasher.on_epoch = _recorder(seed, records, watch)
                hasher.checkpoint = keeper.epochs_of(seed) if keeper else None
                try:
                    hasher.fit(images.rows(split.train, i), texts.rows(split.train, i))
                except CollapseError as error:
                    raise CollapseError(f"seed {seed}: {error}") from None
                parts.append(_codes(hasher, images, texts, i, seed, split))
                if keeper:
                    keeper.write(parts[-1], records, hasher)
            else:
                parts.append(kept[0])
                if watch:
                    for record in kept[1]:
                        watch(record)
    return _joined(parts)


def _codes(
    hasher: Hasher, images: Features, texts: Features, i: int, seed: int, split: Split
) -> Codes:
    """The codes of all pairs by a fitted model, and what it measured on (some of) the database."""
    if hasher.sees_both_views:
        views = _encode_pairs(hasher, images, texts, i)
    else:
        views = (_encode(hasher, images, "image", i), _encode(hasher, texts, "text", i))
    found: dict[str, Any] = {"sees_both_views": True} if hasher.sees_both_views else {}
    if type(hasher).diagnose is not Hasher.diagnose:
        some = split.database[:: -(-len(split.database) // _DIAGNOSED)]
        found |= hasher.diagnose(images.rows(some, i), texts.rows(some, i))
    return Codes([seed], *views, {name: np.asarray(value)[None] for name, value in found.items()})


def _encode(hasher: Hasher, features: Features, view: str, i: int) -> np.ndarray:
    """Codes of all pairs, (1, n, bits); pairs without features keep zeros."""
    shape = (1, len(features), hasher.bits)
    codes = np.zeros(shape, np.float32 if hasher.real_valued else bool)
    for start in range(0, len(features), _BLOCK):
        block = slice(start, start + _BLOCK)
        valid = features.valid[block]
        if valid.any():
            rows = features.rows(block, seed=i)[valid]
            codes[0, block][valid] = getattr(hasher, f"encode_{view}")(rows)
    return codes


def _encode_pairs(
    hasher: Hasher, images: Features, texts: Features, i: int
) -> tuple[np.ndarray, np.ndarray]:
    """As ``_encode``, both views from both; pairs that lack the features of a view keep zeros."""
    views = np.zeros((2, 1, len(images), hasher.bits), np.float32 if hasher.real_valued else bool)
    for start in range(0, len(images), _BLOCK):
        block = slice(start, start + _BLOCK)
        valid = images.valid[block] & texts.valid[block]
        if valid.any():
            rows = (features.rows(block, seed=i)[valid] for features in (images, texts))
            views[0, 0, block][valid], views[1, 0, block][valid] = hasher.encode_pairs(*rows)
    return views[0], views[1]


def _joined(parts: Sequence[Codes]) -> Codes:
    return Codes(
        [seed for part in parts for seed in part.seeds],
        np.concatenate([part.image for part in parts]),
        np.concatenate([part.text for part in parts]),
        {
            name: np.concatenate([part.diagnostics[name] for part in parts])
            for name in parts[0].diagnostics
        },
    )


def _recorder(seed: int, records: Records, watch: Watcher | None) -> Watcher:
    """Gives every record its seed, keeps it, and tells it the watcher, if there is one."""

    def record(found: dict[str, Any]) -> None:
        records.append({"seed": seed, **found})
        if watch is not None:
            watch(records[-1])

    return record


@contextmanager
def _record_writer(path: Path | None) -> Iterator[Watcher | None]:
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1) as file:
        yield lambda record: print(json.dumps(record), file=file)
