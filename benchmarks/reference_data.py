"""The two sets on which reference implementations were run, as arrays."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.io import loadmat


class Retrieval(NamedTuple):
    """Features (n, d) and 0/1 labels (n, c) of the training rows, the database and the queries."""

    train_image: np.ndarray
    train_text: np.ndarray
    train_labels: np.ndarray
    database_image: np.ndarray
    database_text: np.ndarray
    database_labels: np.ndarray
    query_image: np.ndarray
    query_text: np.ndarray
    query_labels: np.ndarray


def load(name: str, shared: Path) -> Retrieval:
    """``synth``: training rows are half of the database; ``wiki``: they are the database."""
    if name == "synth":
        arrays, parts = np.load(shared / "reference" / "synth.npz"), ("tr", "db", "te")
    else:
        arrays, parts = loadmat(shared / "data" / "wiki" / "wiki.mat"), ("tr", "tr", "te")
    return Retrieval(*(arrays[f"{kind}_{part}"] for part in parts for kind in "ITL"))
