"""DJSRH: deep joint-semantics reconstructing hashing, on given features.

Su, Zhong, Zhang, "Deep Joint-Semantics Reconstructing Hashing for Large-Scale Unsupervised
Cross-Modal Retrieval", ICCV 2019.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep
from pipeline.methods._deep import cosines


class DJSRH(_deep.TwoNetHasher):
    """Codes whose cosines reconstruct a joint-semantics matrix S of the mini-batch.

    The image head is linear, the text head has one hidden layer; codes are tanh(a h), where the
    slope a grows with the epoch (a continuation of sign). Defaults are the authors' for MIR-Flickr.
    The authors fine-tune AlexNet under the image head and take S_1 from a frozen copy of it; with
    given features the backbone is frozen, and both are the features themselves.

    The one departure: features are centred. The authors' are sparse (FC7 after its ReLU); the
    cosines of dense non-negative features are all near 1, and S would be almost constant.
    ``center=False`` is the authors' way. On validation queries (``benchmarks/selection.py``, 16
    bits, i2t and t2i) centring gives .421 for .388 on synth and .186 for .153 on Wikipedia.

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

    def __init__(
        self,
        bits: int,
        seed: int,
        *,
        epochs: int = 80,
        batch_size: int = 32,
        hidden: int = 4096,
        lr_image: float = 1e-3,
        lr_text: float = 1e-2,
        beta: float = 0.9,
        eta: float = 0.4,
        mu: float = 1.5,
        intra: float = 0.1,
        center: bool = True,
        device: str = "auto",
    ) -> None:
        self.bits, self.seed, self.device = bits, seed, device
        self.epochs, self.batch_size, self.hidden = epochs, batch_size, hidden
        self.lr_image, self.lr_text = lr_image, lr_text
        self.beta, self.eta, self.mu, self.intra = beta, eta, mu, intra
        self.center = center

    def _train(self, image: Tensor, text: Tensor, generator: torch.Generator) -> None:
        prepare = [_deep.Standardize(x) if self.center else nn.Identity() for x in (image, text)]
        x1, x2 = prepare[0](image), prepare[1](text)
        head1 = nn.Linear(x1.shape[1], self.bits).to(x1.device)
        head2 = _deep.mlp(x2.shape[1], self.hidden, self.bits).to(x2.device)

        def loss(rows: Tensor, epoch: int) -> Tensor:
            slope = (epoch + 1) ** 0.5
            target = joint_semantics(x1[rows], x2[rows], beta=self.beta, eta=self.eta, mu=self.mu)
            code1, code2 = torch.tanh(slope * head1(x1[rows])), torch.tanh(slope * head2(x2[rows]))
            return reconstruction_loss(code1, code2, target, self.intra)

        _deep.descend(
            loss,
            optimizer(head1, head2, self.lr_image, self.lr_text),
            generator,
            n=len(x1),
            epochs=self.epochs,
            batch_size=self.batch_size,
            report=self.report,
        )
        self.image_net_, self.text_net_ = (
            nn.Sequential(first, head) for first, head in zip(prepare, (head1, head2), strict=True)
        )


def optimizer(head1: nn.Module, head2: nn.Module, lr1: float, lr2: float) -> torch.optim.SGD:
    """The authors' SGD, a learning rate for each head."""
    groups = [
        {"params": head1.parameters(), "lr": lr1},
        {"params": head2.parameters(), "lr": lr2},
    ]
    return torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4, fused=True)


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
