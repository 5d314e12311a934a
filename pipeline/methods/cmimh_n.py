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
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, normalize

from pipeline.methods._deep import cosines
from pipeline.methods._layers import Affine, UnitRows
from pipeline.methods._parameters import CountFrom0, Share, ShareBelow1
from pipeline.methods.cmimh import CMIMH, Batch, Batches

#: neighbours are sought among at most so many rows, evenly spaced: the search stays linear in n
CANDIDATES = 20_000
#: rows that the views' weights are found from, and how often their features are halved for it
SAMPLE, HALVINGS = 2048, 2
#: the image's shares in a similarity that are tried
SHARES = tuple(tenths / 10 for tenths in range(1, 10))


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

    Ours: neighbours, features dropped at random, whitening, rows of one length, and all constants.

    Not known: nothing; no paper has it.
    """

    neighbors: int = 10
    neighbor_mixing: Share = 0.8
    batch_neighbors: CountFrom0 = 3
    feature_dropout: ShareBelow1 = 0.05
    whitening_power: float = 0.5

    def _prepare(self, x: Tensor) -> nn.Sequential:
        level = Affine(torch.zeros_like(x[0]), torch.tensor(x.shape[1] ** -0.5, device=x.device))
        return nn.Sequential(whiten(x, self.whitening_power), UnitRows(), level)

    def _batches(self, x: Sequence[Tensor], generator: torch.Generator) -> Batches:
        """Features dropped at random, mixtures of pairs and neighbours, and near pairs as joint."""
        weights = view_weights(x, self.neighbors, generator)
        near = nearest(as_one(x, weights), self.neighbors)
        mixed = mixtures(x, near, self.neighbor_mixing)

        def batch(rows: Tensor) -> Batch:
            pairs = [view[rows] for view in x]
            both = as_one(pairs, weights)
            joint = joint_weights(both, self.neighbor_mixing, self.batch_neighbors)
            seen = [drop(view, self.feature_dropout, generator) for view in pairs]
            return seen, [view[rows] for view in mixed], joint

        return batch


def whiten(x: Tensor, power: float) -> Affine:
    """Subtract the mean of a training view (n, d), divide each feature by a power of its deviation,
    and all by one number, so that the view has mean square 1."""
    mean, variance = x.mean(dim=0), x.var(dim=0, correction=0)
    relative = (variance / variance.mean().clamp_min(1e-30)).clamp_min(1e-6)
    scale = relative.pow(power / 2)
    level = (variance / scale**2).mean().sqrt().clamp_min(1e-15)
    return Affine(mean, scale * level)


def drop(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """``x`` with a share of its entries at the mean, 0, and the others scaled up."""
    kept = torch.rand(x.shape, generator=generator).to(x.device) >= share
    return x * kept / (1 - share)


def mixtures(x: Sequence[Tensor], near: Tensor, share: float) -> list[Tensor]:
    """Mixtures, of mean square 1, of the rows of each view and the means of their neighbours.

    near  indices (n, k) of the neighbours, whose mean has this share
    """
    mixed = [torch.lerp(view, embedding_bag(near, view, mode="mean"), share) for view in x]
    return [view / view.square().mean().sqrt().clamp_min(1e-15) for view in mixed]


def view_weights(views: Sequence[Tensor], k: int, generator: torch.Generator) -> list[float]:
    """How much the cosine in each view counts in how alike two pairs are.

    The view whose neighbours tell more is to count more, and no label says which that is. So the
    features of both views are cut into halves at random, and neighbours by one half restore the
    other. Of the image's ``SHARES`` that one is chosen whose neighbours restore both views best, by
    the geometric mean, in which the views' scales do not matter. A share is of cosines in units of
    their mean over the k nearest: the largest cosines say who is near, and their deviation over all
    pairs says little about these.
    """
    some = [view[:SAMPLE] for view in views]
    restored = torch.zeros(len(SHARES), len(some))
    for _ in range(HALVINGS):
        cuts = [torch.randperm(view.shape[1], generator=generator).tensor_split(2) for view in some]
        for cut in (cuts, [half[::-1] for half in cuts]):
            parts = [view[:, half[0]] for view, half in zip(some, cut, strict=True)]
            others = [view[:, half[1]] for view, half in zip(some, cut, strict=True)]
            image, text = (alike / near_level(alike, k) for alike in map(likeness, parts))
            for row, share in enumerate(SHARES):
                near = largest(share * image + (1 - share) * text, k).indices
                restored[row] += torch.stack([explained(view, near) for view in others]).cpu()
    share = SHARES[int(restored.prod(dim=1).argmax())]
    levels = [near_level(likeness(view), k) for view in some]
    return [share / levels[0], (1 - share) / levels[1]]


def likeness(rows: Tensor) -> Tensor:
    """Cosines of all rows (n, d) with one another; -inf with themselves."""
    return cosines(rows, rows).fill_diagonal_(-math.inf)


def largest(alike: Tensor, k: int) -> torch.return_types.topk:
    """The k largest entries of each row (m, n), or as many as there are others than itself."""
    return alike.topk(min(k, alike.shape[1] - 1), dim=1)


def near_level(alike: Tensor, k: int) -> float:
    """The mean cosine of a row and its k nearest."""
    return max(float(largest(alike, k).values.mean()), 1e-3)


def explained(view: Tensor, near: Tensor) -> Tensor:
    """The share of the squares of a view (n, d) that the mean of the rows ``near`` (n, k) explains,
    scaled as is best."""
    if not view.shape[1]:  # half of a single feature
        return view.new_zeros(())
    mean = embedding_bag(near, view, mode="mean")
    most = (mean.square().sum() * view.square().sum()).clamp_min(1e-30)
    return (mean * view).sum().clamp_min(0).square() / most


def as_one(views: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Both views (n, d) as one, whose inner products say how alike two pairs are."""
    return torch.cat(
        [normalize(x, dim=1) * math.sqrt(w) for x, w in zip(views, weights, strict=True)], dim=1
    )


def nearest(both: Tensor, k: int, block: int = 1024) -> Tensor:
    """Indices (n, k) of the k rows most like each row of ``both`` (n, d), itself not among them.

    With fewer than k others, all of them.
    """
    n = len(both)
    candidates = torch.arange(0, n, -(-n // CANDIDATES), device=both.device)
    others, found = both[candidates], []
    for rows in torch.arange(n, device=both.device).split(block):
        alike = both[rows] @ others.T
        alike.masked_fill_(candidates == rows[:, None], -math.inf)
        found.append(candidates[largest(alike, k).indices])
    return torch.cat(found)


def joint_weights(both: Tensor, share: float, k: int) -> Tensor | None:
    """How much every combination of an image and a text of a mini-batch counts as a joint sample.

    both  the pairs of the mini-batch, (B, d), as ``as_one`` makes them

    (B, B), every row summing to 1: a pair itself counts 1 - share, and ``share`` its image with the
    texts of the k pairs of the mini-batch that are most like it. None: true pairs alone count.
    """
    k = min(k, len(both) - 1)
    if not share or k < 1:
        return None
    own = torch.eye(len(both), device=both.device)
    return ((1 - share) * own).scatter(1, nearest(both, k), share / k)
