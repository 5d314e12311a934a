"""MIR-Flickr25K: 25,000 Flickr images with the tags of their owners and 24 labels.

A pair is kept when it has a tag used at least 20 times in the set and one of the 24 labels of
potential relevance (the stricter ``_r1`` lists do not count): 20,015 pairs, 1,386 tags.
M. J. Huiskes, M. S. Lew: The MIR Flickr retrieval evaluation, MIR 2008.
"""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.datasets._members import Members, open_members
from pipeline.errors import InputError
from pipeline.storage.download import Remote
from pipeline.storage.store import Pairs

_BASE = "://press.liacs.nl/mirflickr/mirflickr25k.v3b"
ARCHIVE, ANNOTATIONS = "mirflickr25k.zip", "mirflickr25k_annotations_v080.zip"
FILES = (
    Remote(
        ARCHIVE,
        (f"https{_BASE}/{ARCHIVE}", f"http{_BASE}/{ARCHIVE}"),
        size=3_069_184_257,
        digest="md5:a23d0a8564ee84cda5622a6c2f947785",
    ),
    Remote(
        ANNOTATIONS,
        (f"https{_BASE}/{ANNOTATIONS}", f"http{_BASE}/{ANNOTATIONS}"),
        size=207_220,
        digest="md5:aa0138c79892b1b670184d142380948f",
    ),
)


def pairs(raw: Path, *, tag_used: int = 20) -> Pairs:
    """The pairs of MIR-Flickr25K, from its two archives or the folders extracted from them.

    The archive of images unpacks to ``mirflickr/``; that of annotations has no folder of its own
    and is looked for unpacked in ``annotations/``.

    tag_used  images that a tag must occur on to be kept
    """
    raw = Path(raw)
    lists, label_names, labels = read_lists(raw)
    tag_names, tags = _tag_matrix(list(lists.values()), tag_used)
    keep = np.flatnonzero(tags.any(axis=1) & labels.any(axis=1))
    numbers = np.array(list(lists))[keep]
    inside = "" if (raw / "mirflickr" / "im1.jpg").exists() else f"{ARCHIVE}/"
    return Pairs(
        ids=[f"im{n}" for n in numbers],
        labels=labels[keep],
        label_names=label_names,
        images=[f"{inside}mirflickr/im{n}.jpg" for n in numbers],
        image_root=str(raw),
        tags=tags[keep],
        tag_names=tag_names,
    )


def read_lists(raw: Path) -> tuple[dict[int, set[str]], list[str], np.ndarray]:
    """The tags of every image by its number, the labels' names, and who has them, uint8 (n, c)."""
    with open_members(raw, ARCHIVE, "mirflickr") as members:
        lists = _tag_lists(members)
    with open_members(raw, ANNOTATIONS, "annotations") as members:
        names, labels = _labels(members, numbers=list(lists))
    return lists, names, labels


def _tag_lists(members: Members) -> dict[int, set[str]]:
    """The tags of every image by its number; two official lists name a tag twice."""
    found = {}
    for name in members.names:
        if match := re.fullmatch(r"(?:.*/)?meta/tags/tags([1-9]\d{0,8})\.txt", name):
            found[int(match[1])] = set(members.text_lines(name)) - {""}
    if not found:
        raise InputError(f"{members.where}: holds no tag lists mirflickr/meta/tags/tagsN.txt")
    return dict(sorted(found.items()))


def _tag_matrix(lists: list[set[str]], used: int) -> tuple[list[str], np.ndarray]:
    """The tags on at least ``used`` images, most frequent first, and who has them, uint8 (n, d)."""
    counts = Counter(tag for tags in lists for tag in tags)
    names = sorted((t for t, n in counts.items() if n >= used), key=lambda t: (-counts[t], t))
    column = {tag: j for j, tag in enumerate(names)}
    matrix = np.zeros((len(lists), len(names)), np.uint8)
    for row, tags in zip(matrix, lists, strict=True):
        row[[column[tag] for tag in tags if tag in column]] = 1
    return names, matrix


def _labels(members: Members, numbers: list[int]) -> tuple[list[str], np.ndarray]:
    """The labels of potential relevance, by name, and who has them, uint8 (n, c)."""
    sources = {
        match[1]: name
        for name in members.names
        if (match := re.fullmatch(r"(?:.*/)?([a-z_]+)\.txt", name, re.I))
        and match[1].lower() != "readme"
    }
    if not sources:
        raise InputError(f"{members.where}: holds no label lists <label>.txt")
    row = {number: i for i, number in enumerate(numbers)}
    names = sorted(sources)
    labels = np.zeros((len(numbers), len(names)), np.uint8)
    for column, label in enumerate(names):
        for line, text in enumerate(members.lines(sources[label]), 1):
            if text:
                labels[
                    _row(row, text, f"{members.where}/{sources[label]}, line {line}"), column
                ] = 1
    return names, labels


def _row(rows: dict[int, int], text: bytes, where: str) -> int:
    try:
        return rows[int(text)]
    except (ValueError, KeyError):
        shown = text[:20].decode("utf-8", "replace")
        raise InputError(
            f"{where}: {shown!r} was found, the number of an image with a tag list is needed"
        ) from None
