"""LDR: real-valued disentangled representations by mutual-information estimation.

Guo, Huang, Zhang, Srivastava, Shen et al., "Learning Disentangled Representation for Cross-Modal
Retrieval with Deep Mutual Information Estimation", ACM Multimedia 2019.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep


@dataclass(eq=False, kw_only=True)
class LDR(_deep.TwoNetHasher):
    """A shared representation of both views, kept informative and free of what one view alone has.

    A re-implementation from the published abstract. Symbols: s_m = shared representation of view m,
    a unit vector of ``bits`` floats; e_m = its exclusive representation. In the first stage

      min  ranking(s_1, s_2) - informative sum_m I(x_m; s_m);

    in the second an expelling branch takes up what is exclusive,

      min  ranking(s_1, s_2) - informative sum_m I(x_m; s_m, e_m) + disentangled sum_m I(s_m; e_m).

    Every I is the Jensen-Shannon bound by a critic that tells true from shuffled couples of the
    mini-batch; the critics of the last term play against the encoders.

    Theirs: two stages, shared and exclusive representations, the three kinds of information.

    Ours: all sizes, weights and rates, the hinge over all negatives of the batch, networks with one
    hidden layer.

    Not known: all that the abstract does not say; no code is public.

    epochs         passes of each of the two stages
    batch_size     rows of a mini-batch
    hidden         width of the encoders' hidden layer; critic_hidden of the critics'
    exclusive      length of e_m
    lr             learning rate of Adam
    margin         of the ranking
    informative    weight of I(x; s), then of I(x; s, e)
    disentangled   weight of I(s; e)
    """

    real_valued: ClassVar[bool] = True

    epochs: int = 10
    batch_size: int = 128
    hidden: int = 1024
    critic_hidden: int = 256
    exclusive: int = 128
    lr: float = 2e-4
    margin: float = 0.2
    informative: float = 0.1
    disentangled: float = 0.1

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        views = [x1, x2]
        length = self.bits + self.exclusive
        shared = heads(views, self.hidden, self.bits)
        expelled = heads(views, self.hidden, self.exclusive)
        critics = heads(views, self.critic_hidden, 1, extra=self.bits)
        joint_critics = heads(views, self.critic_hidden, 1, extra=length)
        reversed_critics = [_deep.mlp(length, self.critic_hidden, 1).to(x1.device) for _ in views]

        def outputs(nets: list[nn.Module], rows: Tensor) -> list[Tensor]:
            return [net(x[rows]) for net, x in zip(nets, views, strict=True)]

        def first(rows: Tensor, epoch: int) -> Tensor:
            s = [F.normalize(h) for h in outputs(shared, rows)]
            information = sum(map(js_information, critics, [x[rows] for x in views], s))
            return ranking_loss(s[0] @ s[1].T, self.margin) - self.informative * information

        def second(rows: Tensor, epoch: int) -> Tensor:
            s = [F.normalize(h) for h in outputs(shared, rows)]
            e = outputs(expelled, rows)
            both = [torch.cat(parts, dim=1) for parts in zip(s, e, strict=True)]
            information = sum(map(js_information, joint_critics, [x[rows] for x in views], both))
            played = map(js_information, reversed_critics, map(reversed_, s), map(reversed_, e))
            ranking = ranking_loss(s[0] @ s[1].T, self.margin)
            return ranking - self.informative * information - self.disentangled * sum(played)

        def descend(loss: Callable[[Tensor, int], Tensor], nets: list[nn.Module]) -> None:
            optimizer = _deep.adam(*nets, lr=self.lr)
            self._descend(loss, optimizer, generator, len(x1), stage=loss.__name__)

        descend(first, shared + critics)
        descend(second, shared + expelled + joint_critics + reversed_critics)
        return shared[0], shared[1]

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        """Unit vectors, float32 (n, bits)."""
        return unit(_deep.outputs(self.image_net_, x, self.device_))

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        """Unit vectors, float32 (n, bits)."""
        return unit(_deep.outputs(self.text_net_, x, self.device_))


def heads(views: list[Tensor], hidden: int, out: int, extra: int = 0) -> list[nn.Module]:
    """One network for each view, of its features and ``extra`` more, to ``out``."""
    return [_deep.mlp(x.shape[1] + extra, hidden, out).to(x.device) for x in views]


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length 1, so that Euclidean order is cosine order; a row of zeros stays."""
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm > 0, norm, 1)


def ranking_loss(similarity: Tensor, margin: float) -> Tensor:
    """Hinge of every wrong partner against the right one, both ways; (b, b), pairs on the diagonal.

    Summed over the wrong partners of a row or column, mean over these.
    """
    pair = similarity.diagonal()
    wrong = 1 - torch.eye(len(pair), device=pair.device)
    rows = F.relu(margin + similarity - pair[:, None]) * wrong
    columns = F.relu(margin + similarity - pair[None, :]) * wrong
    return (rows + columns).sum() / len(pair)


def js_information(critic: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    """Jensen-Shannon bound on I(a; b): E_true[-softplus(-T)] - E_shuffled[softplus(T)]; scalar.

    a (n, d), b (n, e): true couples row by row, shuffled ones by a shift (batches are in random
    order); at most 0, and -2 log 2 for a critic that cannot tell.
    """
    true = critic(torch.cat([a, b], dim=1))
    shuffled = critic(torch.cat([a, b.roll(1, dims=0)], dim=1))
    return -F.softplus(-true).mean() - F.softplus(shuffled).mean()


def reversed_(x: Tensor) -> Tensor:
    """``x`` itself, but gradients come back negated: what a critic gains, the encoder loses."""
    return 2 * x.detach() - x
