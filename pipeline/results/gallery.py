"""Some queries and the ten items two methods retrieve first, with the relevant ones marked."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import InputError
from pipeline.features.decode import ImageFiles, decode
from pipeline.seeds import derive
from pipeline.store import TASKS, Codes, Pairs, Split

_VIEWS = {"i": "image", "t": "text"}
_THUMBNAIL = 160  # pixels a side
_MOST_TAGS = 10


@dataclass(frozen=True)
class Item:
    """One side of a pair: the text, or a JPEG thumbnail with a text for who cannot see it."""

    text: str
    image: bytes | None = None
    relevant: bool = False


@dataclass(frozen=True)
class Ranking:
    """What one method retrieved first, best first."""

    method: str
    items: Sequence[Item]

    @property
    def relevant(self) -> int:
        return sum(item.relevant for item in self.items)


@dataclass(frozen=True)
class Shown:
    """A query of one task and the rankings of both methods."""

    task: str
    query: Item
    rankings: Sequence[Ranking]


@dataclass(frozen=True)
class Gallery:
    """The gallery of one data set; where there is nothing to show, ``note`` says why."""

    title: str
    shown: Sequence[Shown] = ()
    note: str = ""


def gallery(
    pairs: Pairs,
    codes_a: Codes,
    codes_b: Codes,
    split: Split,
    *,
    names: tuple[str, str],
    title: str,
    queries: int = 2,
    top: int = 10,
    seed: int = 0,
) -> Gallery:
    """Rank the database for some queries of each task by both methods' codes, ties in its order.

    The codes of the first seed are used, and ``split`` must be that seed's. The queries are drawn
    by ``seed``, without a look at how they come out. A task is left out where a view of the data
    set has nothing to show. Real-valued codes raise InputError.
    """
    for name, codes in zip(names, (codes_a, codes_b), strict=True):
        if codes.image.dtype != bool:
            raise InputError(f"{title}: the gallery compares binary codes, {name} has real values")
    sides = _Sides(pairs)
    tasks = [task for task in TASKS if all(sides.has(_VIEWS[v]) for v in (task[0], task[2]))]
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
) -> Shown:
    asking, answering = _VIEWS[task[0]], _VIEWS[task[2]]
    rankings = []
    for name, codes in both.items():
        database = getattr(codes, answering)[0][split.database]
        found = split.database[nearest(getattr(codes, asking)[0][query], database, top)]
        items = [sides.item(answering, row, relevant_to=query) for row in found]
        rankings.append(Ranking(name, items))
    return Shown(task, sides.item(asking, query), rankings)


class _Sides:
    """Turns rows of a data set into items."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        self._files = ImageFiles(pairs.image_root) if len(pairs.images) else None

    def has(self, view: str) -> bool:
        """Whether the data set has anything to show of a view."""
        if view == "image":
            return self._files is not None
        return self._pairs.captions is not None or self._pairs.tags is not None

    def item(self, view: str, row: int, relevant_to: int | None = None) -> Item:
        labels = self._pairs.labels
        relevant = relevant_to is not None and bool((labels[row] & labels[relevant_to]).any())
        if view == "text":
            return Item(self._text(row), relevant=relevant)
        return Item(str(self._pairs.ids[row]), self._thumbnail(row), relevant)

    def _text(self, row: int) -> str:
        """One caption, or the first tags."""
        if self._pairs.captions is not None:
            return self._pairs.captions[row][0]
        present = np.flatnonzero(self._pairs.tags[row])
        tags = [self._pairs.tag_names[i] for i in present[:_MOST_TAGS]]
        more = len(present) - len(tags)
        return ", ".join([*tags, *([f"{more} more"] if more > 0 else [])])

    def _thumbnail(self, row: int) -> bytes | None:
        """A small JPEG of what the network sees of the image; None where it cannot be read."""
        from PIL import Image

        try:
            pixels = decode(self._files.read(self._pairs.images[row]))
        except Exception:  # whatever is in the file, the page is written
            return None
        out = io.BytesIO()
        small = Image.fromarray(pixels.transpose(1, 2, 0)).resize((_THUMBNAIL, _THUMBNAIL))
        small.save(out, "JPEG", quality=75)
        return out.getvalue()
