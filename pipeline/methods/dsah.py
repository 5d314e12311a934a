"""DSAH: deep semantic-alignment hashing, on given features.

Yang, Wu, Zhang, Zhang, Li, Wang, "Deep Semantic-Alignment Hashing for Unsupervised Cross-Modal
Retrieval", ICMR 2020.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep
from pipeline.methods._deep import cosines
from pipeline.methods._parameters import Share
from pipeline.methods.djsrh import joint_semantics, linear_and_hidden, relaxed_codes


@dataclass(eq=False, kw_only=True)
class DSAH(_deep.TwoNetHasher):
    """Codes aligned with the features' similarity, from which the other view can be restored.

    With c_m the relaxed codes of view m and S = scale (beta S_1 + (1 - beta) S_2) of a mini-batch,
    S_m = 2 cos - 1 as in DJSRH but without a second-order term, the loss is

        MSE(cos(c_1, c_2), S) + intra (MSE(cos(c_1, c_1), S) + MSE(cos(c_2, c_2), S))
        + MSE(diagonal of cos(c_1, c_2), scale) + MSE(cos(c_1, c_2), its transpose)
        + eta (MSE(D_1 c_1, x_2) + MSE(D_2 c_2, x_1))

    with a linear map D_m from a view's code to the other view's features.

    Theirs: the terms of the loss; scale, eta, lr, batch_size, for MIR-Flickr.

    Ours: networks, slope of the codes and centred features of ``djsrh``; the last epoch, where they
    keep the one that is best on test queries.

    Not known: beta, intra and epochs, here as in DJSRH, on which the authors' code builds; the form
    of D_m, here linear; the weights of the two terms about true pairs, here 1.

    epochs      passes over the training set
    batch_size  rows of a mini-batch, and so of S
    hidden      width of the text head
    lr          learning rate of both heads and of D_m
    beta        share of the image view in S
    scale       K of the paper
    intra       weight of the within-view terms
    eta         weight of the cross-reconstruction
    """

    epochs: int = 80
    batch_size: int = 32
    hidden: int = 4096
    lr: float = 5e-3
    beta: Share = 0.9
    scale: float = 1.5
    intra: float = 0.1
    eta: float = 0.1

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        heads = linear_and_hidden("DSAH", x1, x2, self.hidden, self.bits)
        restore = [nn.Linear(self.bits, x.shape[1]).to(x.device) for x in (x2, x1)]

        def loss(rows: Tensor, epoch: int) -> Tensor:
            batch = x1[rows], x2[rows]
            codes = relaxed_codes(heads, batch, epoch)
            target = joint_semantics(*batch, beta=self.beta, eta=0.0, mu=self.scale)
            aligned = alignment_loss(*codes, target, self.scale, self.intra)
            restored = sum(
                F.mse_loss(net(code), other)
                for net, code, other in zip(restore, codes, reversed(batch), strict=True)
            )
            return aligned + self.eta * restored

        optimizer = _deep.sgd(*heads, *restore, lr=[self.lr] * 4)
        self._descend(loss, optimizer, generator, len(x1))
        return heads


def alignment_loss(
    code1: Tensor, code2: Tensor, target: Tensor, scale: float, intra: float
) -> Tensor:
    """Cosines of the codes (b, bits) against ``target`` (b, b), its pairs, and their transpose."""
    across = cosines(code1, code2)
    within = sum(F.mse_loss(cosines(code, code), target) for code in (code1, code2))
    pairs = (across.diagonal() - scale).square().mean()
    return F.mse_loss(across, target) + intra * within + pairs + F.mse_loss(across, across.T)
