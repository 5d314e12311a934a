"""CMIMH-N: our extension of CMIMH by nearest neighbours. Not in the paper.

CMIMH's decoders reconstruct single pairs, and its critic takes every other pair of a mini-batch for
a negative. Here decoders reconstruct a mixture of a pair and the mean of its nearest neighbours,
and the nearest pairs of a mini-batch count as positives too. Neighbours are found from the
features; no label is seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from pipeline.methods._layers import Affine
from pipeline.methods.cmimh import CMIMH

#: neighbours are sought among at most so many rows, evenly spaced: the search stays linear in n
CANDIDATES = 20_000
#: rows that the spread of similarities is taken from
SAMPLE = 2048


@dataclass(eq=False, kw_only=True)
class CMIMHN(CMIMH):
    """CMIMH with neighbours: what decoders restore, and what critics take for joint.

    neighbors        how many of the training set the decoders restore the mean of
    neighbor_mixing  the neighbours' share in what decoders restore and in the joint distribution
    batch_neighbors  how many of the mini-batch share the joint distribution with a pair
    feature_dropout  share of the features that encoders do not see, drawn for every mini-batch
    whitening_power  of its standard deviation that each feature is divided by: 0 keeps the spectrum
                     of a view as CMIMH does, 1 gives all features one variance

    Theirs: all that it shares with CMIMH.

    Ours: neighbours, features dropped at random, whitening, and their constants.

    Not known: nothing; no paper has it.
    """

    neighbors: int = 10
    neighbor_mixing: float = 0.8
    batch_neighbors: int = 3
    feature_dropout: float = 0.05
    whitening_power: float = 0.5

    def _prepare(self, x: Tensor) -> Affine:
        return whiten(x, self.whitening_power)

    def _seen(self, batch: Sequence[Tensor], generator: torch.Generator) -> Sequence[Tensor]:
        """The views with a share of their entries at the mean, the others scaled up."""
        drop = self.feature_dropout
        masks = [torch.rand(x.shape, generator=generator).to(x.device) >= drop for x in batch]
        return [x * mask / (1 - drop) for x, mask in zip(batch, masks, strict=True)]

    def _targets(self, x: Sequence[Tensor]) -> Sequence[Tensor]:
        """Mixtures, of mean square 1, of pairs and the means of their neighbours."""
        near, share = nearest(x, self.neighbors), self.neighbor_mixing
        mixed = [torch.lerp(view, embedding_bag(near, view, mode="mean"), share) for view in x]
        return [view / view.square().mean().sqrt().clamp_min(1e-15) for view in mixed]

    def _joint(self, batch: Sequence[Tensor]) -> Tensor | None:
        return joint_weights(batch, self.neighbor_mixing, self.batch_neighbors)


def whiten(x: Tensor, power: float) -> Affine:
    """Subtract the mean of a training view (n, d), divide each feature by a power of its deviation,
    and all by one number, so that the view has mean square 1."""
    mean, variance = x.mean(dim=0), x.var(dim=0, correction=0)
    relative = (variance / variance.mean().clamp_min(1e-30)).clamp_min(1e-6)
    scale = relative.pow(power / 2)
    level = (variance / scale**2).mean().sqrt().clamp_min(1e-15)
    return Affine(mean, scale * level)


def nearest(views: Sequence[Tensor], k: int, block: int = 1024) -> Tensor:
    """Indices (n, k) of the k pairs most like each pair, itself not among them.

    views  both views of the pairs, (n, d_v) and (n, d_t)

    With fewer than k others, all of them.
    """
    n = len(views[0])
    both = _as_one(views)
    candidates = torch.arange(0, n, -(-n // CANDIDATES), device=both.device)
    others, found = both[candidates], []
    for rows in torch.arange(n, device=both.device).split(block):
        likeness = both[rows] @ others.T
        likeness.masked_fill_(candidates == rows[:, None], -math.inf)
        found.append(candidates[likeness.topk(min(k, len(candidates) - 1), dim=1).indices])
    return torch.cat(found)


def joint_weights(views: Sequence[Tensor], share: float, k: int) -> Tensor | None:
    """How much every combination of an image and a text of a mini-batch counts as a joint sample.

    views  both views of the mini-batch, (B, d_v) and (B, d_t)

    (B, B), every row summing to 1: a pair itself counts 1 - share, and ``share`` its image with the
    texts of the k pairs of the mini-batch that are most like it. None: true pairs alone count.
    """
    k = min(k, len(views[0]) - 1)
    if not share or k < 1:
        return None
    both = _as_one(views)
    likeness = (both @ both.T).fill_diagonal_(-math.inf)
    around = torch.zeros_like(likeness).scatter(1, likeness.topk(k, dim=1).indices, share / k)
    return around + (1 - share) * torch.eye(len(both), device=both.device)


def _as_one(views: Sequence[Tensor]) -> Tensor:
    """Both views (n, d) as one, whose inner products say how alike two pairs are.

    They are the sum of both views' cosines, each divided by its standard deviation over pairs of
    pairs, so that both views have equal influence.
    """
    unit = []
    for view in views:
        x = normalize(view, dim=1)
        some = x[:SAMPLE]
        unit.append(x / (some @ some.T).std().clamp_min(1e-6).sqrt())
    return torch.cat(unit, dim=1)
