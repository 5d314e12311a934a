"""CMFH: collective matrix factorisation hashing."""

from dataclasses import dataclass

import numpy as np

from pipeline.methods._parameters import Share
from pipeline.methods._views import center, compact, warn_if_narrow
from pipeline.methods.base import Hasher
from pipeline.seeds import derive


@dataclass(eq=False, kw_only=True)
class CMFH(Hasher):
    """Collective matrix factorisation hashing (Ding, Guo and Zhou, CVPR 2014; with Gao, TIP 2016).

    One latent factor V (bits, n) explains both centred views X_m (d_m, n), and a linear map P_m
    takes either view to it. With a_1 = lambda and a_2 = 1 - lambda, minimise over U, V, P

        sum over m of  a_m (||X_m - U_m V||^2 + g ||U_m||^2) + mu (||V - P_m X_m||^2 + g ||P_m||^2)
        + g ||V||^2

    by closed-form updates in the order U, V, P. A code is sign(P_m x), for the database as for
    queries, so that all four tasks are defined.

    lambda_    of the image view against the text view
    mu         of the maps against the factorisation
    gamma      g, the ridge; as in the authors' first release it enters the updates of U and P
               undivided, which is the objective above with the ridge inside the weights
    tolerance  the authors' stopping rule: end when the sum of un-squared norms falls by less
    iterations  at most. The rule is absolute, so features of large norm are slow to meet it; the
                sets of benchmarks/methods.py take 30 to 210.

    Random only in the uniform start of V and P.

    Theirs: objective, updates, stopping rule and all defaults, from their first release.

    Ours: codes of the database by the maps too, so that all four tasks are defined; an end to the
    iterations.

    Not known: nothing that matters.
    """

    learned = ("image_mean_", "image_map_", "text_mean_", "text_map_")

    lambda_: Share = 0.5
    mu: float = 100.0
    gamma: float = 0.01
    tolerance: float = 0.01
    iterations: int = 1000

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        (image, self.image_mean_), (text, self.text_mean_) = center(image), center(text)
        warn_if_narrow("CMFH", self.bits, image, text)
        rng = np.random.default_rng(derive(self.seed, "cmfh"))
        v = rng.random((self.bits, len(image)))
        p = np.split(rng.random((self.bits, image.shape[1] + text.shape[1])), [image.shape[1]], 1)
        (image, image_axes), (text, text_axes) = compact(image), compact(text)
        split = image.shape[1]
        x = np.hstack([image, text]).T
        problem = Factorisation(x @ x.T, split, self.lambda_, self.mu, self.gamma)
        problem.start(x, v, np.hstack([p[0] @ image_axes, p[1] @ text_axes]))
        before = np.inf
        for iteration in range(self.iterations):
            problem.step()
            now = problem.objective(power=1)
            self.report(iteration=iteration, stopping=now)
            if before - now < self.tolerance:
                break
            before = now
        self.iterations_ = iteration + 1
        self.image_map_ = image_axes @ problem.p[:, :split].T
        self.text_map_ = text_axes @ problem.p[:, split:].T

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        return (x - self.image_mean_) @ self.image_map_

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        return (x - self.text_mean_) @ self.text_map_


class Factorisation:
    """The alternating updates on both views stacked into one X (d, n), d = d_v + d_t.

    After its first update V is linear in the views, V = G X, and enters every other update only
    through V X' = G S and V V' = G S G' with the scatter S = X X'. So an iteration costs
    O(bits d^2), whatever n is.

    scatter (d, d)   S;   split   d_v, where the text view begins
    u, p (bits, d)   U_m' and P_m of both views side by side
    vx (bits, d), vv (bits, bits)   V X' and V V'
    """

    def __init__(
        self, scatter: np.ndarray, split: int, lambda_: float, mu: float, gamma: float
    ) -> None:
        self.mu, self.gamma = mu, gamma
        self.weights = (lambda_, 1 - lambda_)
        self.views = (slice(0, split), slice(split, len(scatter)))
        self.scatter = scatter
        # the pseudo-inverse, as large features of low rank leave nothing of gamma
        self.inverses = [
            np.linalg.pinv(scatter[m, m] + gamma * np.eye(len(scatter[m, m])), hermitian=True)
            for m in self.views
        ]

    def start(self, x: np.ndarray, v: np.ndarray, p: np.ndarray) -> None:
        """Begin at V (bits, n) and P (bits, d)."""
        self.vx, self.vv, self.p = v @ x.T, v @ v.T, p

    def step(self) -> None:
        """Update U, then V, then P, each to its minimum given the others."""
        ridge = self.gamma * np.eye(len(self.vv))
        self.u = np.linalg.solve(self.vv + ridge, self.vx)
        weighted = np.hstack(
            [a * self.u[:, m] for a, m in zip(self.weights, self.views, strict=True)]
        )
        left = weighted @ self.u.T + 2 * self.mu * np.eye(len(self.vv)) + ridge
        self.v_of_x = np.linalg.solve(left, weighted + self.mu * self.p)
        self.vx = self.v_of_x @ self.scatter
        self.vv = self.vx @ self.v_of_x.T
        self.p = np.hstack(
            [self.vx[:, m] @ s for s, m in zip(self.inverses, self.views, strict=True)]
        )

    def objective(self, power: int = 2) -> float:
        """The objective with squared norms (power 2), which every update lowers, or with un-squared
        ones (power 1), which the stopping rule reads."""
        terms = [(self.gamma, np.trace(self.vv))]
        for a, m in zip(self.weights, self.views, strict=True):
            terms += [(a, self._unexplained(m)), (a * self.gamma, np.sum(self.u[:, m] ** 2))]
            terms += [
                (self.mu, self._unmapped(m)),
                (self.mu * self.gamma, np.sum(self.p[:, m] ** 2)),
            ]
        return float(sum(weight * max(square, 0.0) ** (power / 2) for weight, square in terms))

    def _unexplained(self, m: slice) -> float:
        """||X_m - U_m V||^2."""
        u = self.u[:, m]
        return (
            np.trace(self.scatter[m, m]) - 2 * np.sum(u * self.vx[:, m]) + np.sum(self.vv @ u * u)
        )

    def _unmapped(self, m: slice) -> float:
        """||V - P_m X_m||^2, in which P_m S_m = V X_m' - g P_m, P_m being up to date."""
        p = self.p[:, m]
        return np.trace(self.vv) - np.sum(p * self.vx[:, m]) - self.gamma * np.sum(p**2)
