"""DGCPN: deep graph-neighbor coherence preserving network, on given features.

Yu, Zhou, Zhan, Tao, "Deep Graph-neighbor Coherence Preserving Network for Unsupervised Cross-modal
Hashing", AAAI 2021.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.methods import _deep
from pipeline.methods._deep import cosines
from pipeline.methods._parameters import Share


@dataclass(eq=False, kw_only=True)
class DGCPN(_deep.TwoNetHasher):
    """Codes whose cosines follow the features' and the coherence of their graph neighbours.

    Symbols: S_m = cosines of view m, P = the random-walk matrix of the kNN graph on the fused
    similarity; two items are coherent when their neighbours are the same, (P P')_ij. Each step is
    half real, half binary: one view's codes are real, the other's their signs, and vice versa.

    Theirs: similarity, coherence, half-real half-binary steps; a1, a2, pair_target, SGD at 0.005.

    Ours: neighbours as 0.4 n of the n training pairs and P P' times twice their number (the
    authors' 2,000 and 4,000 at n = 5,000, which brings the diagonal to about 2); networks 512 wide
    instead of 4,096: cheaper, and on validation queries (``benchmarks/selection.py``) better than
    1,024 (.479 and .370 for .470 and .268 on synth and Wikipedia); centred features, as in DJSRH;
    the last epoch, where the authors select on labelled validation queries.

    Not known: the weights of the three losses; here 1.

    epochs       passes over the training set
    batch_size   rows of a mini-batch
    hidden       width of the two hidden layers of both networks
    lr           learning rate
    a1           share of the text view in the fused similarity
    a2           share of the coherence in S
    neighbor_fraction  of the graph, as a share of the training set
    pair_target  what the cosine of the two codes of one pair is drawn to (above 1: always pull)
    """

    epochs: int = 60
    batch_size: int = 32
    hidden: int = 512
    lr: float = 0.005
    a1: Share = 0.01
    a2: Share = 0.3
    neighbor_fraction: Share = 0.4
    pair_target: float = 1.5

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        net1, net2 = (_deep.head(x, self.hidden, self.hidden, self.bits) for x in (x1, x2))
        walk = random_walk(x1, x2, self.a1, max(1, round(self.neighbor_fraction * len(x1))))

        def loss(rows: Tensor, epoch: int) -> Tensor:
            target = similarity(x1[rows], x2[rows], walk[rows], self.a1, self.a2)
            real1, real2 = torch.tanh(net1(x1[rows])), torch.tanh(net2(x2[rows]))
            binary1, binary2 = real1.detach().sign(), real2.detach().sign()
            return coherence_loss(real1, binary2, target, self.pair_target) + coherence_loss(
                binary1, real2, target, self.pair_target
            )

        self._descend(loss, _deep.sgd(net1, net2, lr=(self.lr, self.lr)), generator, len(x1))
        return net1, net2


def fused_similarity(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor], a1: float) -> Tensor:
    """(1 - a1) S_1 + a1 S_2 between the pairs ``a`` (image, text rows) and the pairs ``b``."""
    return (1 - a1) * cosines(a[0], b[0]) + a1 * cosines(a[1], b[1])


def random_walk(x1: Tensor, x2: Tensor, a1: float, neighbors: int, block: int = 1024) -> Tensor:
    """P (n, n): each row the similarities to the ``neighbors`` nearest, made to sum to 1."""
    rows = []
    for pair in zip(x1.split(block), x2.split(block), strict=True):
        weights = fused_similarity(pair, (x1, x2), a1).clamp(min=0)
        values, nearest = weights.topk(neighbors, dim=1)
        rows.append(torch.zeros_like(weights).scatter(1, nearest, F.normalize(values, p=1)))
    return torch.cat(rows)


def similarity(x1: Tensor, x2: Tensor, walk: Tensor, a1: float, a2: float) -> Tensor:
    """S = 2 ((1 - a2) fused + a2 scale P P') - 1 of a mini-batch, its rows of P being ``walk``."""
    fused = fused_similarity((x1, x2), (x1, x2), a1)
    scale = 2 * (walk > 0).sum(dim=1).float().mean()
    return 2 * ((1 - a2) * fused + a2 * scale * walk @ walk.T) - 1


def coherence_loss(code1: Tensor, code2: Tensor, target: Tensor, pair_target: float) -> Tensor:
    """Coexistence of the pairs + coherence with S off the diagonal + consistency of the views."""
    cross, within1, within2 = cosines(code1, code2), cosines(code1, code1), cosines(code2, code2)
    others = 1 - torch.eye(len(target), device=target.device)
    coexistence = (cross.diagonal() - pair_target).square().mean()
    coherence = sum(F.mse_loss(c * others, target * others) for c in (cross, within1, within2))
    consistency = (
        F.mse_loss(cross, within1)
        + F.mse_loss(cross, within2)
        + F.mse_loss(within1, within2)
        + F.mse_loss(cross, cross.T)
    )
    return coexistence + coherence + consistency
