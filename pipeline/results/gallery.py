"""Some queries and the ten items two methods retrieve first, with the relevant ones marked."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.features.captions import draw_captions
from pipeline.features.decode import ImageFiles, decode
from pipeline.seeds import derive
from pipeline.storage.store import TASKS, VIEWS, Codes, Pairs, Split

_THUMBNAIL = 160  # pixels a side
_MOST_TAGS = 10


@dataclass(frozen=True)
class Item:
    """One side of a pair: a caption or tags, or a JPEG thumbnail with a text for who cannot see it.

    shared  the labels it has in common with the query; it is relevant when there are any
    """

    text: str
    tags: Sequence[str] = ()
    image: bytes | None = None
    shared: Sequence[str] = ()

    @property
    def relevant(self) -> bool:
        return bool(self.shared)


@dataclass(frozen=True)
class Ranking:
    """What one method retrieved first, best first."""

    method: str
    items: Sequence[Item]

    @property
    def relevant(self) -> int:
        return sum(item.relevant for item in self.items)


@dataclass(frozen=True)
class GalleryQuery:
    """A query of one task with its labels, and the rankings of both methods."""

    task: str
    query: Item
    labels: Sequence[str]
    rankings: Sequence[Ranking]


@dataclass(frozen=True)
class Gallery:
    """The gallery of one data set; where there is nothing to show, ``note`` says why."""

    title: str
    shown: Sequence[GalleryQuery] = ()
    note: str = ""


def gallery(
    pairs: Pairs,
    codes_a: Codes,
    codes_b: Codes,
    split: Split,
    *,
    names: tuple[str, str],
    title: str,
    text: Mapping[str, Any],
    queries: int = 2,
    top: int = 10,
    seed: int = 0,
) -> Gallery:
    """Rank the database for some queries of each task by both methods' codes, ties in its order.

    The codes of the first seed are used, and ``split`` must be that seed's. The queries are drawn
    by ``seed``, without a look at how they come out. ``text`` is the encoder of the texts: what it
    saw is shown, tags or the caption drawn. A task is skipped where a view of the data set has
    nothing to show. Real-valued codes raise InputError.
    """
    for name, codes in zip(names, (codes_a, codes_b), strict=True):
        if codes.image[0].dtype != bool:
            raise InputError(f"{title}: the gallery compares binary codes, {name} has real values")
    sides = _Sides(pairs, text)
    tasks = [task for task in TASKS if all(sides.has(VIEWS[v]) for v in (task[0], task[2]))]
    if not tasks:
        return Gallery(title, note="This data set has features only: there is nothing to show.")
    both = dict(zip(names, (codes_a, codes_b), strict=True))
    shown = [
        _shown(task, query, sides, both, split, top)
        for task in tasks
        for query in _drawn(split, queries, derive(seed, "gallery", task))
    ]
    return Gallery(title, shown)


def nearest(query: np.ndarray, database: np.ndarray, top: int) -> np.ndarray:
    """Indices of the ``top`` database codes (n, L) nearest to ``query`` (L,), ties in order."""
    return np.argsort((database != query).sum(axis=1), kind="stable")[:top]


def _drawn(split: Split, count: int, seed: int) -> np.ndarray:
    count = min(count, len(split.query))
    return np.random.default_rng(seed).choice(split.query, count, replace=False)


def _shown(
    task: str, query: int, sides: "_Sides", both: Mapping[str, Codes], split: Split, top: int
) -> GalleryQuery:
    of_query, of_database = VIEWS[task[0]], VIEWS[task[2]]
    rankings = []
    for name, codes in both.items():
        database = getattr(codes, of_database)[0][split.database]
        found = split.database[nearest(getattr(codes, of_query)[0][query], database, top)]
        items = [sides.item(of_database, row, relevant_to=query) for row in found]
        rankings.append(Ranking(name, items))
    return GalleryQuery(task, sides.item(of_query, query), sides.labels(query), rankings)


class _Sides:
    """Turns rows of a data set into items."""

    def __init__(self, pairs: Pairs, text: Mapping[str, Any]) -> None:
        self._pairs = pairs
        self._files = ImageFiles(pairs.image_root) if len(pairs.images) else None
        of_tags = text["kind"] == "tags" or (
            text.get("template") and text.get("prefer") != "captions"
        )
        by_tags = of_tags or pairs.captions is None
        self._captions = None if by_tags else draw_captions(pairs, text.get("caption_seed", 0))

    def has(self, view: str) -> bool:
        """Whether the data set has anything to show of a view."""
        if view == "image":
            return self._files is not None
        return self._captions is not None or self._pairs.tags is not None

    def labels(self, row: int, also_of: int | None = None) -> list[str]:
        """The names of a pair's labels, or of those it shares with another pair."""
        labels = self._pairs.labels
        both = labels[row] & labels[row if also_of is None else also_of]
        return [self._pairs.label_names[i] for i in np.flatnonzero(both).tolist()]

    def item(self, view: str, row: int, relevant_to: int | None = None) -> Item:
        shared = [] if relevant_to is None else self.labels(row, also_of=relevant_to)
        if view == "image":
            return Item(str(self._pairs.ids[row]), image=self._thumbnail(row), shared=shared)
        if self._captions is not None:
            return Item(self._captions[row], shared=shared)
        tags = self._tags(row)
        return Item(", ".join(tags), tags, shared=shared)

    def _tags(self, row: int) -> list[str]:
        """The first tags, and how many more there are."""
        assert self._pairs.tags is not None
        present = np.flatnonzero(self._pairs.tags[row]).tolist()
        tags = [self._pairs.tag_names[i] for i in present[:_MOST_TAGS]]
        more = len(present) - len(tags)
        return [*tags, *([f"{more} more"] if more > 0 else [])] or ["no tag"]

    def _thumbnail(self, row: int) -> bytes | None:
        """A small JPEG of what the network sees of the image; None where it cannot be read."""
        from PIL import Image

        if self._files is None or self._pairs.images is None:
            return None
        try:
            pixels = decode(self._files.read(self._pairs.images[row]))
        except Exception:  # whatever is in the file, the page is written
            return None
        out = io.BytesIO()
        small = Image.fromarray(pixels.transpose(1, 2, 0)).resize((_THUMBNAIL, _THUMBNAIL))
        small.save(out, "JPEG", quality=75)
        return out.getvalue()
