"""Tags and labels where there are none at hand: by topic, as many and as sparse as real ones."""

import numpy as np

TOPICS = 30


def by_topic(
    rng: np.random.Generator, topics: np.ndarray, shares: np.ndarray, activity: float = 0.0
) -> np.ndarray:
    """Who has what, uint8 (n, len(shares)): column j has the given share of ones.

    topics    (n, t) standard normal: every column hangs on a few of them
    activity  how much images differ in the number of ones they have
    """
    n, t = topics.shape
    found = np.zeros((n, len(shares)), np.uint8)
    own = activity * rng.standard_normal(n)
    for column, share in zip(found.T, shares, strict=True):
        load = rng.standard_normal(t) * (rng.random(t) < 0.15)
        score = 2.5 * topics @ load + own + rng.gumbel(size=n)
        count = max(1, round(n * share))
        column[np.argpartition(score, n - count)[n - count :]] = 1
    return found


def topics_of(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Topics (n, t) that labels (n, c) have a part in, for what goes with given labels."""
    about = (labels - labels.mean(axis=0)) @ rng.standard_normal((labels.shape[1], TOPICS))
    about /= about.std(axis=0).clip(1e-9)
    return 0.8 * about + 0.6 * rng.standard_normal(about.shape)
