"""MIR-Flickr25K's two archives with drawn images, and its real tags and labels where they are."""

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.decomposition import TruncatedSVD

from pipeline import seeds
from pipeline.datasets._drawn.lists import TOPICS, by_topic
from pipeline.datasets._drawn.painter import Painter, subject, write_jpegs, write_texts
from pipeline.datasets.mirflickr25k import ANNOTATIONS, ARCHIVE, read_lists
from pipeline.errors import InputError
from pipeline.storage.files import atomic_write

DRAWS = (ANNOTATIONS, ARCHIVE)
COUNT, LABELS, TAGS = 25_000, 24, 1_386
SHOWN = 40  # directions of the tags that the pictures show


def draw(
    folder: Path,
    *,
    seed: int = 0,
    lists: str | None = None,
    count: int = COUNT,
    size: int = 96,
    workers: int | None = None,
) -> None:
    """Write ``mirflickr25k.zip`` and ``mirflickr25k_annotations_v080.zip`` into ``folder``.

    seed   of the pictures, and of tags and labels where they are drawn too
    lists  a folder with the two official archives, or just their texts, whose tags and labels the
           pictures then show; without it these are drawn in the same number and sparsity
    count  of images; fewer for a trial; size: their pixels a side

    ``workers`` is not used: the files take a minute on one core.
    """
    if not 1 <= count <= COUNT:
        raise InputError(f"mirflickr25k: count={count} was given, 1 to {COUNT} is needed")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tags, labels, names = _real(Path(lists)) if lists else _made_up(seed)
    tags, labels = tags[:count], labels[:count]
    vectors = _vectors(tags, labels)
    with atomic_write(folder / ANNOTATIONS) as part, zipfile.ZipFile(part, "w") as archive:
        rows = ((f"{name}.txt", np.flatnonzero(labels[:, i]) + 1) for i, name in enumerate(names))
        write_texts(archive, ((name, "".join(f"{n}\n" for n in found)) for name, found in rows))
    with atomic_write(folder / ARCHIVE) as part, zipfile.ZipFile(part, "w") as archive:
        lines = ((i, "".join(f"{tag}\n" for tag in found)) for i, found in enumerate(tags, 1))
        write_texts(archive, ((f"mirflickr/meta/tags/tags{i}.txt", text) for i, text in lines))
        images = [f"mirflickr/im{i}.jpg" for i in range(1, count + 1)]
        write_jpegs(archive, images, vectors, Painter(seed, vectors.shape[1], size=size))


def _vectors(tags: list[list[str]], labels: np.ndarray) -> np.ndarray:
    """What every image shows: its labels and, at half the weight, the main topics of its tags."""
    often = Counter(tag for found in tags for tag in set(found))
    kept = sorted(tag for tag, count in often.items() if count >= min(20, len(tags) / 100))
    column = {tag: i for i, tag in enumerate(kept)}
    has = np.zeros((len(tags), len(column)), np.float32)
    for row, found in zip(has, tags, strict=True):
        row[[column[tag] for tag in found if tag in column]] = 1
    rare = np.log(len(has) / (has.sum(axis=0) + 1))
    topics = TruncatedSVD(min(SHOWN, has.shape[1] - 1), random_state=0).fit_transform(has * rare)
    return subject((labels, 1.0), (topics, 0.5))


def _real(folder: Path) -> tuple[list[list[str]], np.ndarray, list[str]]:
    lists, names, labels = read_lists(folder)
    return [sorted(found) for found in lists.values()], labels, names


def _made_up(seed: int) -> tuple[list[list[str]], np.ndarray, list[str]]:
    """Tags and labels of 25,000 images: 3.6 labels and 3.8 known tags an image, on average.

    Both depend on thirty hidden topics. How often each occurs falls as in the real lists, and some
    images have many tags and a fifth has none, as there.
    """
    rng = np.random.default_rng(seeds.derive(seed, "lists"))
    topics = rng.standard_normal((COUNT, TOPICS))
    often = 0.42 * (1 - np.arange(LABELS) / LABELS) ** 1.9
    labels = by_topic(rng, topics, often.clip(0.01))
    known = by_topic(rng, topics, (COUNT / (np.arange(TAGS) + 17)).clip(20) / COUNT, activity=1.5)
    tags = [[f"tag{j}" for j in np.flatnonzero(row)] for row in known]
    return tags, labels, [f"label_{chr(97 + j)}" for j in range(LABELS)]
