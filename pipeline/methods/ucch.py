"""UCCH: unsupervised contrastive cross-modal hashing, on given features.

Hu, Zhu, Lin, Peng, Zhao, Peng, "Unsupervised Contrastive Cross-Modal Hashing", IEEE TPAMI 2023.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep
from pipeline.methods._layers import UnitRows
from pipeline.methods._parameters import Positive, Share


@dataclass(eq=False, kw_only=True)
class UCCH(_deep.TwoNetHasher):
    """Contrast each view with the signs of a memory of joint codes; rank across the views.

    Symbols: v1, v2 = L2-normalised tanh outputs of the two networks; m_i = memory of pair i, a unit
    vector.

    Theirs: both losses, the memory, all other defaults, for MIR-Flickr.

    Ours: for the cost's sake networks are 1,024 wide instead of 8,192, and the K negatives are
    drawn once for a batch, not once for each of its rows; the last epoch, where they keep the best
    on labels of the database.

    Not known: nothing that matters.

    epochs       passes over the training set; in the first the batch itself is the memory
    batch_size   rows of a mini-batch
    hidden       width of the networks: three layers for images, two for texts
    lr           learning rate of Adam
    negatives    K, entries of the memory that a batch is contrasted with
    momentum     share of the old memory in the new
    temperature  of the contrast, times sqrt(bits), the norm of a sign vector
    alpha        weight of the contrast; 1 - alpha of the ranking
    margin       of the ranking loss: pairs within it of the true pair count in full
    shift        what the similarity of all others is lowered by
    """

    epochs: int = 20
    batch_size: int = 256
    hidden: int = 1024
    lr: float = 1e-4
    negatives: int = 4096
    momentum: Share = 0.4
    temperature: Positive = 0.9
    alpha: Share = 0.7
    margin: float = 0.2
    shift: float = 0.1

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        net1 = nn.Sequential(
            _deep.head(x1, self.hidden, self.hidden, self.bits), nn.Tanh(), UnitRows()
        )
        net2 = nn.Sequential(_deep.head(x2, self.hidden, self.bits), nn.Tanh(), UnitRows())
        memory = F.normalize(torch.randn(len(x1), self.bits, generator=generator).sign())
        memory = memory.to(x1.device)
        temperature = self.temperature * math.sqrt(self.bits)

        def loss(rows: Tensor, epoch: int) -> Tensor:
            v1, v2 = net1(x1[rows]), net2(x2[rows])
            drawn = torch.randint(len(memory), (self.negatives,), generator=generator)
            if epoch == 0:
                positive = others = F.normalize(v1 + v2).detach()
                own = torch.eye(len(rows), dtype=torch.bool, device=v1.device)
            else:
                positive, others, own = memory[rows], memory[drawn], None
            contrast = contrastive_loss(v1, positive, others, temperature, own)
            contrast = contrast + contrastive_loss(v2, positive, others, temperature, own)
            ranking = ranking_loss(v1 @ v2.T, self.margin, self.shift)
            remember(memory, rows, v1, v2, self.momentum if epoch else 0.0)
            return self.alpha * contrast + (1 - self.alpha) * ranking

        optimizer = _deep.adam(net1, net2, lr=self.lr, weight_decay=1e-6)
        optimizer.register_step_pre_hook(clip)
        self._descend(loss, optimizer, generator, len(x1))
        return net1, net2


def clip(optimizer: torch.optim.Optimizer, *_: object) -> None:
    """Scale the gradient down to norm 1, as the authors do before every step."""
    nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], max_norm=1.0)


def contrastive_loss(
    v: Tensor, positive: Tensor, others: Tensor, temperature: float, own: Tensor | None = None
) -> Tensor:
    """InfoNCE of codes v (b, bits) with the SIGN of their own memory against that of others.

    positive  (b, bits), row i belongs to v_i;  others  (K, bits);  own  (b, K), which of the others
    are a row's own entry and no negatives of it
    """
    true = (v * positive.sign()).sum(dim=1, keepdim=True)
    against = v @ others.sign().T
    if own is not None:
        against = against.masked_fill(own, float("-inf"))
    logits = torch.cat([true, against], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(v), dtype=torch.long, device=v.device))


def ranking_loss(similarity: Tensor, margin: float, shift: float) -> Tensor:
    """Cross-modal ranking: log-sum-exp of the rivals minus the pair; (b, b), pairs on the diagonal.

    The rivals of a pair, row- and column-wise, count in full if they come within ``margin`` of it;
    the similarity of the others is lowered by ``shift``.
    """
    return _ranking_of_rows(similarity, margin, shift) + _ranking_of_rows(
        similarity.T, margin, shift
    )


def _ranking_of_rows(similarity: Tensor, margin: float, shift: float) -> Tensor:
    pair = similarity.diagonal()
    near = similarity >= (pair[:, None] - margin)
    rivals = torch.where(near, similarity, similarity - shift)
    return (torch.logsumexp(rivals, dim=1) - pair + margin).mean()


@torch.no_grad()
def remember(memory: Tensor, rows: Tensor, v1: Tensor, v2: Tensor, momentum: float) -> None:
    """Move the memory of these pairs towards the mean direction of their codes, in place."""
    fresh = F.normalize((v1 + v2) / 2)
    memory[rows] = F.normalize(momentum * memory[rows] + (1 - momentum) * fresh)
