"""UDCMH: unsupervised deep cross-modal hashing with binary latent factor models.

Wu, Lin, Han, Liu, Ding, Zhang, Shen, "Unsupervised Deep Hashing via Binary Latent Factor Models for
Large-scale Cross-modal Retrieval", IJCAI 2018.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep


@dataclass(eq=False, kw_only=True)
class UDCMH(_deep.TwoNetHasher):
    """Unified binary codes by discrete matrix factorisation, in turn with the networks they teach.

    A re-implementation from the published description. With B in {-1, 1} (n, bits) shared by the
    views, Z_m the features of view m, U_m its latent factors, H_m = tanh of its network,

      min  sum_m w_m^gamma ( |Z_m - B U_m|^2 + beta tr(B' (I - A_m) B) ) + nu sum_m |B - H_m|^2,

    where A_m joins nearest neighbours with + and farthest with - (the Laplacian constraint), and
    the view weights w_m, which sum to 1, are learned. B is never relaxed: bit after bit is set to
    the sign that lowers the objective.

    Theirs: the terms of the objective, binary codes throughout, learned view weights.

    Ours: sizes, weights and the order of updates; given features in the place of the deep ones,
    with rows scaled to mean square norm ``bits``.

    Not known: constants and schedule; no code is public.

    epochs       passes of the networks in each round
    rounds       of: factors, codes, weights, networks
    batch_size   rows of a mini-batch
    hidden       width of the networks' hidden layer
    lr           learning rate of Adam
    neighbors    nearest, and farthest, joined in the graph of each view
    beta         weight of the graphs; on validation queries (``benchmarks/selection.py``) 1 is
                 better than .1 and .01 (mean over both sets .417, .411, .407)
    nu           weight of the agreement of codes and networks
    gamma        exponent of the view weights; above 1, the larger the more equal they are
    """

    epochs: int = 5
    rounds: int = 10
    batch_size: int = 128
    hidden: int = 1024
    lr: float = 1e-3
    neighbors: int = 10
    beta: float = 1.0
    nu: float = 1.0
    gamma: float = 2.0

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        views = x1, x2
        nets = tuple(nn.Sequential(_deep.head(x, self.hidden, self.bits), nn.Tanh()) for x in views)
        features = [x * (self.bits / x.shape[1]) ** 0.5 for x in views]
        graphs = [affinity(z, min(self.neighbors + 1, len(z))) for z in features]
        codes = first_codes(features, self.bits, generator)
        weights = torch.full((2,), 0.5, device=x1.device)
        optimizer = _deep.adam(*nets, lr=self.lr)

        def loss(rows: Tensor, epoch: int) -> Tensor:
            return sum(F.mse_loss(h, codes[rows]) for h in outputs(nets, (x1[rows], x2[rows])))

        for turn in range(1, self.rounds + 1):
            factors = [latent_factors(z, codes) for z in features]
            powers = weights**self.gamma
            pull = sum(p * z @ u.T for p, z, u in zip(powers, features, factors, strict=True))
            if turn > 1:
                with torch.no_grad():
                    pull = pull + self.nu * sum(outputs(nets, views))
            gram = sum(p * u @ u.T for p, u in zip(powers, factors, strict=True))
            graph = self.beta * (powers[0] * graphs[0] + powers[1] * graphs[1])
            codes = discrete_codes(codes, pull, gram, graph)
            losses = [
                view_loss(codes, z, u, a, self.beta)
                for z, u, a in zip(features, factors, graphs, strict=True)
            ]
            weights = view_weights(torch.stack(losses), self.gamma)
            tags = {"round": turn, "image_weight": weights[0].item()}
            self._descend(loss, optimizer, generator, len(x1), **tags)
        return nets


def outputs(nets: _deep.Pair, views: tuple[Tensor, Tensor]) -> list[Tensor]:
    """What each network makes of its view; both (n, bits)."""
    return [net(x) for net, x in zip(nets, views, strict=True)]


def first_codes(features: list[Tensor], bits: int, generator: torch.Generator) -> Tensor:
    """Signs of random projections of both views together; (n, bits)."""
    both = torch.cat(features, dim=1)
    directions = torch.randn(both.shape[1], bits, generator=generator).to(both.device)
    return signs(both @ directions)


def signs(x: Tensor) -> Tensor:
    """-1 or 1, never 0."""
    return torch.where(x >= 0, 1.0, -1.0)


def affinity(z: Tensor, k: int) -> Tensor:
    """A: + for the k nearest (itself excluded), - for as many farthest, symmetric, sparse (n, n).

    Divided by the roots of the absolute degrees, so that its eigenvalues lie in [-1, 1] and
    I - A is positive semi-definite.
    """
    n = len(z)
    near, far = _deep.ranked(z, k)[:, 1:], _deep.ranked(z, k - 1, farthest=True)
    rows = torch.arange(n, device=z.device).repeat_interleave(k - 1)
    i = torch.cat([rows, near.flatten(), rows, far.flatten()])
    j = torch.cat([near.flatten(), rows, far.flatten(), rows])
    sign = torch.ones(len(i), device=z.device)
    sign[len(i) // 2 :] = -1
    a = torch.sparse_coo_tensor(torch.stack([i, j]), sign, (n, n), check_invariants=True).coalesce()
    (i, j), value = a.indices(), a.values()
    degree = torch.zeros(n, device=z.device).index_add(0, i, value.abs()).clamp(min=1)
    value = value / (degree[i] * degree[j]).sqrt()
    return torch.sparse_coo_tensor(a.indices(), value, (n, n), check_invariants=True).coalesce()


def latent_factors(z: Tensor, codes: Tensor, ridge: float = 1e-3) -> Tensor:
    """U = argmin |Z - B U|^2, very slightly ridged, for equal bits; (bits, d)."""
    n, bits = codes.shape
    gram = codes.T @ codes + ridge * n * torch.eye(bits, device=codes.device)
    return torch.linalg.solve(gram, codes.T @ z)


def discrete_codes(
    codes: Tensor, pull: Tensor, gram: Tensor, graph: Tensor, sweeps: int = 3
) -> Tensor:
    """Lower J(B) = -2 tr(B' pull) + tr(B gram B') - tr(B' graph B) over signs, bit by bit.

    A bit b of a block of rows enters -b' graph b, which is replaced by its linear bound at the
    present b: none the higher for it, as graph + diag(inertia) is positive semi-definite on the
    block. All rows at once would be one such step too, but one whose inertia holds most bits where
    they are.
    """
    codes, blocks = codes.clone(), row_blocks(graph)
    for _ in range(sweeps):
        for bit, column in enumerate(gram.T):
            own = codes[:, bit] * gram[bit, bit]
            wanted = pull[:, bit] - (codes @ column - own)
            for rows, links, inertia in blocks:
                now = codes[:, bit]
                codes[rows, bit] = signs(wanted[rows] + links @ now + inertia * now[rows])
    return codes


def row_blocks(graph: Tensor, count: int = 20) -> list[tuple[slice, Tensor, Tensor]]:
    """Every ``count``-th row of a sparse (n, n) graph, from each of the first ``count``.

    Their places, those rows (b, n) sparse, and the sums of the absolute links among them (b,).
    """
    graph = graph.coalesce()
    (i, j), value, n = graph.indices(), graph.values(), len(graph)
    blocks = []
    for first in range(min(count, n)):
        mine = i % count == first
        inside = mine & (j % count == first)
        size = len(range(first, n, count))
        links = torch.sparse_coo_tensor(
            torch.stack([i[mine] // count, j[mine]]), value[mine], (size, n), check_invariants=True
        )
        inertia = value.new_zeros(size).index_add(0, i[inside] // count, value[inside].abs())
        blocks.append((slice(first, None, count), links, inertia))
    return blocks


def view_loss(codes: Tensor, z: Tensor, u: Tensor, graph: Tensor, beta: float) -> Tensor:
    """|Z - B U|^2 + beta tr(B' (I - A) B) of one view; scalar, not negative."""
    smoothness = codes.numel() - (codes * (graph @ codes)).sum()
    return (z - codes @ u).square().sum() + beta * smoothness


def view_weights(losses: Tensor, gamma: float) -> Tensor:
    """argmin sum_m w_m^gamma loss_m subject to sum_m w_m = 1."""
    weights = losses ** (1 / (1 - gamma))
    return weights / weights.sum()
