"""CIRH: correlation-identity reconstruction hashing, on given features.

Zhu, Wu, Li, Zhang, Guan, Shen, "Work Together: Correlation-Identity Reconstruction Hashing for
Unsupervised Cross-modal Retrieval", IEEE TKDE 35(9), 2023.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep
from pipeline.methods._deep import cosines
from pipeline.methods._layers import UnitRows
from pipeline.methods._parameters import Share, ShareBelow1


@dataclass(eq=False, kw_only=True)
class CIRH(_deep.TwoNetHasher):
    """Codes of a network that sees both views, imitated by a hash function for each view.

    The joint network passes both views over a graph of similarities, puts what it found into one
    code and restores the features from it; after each of its epochs the hash functions learn one
    epoch from its codes.

    Theirs: networks, losses and all defaults, for MIR-Flickr.

    Ours: the similarities of the second pass are looked up by the pairs' numbers, where their code
    does so by position, in another order, so that they are those of other pairs; the last epoch,
    where they keep the one that is best on test queries; mini-batches of one size, since batch
    normalisation cannot learn from a last batch of one pair.

    Not known: nothing that matters.

    image_share, mixed_share  a1, of the image view in the similarities; a2, of these beside their
                              saturated form
    cut                       share of each row of similarities, the smallest, that become 0
    w_restore, w_graph        lambda1, lambda2: restored features, graphs of the codes
    w_hash                    beta: graphs of the hash functions
    lr, lr_hash               Adam's rates of the joint network and of the hash functions
    width, hidden             units of the joint network; of the image hash function
    """

    epochs: int = 60
    batch_size: int = 512
    image_share: Share = 0.6
    mixed_share: Share = 0.6
    cut: ShareBelow1 = 0.6
    w_restore: float = 10.0
    w_graph: float = 1.0
    w_hash: float = 0.01
    lr: float = 1e-3
    lr_hash: float = 1e-4
    width: int = 512
    hidden: int = 4096

    def _prepare(self, x: Tensor) -> nn.Module:
        return nn.Identity()

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        x, n = (x1, x2), len(x1)
        graph = similarities(x1, x2, self.image_share, self.mixed_share, self.cut)
        joint = Joint((x1.shape[1], x2.shape[1]), self.width, self.bits).to(x1.device)
        hashes = tuple(
            hash_function(view.shape[1], hidden, self.bits).to(x1.device)
            for view, hidden in zip(x, (self.hidden, x2.shape[1]), strict=True)
        )
        joint_steps, hash_steps = (
            _deep.adam(joint, lr=self.lr),
            _deep.adam(*hashes, lr=self.lr_hash),
        )
        steps = -(-n // self.batch_size)
        codes = torch.zeros(n, self.bits, device=x1.device)  # of pairs that no epoch has seen yet
        for epoch in range(self.epochs):
            losses = []
            for rows in _deep.equal_batches(n, steps, generator):
                near = graph[rows][:, rows]
                loss, code = self._joint_loss(joint, [mixed(v[rows], near) for v in x], near)
                losses.append(_deep.step(loss, joint_steps))
                codes[rows] = code
            for rows in _deep.equal_batches(n, steps, generator):
                h = [net(view[rows]) for net, view in zip(hashes, x, strict=True)]
                loss = self._hash_loss(h, codes[rows], graph[rows][:, rows])
                _deep.step(loss, hash_steps)
            self.report(epoch=epoch + 1, loss=float(np.mean(losses)))
        return tuple(net.eval() for net in hashes)

    def _joint_loss(self, joint: "Joint", x: list[Tensor], near: Tensor) -> tuple[Tensor, Tensor]:
        """The joint network's loss on a mini-batch, and the codes +1, -1 (B, bits)."""
        views, both, restored = joint(x, near)
        code = torch.where(both.detach() > 0, 1.0, -1.0)
        restoring = sum(F.mse_loss(r, v) for r, v in zip(restored, x, strict=True))
        graphs = sum(F.mse_loss(cosines(h, h), near) for h in (*views, both))
        loss = self.w_restore * restoring + self.w_graph * graphs + F.mse_loss(both, code)
        return loss, code

    def _hash_loss(self, h: list[Tensor], code: Tensor, near: Tensor) -> Tensor:
        imitating = F.mse_loss(h[0], code) + F.mse_loss(h[1], code) + F.mse_loss(h[0], h[1])
        graphs = sum(F.mse_loss(cosines(h[i], h[j]), near) for i, j in ((0, 1), (0, 0), (1, 1)))
        return imitating + self.w_hash * graphs


class Joint(nn.Module):
    """The network that sees both views: (x_I, x_T), S -> (H_I, H_T), H, restored views.

    Each view is embedded and passed over the graph S; both together are passed over the graph in
    which a pair's image and text are neighbours too. ``features`` are the widths of the views.
    """

    def __init__(self, features: tuple[int, int], width: int, bits: int) -> None:
        super().__init__()

        def block(inputs: int, outputs: int, *after: nn.Module) -> nn.Sequential:
            return nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), *after)

        self.embed = nn.ModuleList(block(d, width, nn.ReLU()) for d in features)
        self.spread = nn.ModuleList(nn.Linear(width, width) for _ in features)
        self.settle = nn.ModuleList(nn.BatchNorm1d(width) for _ in features)
        self.cross, self.cross_settle = nn.Linear(width, width), nn.BatchNorm1d(width)
        self.own = nn.ModuleList(block(2 * width, bits) for _ in features)
        self.common, self.fuse = block(width, bits), block(3 * bits, bits, nn.Tanh())
        self.restore = nn.ModuleList(
            nn.Sequential(block(bits, width, nn.ReLU()), block(width, d)) for d in features
        )

    def forward(self, x: list[Tensor], near: Tensor) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        v = [F.normalize(net(view)) for net, view in zip(self.embed, x, strict=True)]
        g = [
            F.relu(settle(near @ spread(view)))
            for settle, spread, view in zip(self.settle, self.spread, v, strict=True)
        ]
        image, text = self.cross(v[0]), self.cross(v[1])
        crossed = self.cross_settle(torch.cat([near @ image + text, image + near @ text]))
        joint = F.relu(crossed[: len(image)] + crossed[len(image) :])
        views = [
            self.own[0](torch.cat([g[0], joint], dim=1)),
            self.own[1](torch.cat([joint, g[1]], dim=1)),
        ]
        both = self.fuse(torch.cat([views[0], self.common(joint), views[1]], dim=1))
        restored = [net(both + torch.tanh(h)) for net, h in zip(self.restore, views, strict=True)]
        return views, both, restored


def hash_function(features: int, hidden: int, bits: int) -> nn.Sequential:
    """Unit rows, one hidden layer, tanh; the last layer starts from N(0, 1)."""
    last = nn.Linear(hidden, bits)
    nn.init.normal_(last.weight)
    first = nn.Linear(features, hidden)
    return nn.Sequential(UnitRows(), first, nn.ReLU(), nn.Dropout(0.3), last, nn.Tanh())


def similarities(
    x1: Tensor, x2: Tensor, image_share: float, mixed_share: float, cut: float
) -> Tensor:
    """S = a2 S_1 + (1 - a2) S_2 of all pairs, (n, n).

    S_1 = a1 cos(image) + (1 - a1) cos(text), its ``cut`` smallest entries by row being 0;
    S_2 = 2 / (1 + exp(-S_1)) - 1 + I, made symmetric.
    """
    s1 = image_share * cosines(x1, x1) + (1 - image_share) * cosines(x2, x2)
    smallest = int(cut * len(s1))
    if smallest:
        s1.scatter_(1, s1.topk(smallest, dim=1, largest=False).indices, 0.0)
    s2 = torch.tanh(s1 / 2)
    s2.diagonal().add_(1.0)
    return mixed_share * s1 + (1 - mixed_share) * (s2 + s2.T) / 2


def mixed(x: Tensor, near: Tensor) -> Tensor:
    """0.7 of each row, 0.2 of its second nearest and 0.1 of its third nearest row of the batch.

    The nearest other row has no part, as in the authors' code.
    """
    others = near.clone().fill_diagonal_(float("-inf"))
    ranks = others.topk(min(3, len(x)), dim=1).indices
    return 0.7 * x + 0.2 * x[ranks[:, min(1, len(x) - 1)]] + 0.1 * x[ranks[:, -1]]
