"""The data sets of the selection study, each cut into training pairs, validation queries, database.

Validation queries are drawn from the database of a set and left out of training and retrieval, so
that no choice made by the study has seen a test query.
"""

import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from sklearn.decomposition import PCA


@dataclass(frozen=True)
class StudySet:
    """Database and test: arrays (rows, d) of image, text, labels; train: rows of the database."""

    database: tuple[np.ndarray, np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray, np.ndarray]
    train: np.ndarray

    def validation(self, queries: int = 300, seed: int = 7) -> "StudySet":
        """The same set with queries drawn from the database in place of the test rows."""
        rows = len(self.database[0])
        idle = np.setdiff1d(np.arange(rows), self.train)
        pool = idle if len(idle) > 2 * queries else np.arange(rows)
        queries = min(queries, rows // 6)
        asked = np.random.default_rng(seed).choice(pool, queries, replace=False)
        kept = np.setdiff1d(np.arange(rows), asked)
        train = np.searchsorted(kept, np.setdiff1d(self.train, asked))
        return StudySet(
            tuple(x[kept] for x in self.database), tuple(x[asked] for x in self.database), train
        )


def load(name: str, shared: Path) -> StudySet:
    """``synth``, ``wiki`` or ``mirtags`` from the shared data, or the .npz file of that path.

    Such a file holds I_db, T_db, L_db, I_te, T_te, L_te (rows, d), and tr: rows to train on.
    """
    if name == "wiki":
        z = loadmat(shared / "data/wiki/wiki.mat")
        database, test = ([z[f"{v}_{part}"] for v in "ITL"] for part in ("tr", "te"))
        return _set(database, test, np.arange(len(database[0])))
    if name == "mirtags":
        return _mirtags(shared / "data/mirflickr25k")
    z = np.load(shared / "reference/synth.npz" if name == "synth" else name)
    database, test = ([z[f"{v}_{part}"] for v in "ITL"] for part in ("db", "te"))
    return _set(database, test, z["tr"] if "tr" in z else np.arange(1500))


def _set(database: list[np.ndarray], test: list[np.ndarray], train: np.ndarray) -> StudySet:
    return StudySet(
        tuple(np.asarray(x, np.float32) for x in database),
        tuple(np.asarray(x, np.float32) for x in test),
        train,
    )


def _mirtags(folder: Path) -> StudySet:
    """MIR-Flickr's real tags and labels as two views: disjoint halves of the tag vocabulary.

    image: 256 principal components of one half, weighed by rarity; text: the 260 commonest tags of
    the other half. 7,000 pairs drawn: 4,500 to train on, 6,000 database, 1,000 test.
    """
    tags, vocabulary = _tags(folder / "mirflickr25k.zip")
    labels = _labels(folder / "mirflickr25k_annotations_v080.zip", len(tags))
    present = np.zeros((len(tags), len(vocabulary)), np.float32)
    column = {tag: i for i, tag in enumerate(vocabulary)}
    for row, names in enumerate(tags):
        present[row, [column[name] for name in names if name in column]] = 1
    rng = np.random.default_rng(0)
    order = rng.permutation(len(vocabulary))
    one, other = present[:, order[::2]], present[:, np.sort(order[1::2])[:260]]
    keep = np.flatnonzero(labels.any(axis=1) & one.any(axis=1) & other.any(axis=1))
    keep = rng.permutation(keep)[:7000]
    one = one[keep] * np.log(len(keep) / (one[keep].sum(axis=0) + 1))
    dense = PCA(256, random_state=0).fit(one[:6000]).transform(one)
    views = dense, other[keep], labels[keep]
    return _set([v[:6000] for v in views], [v[6000:] for v in views], np.arange(4500))


def _tags(archive: Path) -> tuple[list[set[str]], list[str]]:
    """Every image's tags, and the tags used at least 20 times, commonest first."""
    found: dict[int, set[str]] = {}
    with zipfile.ZipFile(archive) as files:
        for name in files.namelist():
            if match := re.search(r"tags/tags(\d+)\.txt$", name):
                found[int(match[1])] = set(files.read(name).decode().split())
    tags = [found[number] for number in sorted(found)]
    counts = Counter(tag for names in tags for tag in sorted(names))
    return tags, [tag for tag, count in counts.most_common() if count >= 20]


def _labels(archive: Path, rows: int) -> np.ndarray:
    with zipfile.ZipFile(archive) as files:
        names = sorted(n for n in files.namelist() if re.search(r"[a-z_]+\.txt$", n))
        names = [n for n in names if "_r1" not in n and "readme" not in n.lower()]
        labels = np.zeros((rows, len(names)), np.float32)
        for column, name in enumerate(names):
            labels[np.array(files.read(name).split(), int) - 1, column] = 1
    return labels
