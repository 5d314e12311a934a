"""MS-COCO 2017's archives with drawn images, categories and captions."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline import seeds
from pipeline.datasets._drawn.lists import TOPICS, by_topic
from pipeline.datasets._drawn.painter import Painter, subject, write_jpegs, write_texts
from pipeline.datasets.coco2017 import ANNOTATIONS
from pipeline.errors import InputError
from pipeline.storage.files import atomic_write

DRAWS = ("train2017.zip", "val2017.zip", ANNOTATIONS)
#: images of each part, and how many of them have no category
PARTS = {"train2017": (118_287, 1_021), "val2017": (5_000, 48)}
CATEGORIES = """
    person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign
    parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella
    handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove
    skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon bowl banana apple
    sandwich orange broccoli carrot hot_dog pizza donut cake chair couch potted_plant bed
    dining_table toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink
    refrigerator book clock vase scissors teddy_bear hair_drier toothbrush
""".split()  # noqa: SIM905
_NOT_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # category ids run from 1 to 90 with gaps
IDS = [i for i in range(1, 91) if i not in _NOT_IDS]
_PLACES = "street kitchen field beach room park road table yard station lake forest".split()  # noqa: SIM905
_LOOKS = "small large bright dark old new colorful quiet busy empty green white".split()  # noqa: SIM905


def draw(
    folder: Path,
    *,
    seed: int = 0,
    count: int | None = None,
    size: int = 96,
    workers: int | None = None,
) -> None:
    """Write ``train2017.zip``, ``val2017.zip`` and ``annotations_trainval2017.zip``.

    seed   of the pictures, categories and captions
    count  of images in each part, for a trial; size: their pixels a side

    ``workers`` is not used: a thousand pictures take two seconds on one core.
    """
    if count is not None and not 1 <= count <= PARTS["val2017"][0]:
        raise InputError(f"coco2017: count={count} was given, 1 to 5000 is needed")
    rng = np.random.default_rng(seeds.derive(seed, "lists"))
    sizes = {part: count or images for part, (images, _) in PARTS.items()}
    topics = rng.standard_normal((sum(sizes.values()), TOPICS))
    shares = np.r_[0.55, np.geomspace(0.11, 0.002, len(CATEGORIES) - 1)]
    labels = by_topic(rng, topics, shares)
    vectors = subject((labels, 1.0), (topics, 0.5))
    painter = Painter(seed, vectors.shape[1], size=size)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / ANNOTATIONS) as notes, zipfile.ZipFile(notes, "w") as annotations:
        first = 0
        for part, images in sizes.items():
            rows = slice(first, first + images)
            without = 0 if count else PARTS[part][1]
            _categorise(rng, labels[rows], shares, without)
            names = [f"{first + i + 1:012d}.jpg" for i in range(images)]
            write_texts(
                annotations, _annotations(rng, part, first, names, labels[rows], topics[rows])
            )
            with (
                atomic_write(folder / f"{part}.zip") as zipped,
                zipfile.ZipFile(zipped, "w") as archive,
            ):
                inside = [f"{part}/{name}" for name in names]
                write_jpegs(archive, inside, vectors[rows], painter)
            first += images


def _categorise(
    rng: np.random.Generator, labels: np.ndarray, shares: np.ndarray, without: int
) -> None:
    """Leave exactly ``without`` rows without a category, in place."""
    bare = rng.permutation(len(labels))[:without]
    for row in np.flatnonzero(~labels.any(axis=1)):
        labels[row, rng.choice(len(shares), p=shares / shares.sum())] = 1
    labels[bare] = 0


def _annotations(
    rng: np.random.Generator,
    part: str,
    first: int,
    names: list[str],
    labels: np.ndarray,
    topics: np.ndarray,
) -> Iterator[tuple[str, str]]:
    images = [{"id": first + i + 1, "file_name": name} for i, name in enumerate(names)]
    has = [
        {"image_id": first + int(i) + 1, "category_id": IDS[j]}
        for i, j in zip(*np.nonzero(labels), strict=True)
    ]
    categories = [
        {"id": i, "name": n.replace("_", " ")} for i, n in zip(IDS, CATEGORIES, strict=True)
    ]
    instances = {"images": images, "categories": categories, "annotations": has}
    yield f"annotations/instances_{part}.json", json.dumps(instances)
    told = [
        {"image_id": first + i + 1, "caption": _caption(rng, row, topic)}
        for i, (row, topic) in enumerate(zip(labels, topics, strict=True))
        for _ in range(5)
    ]
    captions = {"images": images, "annotations": told}
    yield f"annotations/captions_{part}.json", json.dumps(captions)


def _caption(rng: np.random.Generator, labels: np.ndarray, topic: np.ndarray) -> str:
    """A sentence that names most of the categories, and a place and a look by the topics."""
    named = [CATEGORIES[j].replace("_", " ") for j in np.flatnonzero(labels) if rng.random() < 0.8]
    rng.shuffle(named)
    place, look = (
        words[int(np.argmax(topic[start : start + 12] + rng.gumbel(size=12)))]
        for words, start in ((_PLACES, 0), (_LOOKS, 12))
    )
    return f"A {look} {place} with {' and '.join(f'a {n}' for n in named) or 'nothing in it'}."
