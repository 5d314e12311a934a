"""DJSRH: deep joint-semantics reconstructing hashing, on given features.

Su, Zhong, Zhang, "Deep Joint-Semantics Reconstructing Hashing for Large-Scale Unsupervised
Cross-Modal Retrieval", ICCV 2019.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep
from pipeline.methods._deep import cosines
from pipeline.methods._parameters import Share
from pipeline.methods._views import warn_if_narrow


@dataclass(eq=False, kw_only=True)
class DJSRH(_deep.TwoNetHasher):
    """Codes whose cosines reconstruct a joint-semantics matrix S of the mini-batch.

    The image head is linear, the text head has one hidden layer; codes are tanh(a h), where the
    slope a grows with the epoch (a continuation of sign).

    Theirs: networks, similarity, loss and all defaults, for MIR-Flickr.

    Ours: the authors fine-tune AlexNet under the image head and take S_1 from a frozen copy of it;
    with given features the backbone is frozen, and both are the features themselves. Features are
    centred. The authors' are sparse (FC7 after its ReLU); the
    cosines of dense non-negative features are all near 1, and S would be almost constant.
    ``center=False`` is the authors' way. On validation queries (``benchmarks/selection.py``, 16
    bits, i2t and t2i) centring gives .421 for .388 on synth and .186 for .153 on Wikipedia.

    Not known: nothing that matters.

    epochs        passes over the training set
    batch_size    rows of a mini-batch, and so of S
    hidden        width of the text head
    lr_image      learning rate of the image head; lr_text of the text head
    beta          share of the image view in S~ (text: 1 - beta)
    eta           share of the second-order term in S
    mu            scale of S
    intra         weight lambda of the two within-view terms
    center        whether features are centred (and brought to unit rms) first
    """

    epochs: int = 80
    batch_size: int = 32
    hidden: int = 4096
    lr_image: float = 1e-3
    lr_text: float = 1e-2
    beta: Share = 0.9
    eta: Share = 0.4
    mu: float = 1.5
    intra: float = 0.1
    center: bool = True

    def _prepare(self, x: Tensor) -> nn.Module:
        return super()._prepare(x) if self.center else nn.Identity()

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        heads = linear_and_hidden("DJSRH", x1, x2, self.hidden, self.bits)

        def loss(rows: Tensor, epoch: int) -> Tensor:
            batch = x1[rows], x2[rows]
            target = joint_semantics(*batch, beta=self.beta, eta=self.eta, mu=self.mu)
            return reconstruction_loss(*relaxed_codes(heads, batch, epoch), target, self.intra)

        optimizer = _deep.sgd(*heads, lr=(self.lr_image, self.lr_text))
        self._descend(loss, optimizer, generator, len(x1))
        return heads


def linear_and_hidden(
    method: str, x1: Tensor, x2: Tensor, hidden: int, bits: int
) -> tuple[nn.Module, nn.Module]:
    """The authors' networks: one layer for images, two for texts.

    The log says, naming ``method``, when the images have a smaller rank than there are bits.
    """
    warn_if_narrow(method, bits, x1.cpu().double().numpy())
    return _deep.head(x1, bits), _deep.head(x2, hidden, bits)


def relaxed_codes(
    heads: _deep.Pair, batch: tuple[Tensor, Tensor], epoch: int
) -> tuple[Tensor, Tensor]:
    """tanh(a h) of both views with a = sqrt(epoch + 1), which nears the sign; each (n, bits)."""
    code1, code2 = (
        torch.tanh((epoch + 1) ** 0.5 * head(x)) for head, x in zip(heads, batch, strict=True)
    )
    return code1, code2


def joint_semantics(x1: Tensor, x2: Tensor, *, beta: float, eta: float, mu: float) -> Tensor:
    """S = mu ((1 - eta) S~ + eta S~ S~' / n) with S~ = beta S_1 + (1 - beta) S_2; (n, n).

    S_m = 2 cos(x_m, x_m) - 1, which stretches cosines in [0, 1] to [-1, 1].
    """
    fused = beta * (2 * cosines(x1, x1) - 1) + (1 - beta) * (2 * cosines(x2, x2) - 1)
    return mu * ((1 - eta) * fused + eta * fused @ fused.T / len(fused))


def reconstruction_loss(code1: Tensor, code2: Tensor, target: Tensor, intra: float) -> Tensor:
    """Squared error between the cosines of the codes and S, across and (weighted) within views."""
    across = F.mse_loss(cosines(code1, code2), target)
    within1 = F.mse_loss(cosines(code1, code1), target)
    within2 = F.mse_loss(cosines(code2, code2), target)
    return across + intra * (within1 + within2)
