"""Scenes: a data set that the project draws itself, for the demo and for machines without network.

A few thousand JPEGs of multi-label scenes with tags, captions and 24 labels. The same seed gives
the same bytes, whatever the number of worker processes.
"""

import io
import json
import logging
import multiprocessing
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline import seeds
from pipeline.datasets._scenes.painter import paint
from pipeline.datasets._scenes.plan import CONCEPTS, plan
from pipeline.datasets._scenes.words import caption, tags
from pipeline.errors import InputError
from pipeline.jobs import die_with_parent
from pipeline.storage.files import atomic_write, write_text
from pipeline.storage.machine import cores
from pipeline.storage.store import Pairs

FILES = ()
"""Nothing to download."""

ARCHIVE, INDEX = "scenes.zip", "scenes.jsonl"
DRAWS = (INDEX, ARCHIVE)
_CAPTIONS = 3
_CHUNK = 25
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Drawn:
    name: str
    jpeg: bytes
    record: dict[str, Any]


def draw(
    folder: Path, *, count: int = 3000, seed: int = 0, size: int = 160, workers: int | None = None
) -> None:
    """Draw ``count`` scenes of ``size`` x ``size`` pixels into ``folder``.

    Writes ``scenes.zip`` (stored, not compressed) and then ``scenes.jsonl`` (one scene a line: id,
    image, tags, captions, labels). The index appears last and only when all is there, so a draw
    that was killed leaves nothing that ``pairs`` would read. ``workers`` processes (default: one
    per usable core) change the speed only. Raises InputError for an option out of range.
    """
    _check(count=(count, 1, 99_999), size=(size, 32, 1024), seed=(seed, 0, 2**63 - 1))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)
    lines = []
    with atomic_write(folder / ARCHIVE) as part, zipfile.ZipFile(part, "w") as archive:
        drawn = _drawn(count, partial(_draw_one, seed=seed, size=size), workers or cores())
        for scene in tqdm(drawn, "draw scenes", count, unit="image", mininterval=1):
            # A ZipInfo of its own has a fixed date: the same seed gives the same bytes.
            archive.writestr(zipfile.ZipInfo(scene.name), scene.jpeg)
            lines.append(json.dumps(scene.record))
    write_text(folder / INDEX, "\n".join(lines) + "\n")


def pairs(raw: Path, *, min_tag_count: int = 20) -> Pairs:
    """The scenes drawn into ``raw``, with the tags that at least ``min_tag_count`` of them have."""
    records = _read(Path(raw) / INDEX)
    counts = Counter(tag for record in records for tag in record["tags"])
    vocabulary = sorted(tag for tag, times in counts.items() if times >= min_tag_count)
    if not vocabulary:
        raise InputError(
            f"min_tag_count={min_tag_count}: no tag of {raw} is that frequent among its "
            f"{len(records)} scenes; a smaller number is needed"
        )
    return Pairs(
        ids=[record["id"] for record in records],
        labels=_indicator([record["labels"] for record in records], CONCEPTS),
        label_names=list(CONCEPTS),
        images=[record["image"] for record in records],
        image_root=str(raw),
        tags=_indicator([record["tags"] for record in records], vocabulary),
        tag_names=vocabulary,
        captions=[record["captions"] for record in records],
    )


def _check(**options: tuple[int, int, int]) -> None:
    for name, (value, low, high) in options.items():
        if not low <= value <= high:
            raise InputError(f"scenes: {name}={value} was given, {low} to {high} is needed")


def _drawn(count: int, draw_one: partial[_Drawn], workers: int) -> Iterator[_Drawn]:
    """The scenes in order, drawn here or by a pool of processes."""
    if workers == 1 or count <= _CHUNK:
        yield from map(draw_one, range(count))
        return
    # Spawned, not forked: the caller may have threads (PyTorch, tqdm) that a fork would break.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=die_with_parent) as pool:
        yield from pool.map(draw_one, range(count), chunksize=_CHUNK)


def _draw_one(number: int, *, seed: int, size: int) -> _Drawn:
    """Scene ``number``; its contents, looks and words have random streams of their own."""
    contents, look, words = (
        np.random.default_rng(seeds.derive(seed, "scenes", number, stream))
        for stream in ("contents", "look", "words")
    )
    scene = plan(contents)
    file = io.BytesIO()
    paint(scene, look, size).save(file, "JPEG", quality=88)
    name = f"{number:05d}.jpg"
    record = {
        "id": f"scene{number:05d}",
        "image": f"{ARCHIVE}/{name}",
        "tags": tags(scene, words),
        "captions": [caption(scene, words) for _ in range(_CAPTIONS)],
        "labels": list(scene.concepts),
    }
    return _Drawn(name, file.getvalue(), record)


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        raise InputError(f"{path}: no such file; the scenes must be drawn first")
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not a list of JSON lines ({error}); draw it again") from None


def _indicator(lists: list[list[str]], names: list[str] | tuple[str, ...]) -> np.ndarray:
    """uint8 (len(lists), len(names)): 1 where a list has the name."""
    column = {name: number for number, name in enumerate(names)}
    matrix = np.zeros((len(lists), len(names)), np.uint8)
    for row, found in enumerate(lists):
        matrix[row, [column[name] for name in found if name in column]] = 1
    return matrix
