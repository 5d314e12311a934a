"""A small two-view set for the tests of the learned methods, and how well codes serve on it."""

import numpy as np

CLASSES = 4
CHANCE = 1 / CLASSES


def two_views(n=240, seed=0):
    """Non-negative image features (n, 20), binary tags (n, 30), class labels (n,): easy to pair."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n)
    centres = rng.normal(size=(CLASSES, 20))
    image = np.maximum(0, 2 * centres[labels] + rng.normal(size=(n, 20)))
    odds = rng.choice([0.05, 0.6], p=[0.7, 0.3], size=(CLASSES, 30))
    text = (rng.random((n, 30)) < odds[labels]).astype(float)
    return image, text, labels


def precision(queries, database, labels, k=20):
    """Mean precision at k of boolean codes (Hamming) or real ones (Euclidean); both (n, bits)."""
    a, b = np.asarray(queries, float), np.asarray(database, float)
    distance = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    np.fill_diagonal(distance, np.inf)  # its own pair is no find
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return (labels[nearest] == labels[:, None]).mean()
