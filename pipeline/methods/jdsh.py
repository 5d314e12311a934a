"""JDSH: joint-modal distribution-based similarity hashing, on given features.

Liu, Qian, Guan, Zhan, Ying, "Joint-modal Distribution-based Similarity Hashing for Large-scale
Unsupervised Deep Cross-modal Retrieval", SIGIR 2020.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.methods import _deep
from pipeline.methods._deep import cosines
from pipeline.methods._parameters import Share
from pipeline.methods.djsrh import linear_and_hidden, relaxed_codes


@dataclass(eq=False, kw_only=True)
class JDSH(_deep.TwoNetHasher):
    """Codes whose cosines reconstruct a joint-modal similarity S, re-weighted at its two ends.

    The heads and their schedule are DJSRH's. The authors read the thresholds of the re-weighting
    off each data set's own histogram of S and write them into its settings; here the same rule is
    applied to the training set itself: ``left`` and ``right`` are quantiles, and the ends minimum
    and maximum, of S over mini-batches drawn before training.

    Theirs: similarity, re-weighting, loss; the other defaults, for MIR-Flickr.

    Ours: thresholds by rule; centred features, as in DJSRH; the last of 80 epochs, where they train
    for 300 and keep the best on test.

    Not known: nothing that matters.

    epochs        passes over the training set
    batch_size    rows of a mini-batch, and so of S
    hidden        width of the text head
    lr            learning rate of both heads
    alpha, beta   shares of the image and of the text view in S; the rest is their second-order term
    mu            scale of S
    intra         weight of the two within-view terms
    push, pull    weights of the re-weighting at the low and at the high end (the authors' l1, l2)
    left, right   quantiles of S below and above which pairs are re-weighted
    """

    epochs: int = 80
    batch_size: int = 32
    hidden: int = 4096
    lr: float = 1e-2
    alpha: Share = 0.5
    beta: Share = 0.1
    mu: float = 1.47
    intra: float = 0.1
    push: float = 0.1
    pull: float = 0.2
    left: Share = 0.1
    right: Share = 0.9

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        heads = linear_and_hidden("JDSH", x1, x2, self.hidden, self.bits)
        ends = self._ends(x1, x2, generator)

        def loss(rows: Tensor, epoch: int) -> Tensor:
            batch = x1[rows], x2[rows]
            similarity = joint_similarity(*batch, self.alpha, self.beta)
            target = self.mu * reweighted(similarity, ends, self.push, self.pull)
            return reconstruction_loss(*relaxed_codes(heads, batch, epoch), target, self.intra)

        self._descend(loss, _deep.sgd(*heads, lr=(self.lr, self.lr)), generator, len(x1))
        return heads

    def _ends(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> Tensor:
        """Minimum, left and right threshold, maximum of S off the diagonal, over an epoch; (4,)."""
        values = torch.cat(
            [
                off_diagonal(joint_similarity(x1[rows], x2[rows], self.alpha, self.beta))
                for rows in _deep.batches(len(x1), self.batch_size, generator)
            ]
        )
        place = torch.tensor([0.0, self.left, self.right, 1.0]) * (len(values) - 1)
        return values.sort().values[place.long().to(values.device)]


def joint_similarity(x1: Tensor, x2: Tensor, alpha: float, beta: float) -> Tensor:
    """S = alpha S_1 + beta S_2 + (1 - alpha - beta) (C + C')/2; (n, n).

    S_m = 2 cos(x_m, x_m) - 1;  C = cosines between the rows of S_1 and those of S_2.
    """
    s1, s2 = 2 * cosines(x1, x1) - 1, 2 * cosines(x2, x2) - 1
    high = cosines(s1, s2)
    return alpha * s1 + beta * s2 + (1 - alpha - beta) * (high + high.T) / 2


def off_diagonal(square: Tensor) -> Tensor:
    """The entries of (n, n) that are not on its diagonal; (n (n - 1),)."""
    return square[~torch.eye(len(square), dtype=torch.bool, device=square.device)]


def reweighted(similarity: Tensor, ends: Tensor, push: float, pull: float) -> Tensor:
    """Similarities beyond the thresholds, the surest pairs, made more extreme.

    ends  minimum, left threshold, right threshold, maximum;  below the left one s becomes
    (1 + push exp(minimum - s)) s, above the right one (1 + pull exp(s - maximum)) s
    """
    low, left, right, high = ends
    weight = torch.ones_like(similarity)
    weight = torch.where(similarity < left, 1 + push * torch.exp(low - similarity), weight)
    weight = torch.where(similarity > right, 1 + pull * torch.exp(similarity - high), weight)
    return weight * similarity


def reconstruction_loss(code1: Tensor, code2: Tensor, target: Tensor, intra: float) -> Tensor:
    """Squared errors of the cosines of codes against S, minus the mean cosine of the pairs."""
    cross = cosines(code1, code2)
    across = F.mse_loss(cross, target) + F.mse_loss(cross.T, target) - cross.diagonal().mean()
    within = F.mse_loss(cosines(code1, code1), target) + F.mse_loss(cosines(code2, code2), target)
    return across + intra * within
