"""NUS-WIDE: 269,648 Flickr images with 1,000 common tags and 81 concepts.

A pair is kept when it has one of the most frequent concepts: 186,577 pairs for the first ten.
T.-S. Chua et al.: NUS-WIDE: a real-world web image database, CIVR 2009.

The images are not distributed officially; the folder or archive they are in is named by the option
``images``: in the official folders, or all in one, as in most copies. They are found by their path
or by the number in their name, which is that of the photograph. An id is the row (from 0) of a pair
in the official lists, which all run alike.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from pipeline.datasets._members import Members, open_members
from pipeline.datasets._pictures import find_pictures, list_pictures
from pipeline.errors import InputError
from pipeline.storage.download import Remote
from pipeline.storage.store import Pairs

_BASES = (
    "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide",
    "http://dl.nextcenter.org/public/nuswide",
)
_NOTE = "hosts of this set come and go; copies are on Kaggle (xinleili/nuswide) and elsewhere"
GROUND_TRUTH, TAGS, IMAGE_LIST = "Groundtruth.zip", "NUS_WID_Tags.zip", "ImageList.zip"
LOW_LEVEL = "NUS_WID_Low_Level_Features.rar"


def _remote(name: str) -> Remote:
    return Remote(name, tuple(f"{base}/{name}" for base in _BASES), note=_NOTE)


FILES = tuple(_remote(name) for name in (GROUND_TRUTH, TAGS, IMAGE_LIST))
OPTIONAL_FILES = {"sift_bow": (_remote(LOW_LEVEL),)}
"""What encoders of one kind read beside these."""
_TAGS = 1000
T = TypeVar("T")
_log = logging.getLogger(__name__)


def pairs(raw: Path, *, concepts: int = 10, images: str = "images") -> Pairs:
    """The pairs of NUS-WIDE, from its archives or the folders extracted from them.

    concepts  the number of concepts, the most frequent ones, that serve as labels
    images    the folder or zip archive below ``raw`` (and the folder in it) with the pictures

    Tags and image list may be missing: pairs then have none, and a warning says so. Pictures that
    are missing are counted and named; their pairs stay, and the image encoder leaves them out.
    """
    raw = Path(raw)
    names, labels = ground_truth(raw, concepts)
    keep = np.asarray(labels.any(axis=1))
    pairs = Pairs(
        ids=[str(row) for row in np.flatnonzero(keep)],
        labels=labels[keep],
        label_names=names,
        image_root=str(raw),
    )
    if _there(raw, IMAGE_LIST, "ImageList"):
        listed = _image_list(raw, keep)
        pairs.images = [f"{images}/{name}" for name in listed]
        if list_pictures(raw, images) is not None:
            pairs.images = find_pictures(raw, images, listed, "the official list")
    if _there(raw, TAGS, "NUS_WID_Tags"):
        pairs.tag_names, pairs.tags = _tags(raw, keep)
    return pairs


def _there(raw: Path, archive: str, folder: str) -> bool:
    if (raw / archive).exists() or (raw / folder).is_dir():
        return True
    what = "image references" if archive == IMAGE_LIST else "tags"
    _log.warning("nuswide: %s is not there, so the pairs have no %s", raw / archive, what)
    return False


# --- labels ---------------------------------------------------------------------------------------


def ground_truth(raw: Path, concepts: int) -> tuple[list[str], np.ndarray]:
    """The most frequent concepts, in that order, and who has them: uint8 (269648, concepts).

    Read from ``AllLabels``; ``TrainTestLabels`` holds a damaged line.
    """
    with open_members(raw, GROUND_TRUTH, _extracted(raw)) as members:
        found = {
            match[1]: name
            for name in members.names
            if (match := re.fullmatch(r"(?:.*/)?AllLabels/Labels_(\w+)\.txt", name))
        }
        if type(concepts) is not int or not 0 < concepts <= len(found):
            raise InputError(
                f"nuswide: concepts={concepts!r} was given, a number from 1 to the "
                f"{len(found)} lists AllLabels/Labels_<concept>.txt in {members.where} is needed"
            )
        names = sorted(found)
        columns = [_column(members, found[name]) for name in tqdm(names, "labels", mininterval=1)]
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise InputError(f"{members.where}: the lists in AllLabels differ in length: {lengths}")
    counts = [-int(column.sum()) for column in columns]
    top = np.argsort(counts, kind="stable")[:concepts]
    return [names[i] for i in top], np.stack([columns[i] for i in top], axis=1)


def _extracted(raw: Path) -> str:
    return "Groundtruth" if (raw / "Groundtruth").is_dir() else "AllLabels"


def _column(members: Members, name: str) -> np.ndarray:
    """One 0 or 1 a line, as uint8 (n,)."""
    with members.open(name) as file:
        values = file.read().split()
    column = np.frombuffer(b"".join(values), np.uint8) - ord("0")
    if len(column) != len(values) or (column > 1).any():
        line = next(i for i, v in enumerate(values, 1) if v not in (b"0", b"1"))
        raise InputError(
            f"{members.where}/{name}, line {line}: 0 or 1 is needed, {values[line - 1][:20]!r} "
            "was found"
        )
    return column


# --- what runs alongside --------------------------------------------------------------------------


def _image_list(raw: Path, keep: np.ndarray) -> list[str]:
    """The kept rows of the image list as ``folder/file``; it was written on Windows."""
    with open_members(raw, IMAGE_LIST, "ImageList") as members:
        name = _find(members, "imagelist.txt")
        lines = list(kept_lines(members.text_lines(name), keep, f"{members.where}/{name}"))
    images = ["/".join(line.replace("\\", "/").split("/")[-2:]) for line in lines]
    if bad := [image for image in images if set(image.split("/")) & {"", ".", ".."}]:
        raise InputError(f"{members.where}/{name}: {bad[0]!r} is not the path of an image")
    return images


def _tags(raw: Path, keep: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The 1,000 tags and who has them, uint8 (n, 1000), of the kept rows.

    Read from ``AllTags1k.txt``; ``All_Tags.txt`` does not agree with the list of tags.
    """
    with open_members(raw, TAGS, "NUS_WID_Tags") as members:
        names = [n for n in members.text_lines(_find(members, "taglist1k.txt")) if n]
        if len(names) != _TAGS:
            raise InputError(
                f"{members.where}: TagList1k.txt names {len(names)} tags, not {_TAGS:,}"
            )
        name = _find(members, "alltags1k.txt")
        where = f"{members.where}/{name}"
        tags = np.zeros((int(keep.sum()), _TAGS), np.uint8)
        lines = kept_lines(members.lines(name), keep, where)
        bar = tqdm(lines, "tags", len(tags), mininterval=1)
        for row, number, line in zip(tags, np.flatnonzero(keep) + 1, bar, strict=True):
            row[:] = _bits(line, f"{where}, line {number}")
    return names, tags


def _bits(line: bytes, where: str) -> np.ndarray:
    """The first 1,000 columns of a line, 0 or 1 each; stray columns after them are ignored."""
    regular = not line[1 : 2 * _TAGS : 2].strip(b"\t ")  # as all official lines are: much faster
    values = line[: 2 * _TAGS : 2] if regular else b"".join(line.split()[:_TAGS])
    row = np.frombuffer(values, np.uint8) - ord("0")
    if len(row) != _TAGS or (row > 1).any():
        raise InputError(f"{where}: {_TAGS:,} columns of 0 or 1 are needed")
    return row


def _find(members: Members, name: str) -> str:
    """The member of this file name, in whatever folder and letter case."""
    for member in members.names:
        if member.rsplit("/", 1)[-1].lower() == name:
            return member
    raise InputError(f"{members.where}: holds no {name}")


def kept_lines(lines: Iterator[T], keep: np.ndarray, where: str) -> Iterator[T]:
    """The lines of the kept rows; ``keep`` is bool (269648,).

    Raises InputError when the lines are not as many as the rows; blank ones at the end are none.
    """
    rows = 0
    for rows, line in enumerate(lines, 1):
        if rows > len(keep):
            if line:
                raise InputError(f"{where}: has more rows than the {len(keep):,} of the labels")
        elif keep[rows - 1]:
            yield line
    if rows < len(keep):
        raise InputError(f"{where}: has {rows:,} rows, the labels have {len(keep):,}")
