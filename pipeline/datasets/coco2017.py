"""MS-COCO 2017: photographs with five captions each and the 80 categories of their objects.

The images of val2017 with a category ask (4,952), those of train2017 are the database (117,266).
T.-Y. Lin et al.: Microsoft COCO: common objects in context, ECCV 2014.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.datasets._members import Members, open_members
from pipeline.errors import InputError
from pipeline.storage.download import Remote
from pipeline.storage.store import Pairs

_BASE = "http://images.cocodataset.org"
_MIRROR = "https://s3.amazonaws.com/images.cocodataset.org"
ANNOTATIONS = "annotations_trainval2017.zip"


def _remote(path: str, size: int, sha256: str) -> Remote:
    urls = (f"{_BASE}/{path}", f"{_MIRROR}/{path}")
    return Remote(PurePosixPath(path).name, urls, size=size, digest=f"sha256:{sha256}")


FILES = (
    _remote(
        "zips/train2017.zip",
        19_336_861_798,
        "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
    ),
    _remote(
        "zips/val2017.zip",
        815_585_330,
        "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
    ),
    _remote(
        f"annotations/{ANNOTATIONS}",
        252_907_541,
        "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
    ),
)
_PARTS = {"val2017": "query", "train2017": "database"}
_log = logging.getLogger(__name__)


def pairs(raw: Path) -> Pairs:
    """The pairs of COCO 2017, from its archives or the folders extracted from them.

    Label columns are ordered by category id, pairs by part and image id, captions as in the file,
    so nothing depends on the order of images or categories in the official lists.
    """
    raw = Path(raw)
    ids, images, captions, rows, partition = [], [], [], [], []
    categories: dict[int, str] = {}
    with open_members(raw, ANNOTATIONS, "annotations") as members:
        for part, role in _PARTS.items():
            sentences = _captions(members, part)
            names, found, own = _instances(members, part)
            if categories not in ({}, own):
                raise InputError(f"{members.where}: {part} and val2017 differ in their categories")
            categories = own
            kept = [image for image in sorted(found) if sentences.get(image)]
            if missing := len(found) - len(kept):
                _log.warning("%s: %d images with a category have no caption", part, missing)
            ids += [PurePosixPath(names[image]).stem for image in kept]
            images += [f"{_image_folder(raw, part)}/{names[image]}" for image in kept]
            captions += [sentences[image] for image in kept]
            rows += [found[image] for image in kept]
            partition += [role] * len(kept)
    return Pairs(
        ids=ids,
        labels=_matrix(rows, sorted(categories)),
        label_names=[categories[c] for c in sorted(categories)],
        images=images,
        image_root=str(raw),
        captions=captions,
        partition=partition,
    )


def _image_folder(raw: Path, part: str) -> str:
    return part if (raw / part).is_dir() else f"{part}.zip/{part}"


def _matrix(rows: list[set[int]], categories: list[int]) -> np.ndarray:
    column = {category: j for j, category in enumerate(categories)}
    labels = np.zeros((len(rows), len(categories)), np.uint8)
    for label, found in zip(labels, rows, strict=True):
        label[[column[category] for category in found]] = 1
    return labels


def _captions(members: Members, part: str) -> dict[int, list[str]]:
    """Image id -> its captions, white space made single."""
    where, content = _read(members, f"captions_{part}.json")
    captions = defaultdict(list)
    for image, text in _entries(content, where, "annotations", image_id=int, caption=str):
        if text.strip():
            captions[image].append(" ".join(text.split()))
    return captions


def _instances(
    members: Members, part: str
) -> tuple[dict[int, str], dict[int, set[int]], dict[int, str]]:
    """Image id -> file name; image id -> its categories; category id -> name."""
    where, content = _read(members, f"instances_{part}.json")
    categories = dict(_entries(content, where, "categories", id=int, name=str))
    names = dict(_entries(content, where, "images", id=int, file_name=str))
    if unsafe := [n for n in names.values() if n != PurePosixPath(n).name or n in ("", "..")]:
        raise InputError(f"{where}: {unsafe[0]!r} is not the plain name of an image file")
    found = defaultdict(set)
    for image, category in _entries(content, where, "annotations", image_id=int, category_id=int):
        if image not in names or category not in categories:
            raise InputError(
                f"{where}: an annotation names image {image} and category {category}, "
                "one of which is not in the file's lists"
            )
        found[image].add(category)
    return names, found, categories


def _read(members: Members, name: str) -> tuple[str, dict[str, Any]]:
    where = f"{members.where}/annotations/{name}"
    if f"annotations/{name}" not in members.names:
        raise InputError(f"{where}: no such file")
    with members.open(f"annotations/{name}") as file:
        try:
            content = json.loads(file.read().decode("utf-8-sig"), object_hook=_slim)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: not readable JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{where}: a JSON object is needed, this is a {type(content).__name__}")
    return where, content


def _slim(entry: dict[str, Any]) -> dict[str, Any]:
    """Outlines make up most of the 450 MB of instances_train2017.json and are not needed."""
    entry.pop("segmentation", None)
    return entry


def _entries(
    content: dict[str, Any], where: str, key: str, **fields: type
) -> Iterator[tuple[Any, ...]]:
    """The ``fields`` of every entry of one of the file's lists, checked for their types."""
    entries = content.get(key)
    if not isinstance(entries, list):
        raise InputError(f"{where}: has no list {key!r}")
    for number, entry in enumerate(entries):
        for field, kind in fields.items():
            if not isinstance(entry, dict) or type(entry.get(field)) is not kind:
                raise InputError(f"{where}: {key}[{number}] has no {kind.__name__} {field!r}")
        yield tuple(entry[field] for field in fields)
