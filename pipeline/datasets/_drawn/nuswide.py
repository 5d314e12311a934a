"""NUS-WIDE's archives with drawn images and tags, and its real ground truth where that is."""

import zipfile
from pathlib import Path

import numpy as np

from pipeline import seeds
from pipeline.datasets import nuswide
from pipeline.datasets._drawn.lists import TOPICS, by_topic, topics_of
from pipeline.datasets._drawn.painter import Painter, subject, write_jpegs, write_texts
from pipeline.errors import InputError
from pipeline.storage.files import atomic_write

IMAGES = "images.zip"
DRAWS = (nuswide.GROUND_TRUTH, nuswide.TAGS, nuswide.IMAGE_LIST, IMAGES)
COUNT, CONCEPTS, TAGS = 269_648, 81, 1_000


def draw(
    folder: Path,
    *,
    seed: int = 0,
    lists: str | None = None,
    count: int = COUNT,
    size: int = 96,
    workers: int | None = None,
) -> None:
    """Write the three archives of lists and ``images.zip``; its entry needs ``images: images.zip``.

    seed   of the pictures, the tags, and the labels where they are drawn too
    lists  a folder with ``Groundtruth.zip``, whose labels the pictures then show
    count  of images; fewer for a trial; size: their pixels a side

    ``workers`` is not used: a thousand pictures take two seconds on one core.
    """
    if not 1 <= count <= COUNT:
        raise InputError(f"nuswide: count={count} was given, 1 to {COUNT} is needed")
    rng = np.random.default_rng(seeds.derive(seed, "lists"))
    if lists:
        names, labels = nuswide.ground_truth(Path(lists), CONCEPTS)
        labels = labels[:count]
    else:
        names = [f"concept_{j:02d}" for j in range(CONCEPTS)]
        drawn = rng.standard_normal((count, TOPICS))
        labels = by_topic(rng, drawn, np.geomspace(0.28, 0.0003, CONCEPTS))
    topics = topics_of(rng, labels)
    shares = 1.55 / (np.arange(TAGS) + 15)  # 6.5 tags an image on average
    tags = by_topic(rng, topics, shares, activity=1.0)
    vectors = subject((labels[:, np.argsort(-labels.sum(axis=0))[:10]], 1.0), (topics, 0.5))
    images = [f"{i // 1000:04d}/{i}.jpg" for i in range(count)]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / nuswide.GROUND_TRUTH) as part, zipfile.ZipFile(part, "w") as archive:
        columns = ((f"AllLabels/Labels_{n}.txt", c) for n, c in zip(names, labels.T, strict=True))
        write_texts(archive, ((name, _lines(column[:, None])) for name, column in columns))
    with atomic_write(folder / nuswide.TAGS) as part, zipfile.ZipFile(part, "w") as archive:
        write_texts(archive, [("TagList1k.txt", "".join(f"tag{j}\n" for j in range(TAGS)))])
        write_texts(archive, [("AllTags1k.txt", _lines(tags))])
    with atomic_write(folder / nuswide.IMAGE_LIST) as part, zipfile.ZipFile(part, "w") as archive:
        listed = "".join("{}\\{}\n".format(*name.split("/")) for name in images)
        write_texts(archive, [("ImageList/Imagelist.txt", listed)])
    with atomic_write(folder / IMAGES) as part, zipfile.ZipFile(part, "w") as archive:
        write_jpegs(archive, images, vectors, Painter(seed, vectors.shape[1], size=size))


def _lines(table: np.ndarray) -> str:
    """Rows of 0 and 1, a tab between the columns."""
    text = np.full((len(table), 2 * table.shape[1]), ord("\t"), np.uint8)
    text[:, ::2] = table + ord("0")
    text[:, -1] = ord("\n")
    return text.tobytes().decode()
