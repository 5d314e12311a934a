"""The terms of CMIMH's objective (Eq. 14), each a function that reads like its equation.

All work on S models at once and give one value per model, shape (S,).

x  (S, B, d)  features        b  (S, B, L)  sampled codes
p  (S, B, L)  Bernoulli means, z = logit(p)
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus


def sample(z: Tensor, u: Tensor) -> Tensor:
    """b = 1[z + log u - log(1 - u) > 0], u ~ U(0, 1); the gradient passes straight to p (Eq. 4).

    The condition is equal to u > 1 - p, which saves the logarithms.
    """
    p = torch.sigmoid(z)
    b = (u > 1 - p).to(p.dtype)
    return b + (p - p.detach())


def reconstruction_error(x: Tensor, decoded: Tensor) -> Tensor:
    """-log p(x | b) of a Gaussian decoder, up to constants (Eq. 2, 3): squared error per feature.

    The mean over features, not the sum: with features of unit mean square it is the unexplained
    share of the variance, whatever the number of features.
    """
    return (x - decoded).square().mean(dim=(1, 2))


def jensen_shannon_bound(g_image: Tensor, g_text: Tensor, joint: Tensor | None = None) -> Tensor:
    """E_joint[-softplus(-T)] - E_product[softplus(T)], T = g_image' g_text (Eq. 5).

    g_*    (S, B, c): row i of both is a true pair; the off-diagonal pairs of the batch stand for
           the product of the marginals. -2 log 2 when T = 0 tells nothing, 0 at best.
    joint  (S, B, B), rows summing to 1: what stands for the joint distribution, if not the true
           pairs alone
    """
    t = torch.bmm(g_image, g_text.transpose(1, 2))
    size = t.shape[1]
    diagonal = t.diagonal(dim1=1, dim2=2)
    if joint is None:
        alike = -softplus(-diagonal).mean(dim=1)
    else:
        alike = -(joint * softplus(-t)).sum(dim=(1, 2)) / size
    product = (softplus(t).sum(dim=(1, 2)) - softplus(diagonal).sum(dim=1)) / (size * (size - 1))
    return alike - product


def symmetrised_kl(z_image: Tensor, z_text: Tensor) -> Tensor:
    """(KL(p, q) + KL(q, p)) / 2 of the pairs' Bernoulli distributions, summed over bits (Eq. 6, 7).

    The sum of both directions is (p - q)(logit p - logit q), exactly and without logarithms of 0.
    """
    gap = torch.sigmoid(z_image) - torch.sigmoid(z_text)
    return (gap * (z_image - z_text)).sum(dim=2).mean(dim=1) / 2


def permute_bits(p: Tensor, keys: Tensor) -> Tensor:
    """A sample of the product of the marginals: every bit permuted on its own over the batch.

    keys  like p, uniform: their order within each column is the permutation
    """
    return p.gather(1, keys.argsort(dim=1))


def total_correlation(d: Tensor) -> Tensor:
    """E[log D - log(1 - D)] in nats (Eq. 11, 12); d (S, B, 1) is the logit of D, so its mean."""
    return d.mean(dim=(1, 2))


def classifier_loss(d_joint: Tensor, d_product: Tensor) -> Tensor:
    """The logistic loss of D: joint samples are class 1, samples of the product class 0."""
    return (softplus(-d_joint).mean(dim=(1, 2)) + softplus(d_product).mean(dim=(1, 2))) / 2


def imbalance(p: Tensor) -> Tensor:
    """sum over bits of abs(mean over the batch of p - 1/2) (Eq. 13)."""
    return (p.mean(dim=1) - 0.5).abs().sum(dim=1)
