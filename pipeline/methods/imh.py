"""IMH: inter-media hashing, a spectral embedding that both views predict."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csgraph
from sklearn.neighbors import kneighbors_graph

from pipeline.methods._views import center, upright, warn_if_narrow
from pipeline.methods.base import Hasher


@dataclass(eq=False, kw_only=True)
class IMH(Hasher):
    """Inter-media hashing (Song, Yang, Yang, Huang and Shen, SIGMOD 2013), fully paired case.

    Pairs share one embedding F (n, bits), F'F = I, that a ridge regression from either centred view
    X_m (n, d_m) predicts and that varies little between neighbours:

        min  sum over m of  tr F'(M_m + smoothness L_m) F,
             M_m = I - X_m (X_m'X_m + beta I)^-1 X_m'

    with L_m the Laplacian of the view's nearest-neighbour graph. F is the eigenvectors of the
    smallest eigenvalues, W_m = (X_m'X_m + beta I)^-1 X_m'F, and bit t of x is x w_t above its
    median over the training rows.

    beta        ridge of the regressions
    smoothness  the paper's lambda
    neighbors   of a row in its graph, joined when either is the other's neighbour

    Deterministic; time O(n^3), memory O(n^2).

    Theirs: objective and eigenproblem; the defaults of a public implementation by others.

    Ours: one embedding, where that implementation couples two by a weight of 1e10; the threshold is
    the median of the training rows, where it takes that of whatever is being encoded, which lets a
    query's code depend on the other queries.

    Not known: what the authors' own code does; it is not public.
    """

    learned = (
        *("image_mean_", "image_weights_", "image_threshold_"),
        *("text_mean_", "text_weights_", "text_threshold_"),
    )

    beta: float = 1.0
    smoothness: float = 1.0
    neighbors: int = 1

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        (image, self.image_mean_), (text, self.text_mean_) = center(image), center(text)
        warn_if_narrow("IMH", self.bits, image, text)
        image_map, text_map = (ridge_regression(x, self.beta) for x in (image, text))
        form = self._form(image, image_map) + self._form(text, text_map)
        _, embedding = eigh(form, subset_by_index=[0, self.bits - 1], overwrite_a=True)
        self.embedding_ = embedding * upright(embedding)
        self.image_weights_ = image_map @ self.embedding_
        self.text_weights_ = text_map @ self.embedding_
        self.image_threshold_ = np.median(image @ self.image_weights_, axis=0)
        self.text_threshold_ = np.median(text @ self.text_weights_, axis=0)

    def _form(self, x: np.ndarray, regression: np.ndarray) -> np.ndarray:
        """M_m + smoothness L_m, (n, n)."""
        form = -x @ regression
        form[np.diag_indices(len(x))] += 1.0
        neighbors = min(self.neighbors, len(x) - 1)
        return form + self.smoothness * neighbour_laplacian(x, neighbors)

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        return (x - self.image_mean_) @ self.image_weights_ - self.image_threshold_

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        return (x - self.text_mean_) @ self.text_weights_ - self.text_threshold_


def ridge_regression(x: np.ndarray, beta: float) -> np.ndarray:
    """(X'X + beta I)^-1 X', (d, n): maps targets (n, k) to weights (d, k)."""
    # by singular values: X'X squares their range, and with large features loses beta altogether
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return (vt.T * (s / (s**2 + beta))) @ u.T


def neighbour_laplacian(x: np.ndarray, k: int) -> np.ndarray:
    """Laplacian (n, n) of the graph that joins each row to its k nearest others, either way."""
    graph = kneighbors_graph(x, k, include_self=False)
    return csgraph.laplacian(graph.maximum(graph.T)).toarray()
