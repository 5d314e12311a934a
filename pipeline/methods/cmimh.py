"""CMIMH: cross-modal hashing by maximising mutual information (Hoang et al., TNNLS 34(9), 2023).

The paper's names: z are the logits that an encoder gives, p = sigmoid(z) its Bernoulli means, b
codes sampled from them, T = g_v' g_t the critic of Eq. 5, D the classifier of Eq. 11.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from pipeline.methods import _deep, _diagnosis, _partners
from pipeline.methods._epochs import Training
from pipeline.methods._parameters import CountFrom0, Share, ShareBelow1
from pipeline.methods._views import explainable
from pipeline.seeds import derive

INIT_LOGIT_STD = 3.0  # bits that start undecided are noise to the decoders
MAX_GRADIENT_NORM = 1.0  # of the encoders: what a gap weight in force too early would exceed
SAMPLE = 4096  # rows that statistics of a view are taken from
#: what encoders see and decoders restore of both views, and what counts as joint (``terms``)
Batch = tuple[Sequence[Tensor], Sequence[Tensor], Tensor | None]
Batches = Callable[[Tensor], Batch]
HINT = "a smaller w_gap or another lr is needed"  # after a collapse


@dataclass(eq=False, kw_only=True)
class CMIMH(_deep.TwoNetHasher):
    """Cross-Modal Info-Max Hashing: Eq. 14 and nothing else.

    critic       what the critic sees: 'mean' (Bernoulli means) or a number of sampled pairs
    w_*          weights of Eq. 14's terms, pure ratios; 0 leaves a term out. w_intra is 1 in the
                 paper; its unit is the error that this many bits can explain, on average over both
                 views; gap and balance count by the bit
    min_steps    fewer pairs make more epochs, until there are so many mini-batches
    lr           rate of the encoders; lr_critic of critics and classifiers; lr_decoder of decoders
    weight_decay of the encoders: the other networks measure, and are to measure as well as they can
    gap_warmup   share of the epochs over which w_gap grows from 0
    hidden       width of encoders and decoders; critic_hidden of critics and classifiers
    on_collapse  'raise' a CollapseError, or 'warn' and mark the codes (for ablations)

    Theirs: the objective, term by term; batch size.

    Ours: weights, rates, sizes, units of the terms, schedule and the guard against collapse
    (docs/cmimh.md says how each was chosen).

    Not known: the authors' constants and schedule; no code is public.

    After ``fit``: history_, a record per epoch; collapsed_, what is wrong with the codes, or ''.
    """

    epochs: int = 40
    batch_size: int = 128
    critic: Literal["mean"] | int = "mean"
    w_intra: float = 1.0
    w_inter: float = 1.0
    w_gap: float = 10.0
    w_tc: float = 0.0033
    w_balance: float = 0.32
    min_steps: CountFrom0 = 500
    lr: float = 0.2
    lr_critic: float = 0.01
    lr_decoder: float = 0.0003
    momentum: ShareBelow1 = 0.9
    weight_decay: float = 0.002
    gap_warmup: Share = 1.0
    hidden: int = 1024
    critic_hidden: int = 512
    on_collapse: Literal["raise", "warn"] = "raise"

    def _batches(self, x: Sequence[Tensor], generator: torch.Generator) -> Batches:
        """By rows of x (n, d_v), (n, d_t): what encoders see, decoders restore, and ``joint``."""

        def batch(rows: Tensor) -> Batch:
            pairs = [view[rows] for view in x]
            return pairs, pairs, None

        return batch

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        kept, watching = _partners.held_out(len(x1), generator)
        x, watched = ([view[rows] for view in (x1, x2)] for rows in (kept, watching))
        some, batch = [view[:SAMPLE] for view in x], self._batches(x, generator)
        _, restored, _ = batch(torch.arange(len(some[0])))
        # I_intra counts in units of the error that so many bits can explain, mean over the views
        unit = fmean(explainable(view.cpu().numpy(), self.bits) for view in restored)
        nets = Networks(self, [view.shape[1] for view in x], generator).to(x1.device)
        for encoder, view in zip(nets.encoder, some, strict=True):
            _deep.spread_outputs(encoder, view, INIT_LOGIT_STD)  # bits balanced and decided
        optimizer = self._optimizer(nets, unit)
        steps = -(-len(kept) // self.batch_size)
        epochs = max(self.epochs, -(-self.min_steps // steps))

        def step(rows: Tensor, progress: float) -> dict[str, Tensor]:
            seen, restored, joint = batch(rows)
            terms = self.terms(nets, seen, restored, generator, joint)
            warm = min(1.0, progress / self.gap_warmup) if self.gap_warmup else 1.0
            total = self.objective(terms, unit, warm)
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(nets.encoder.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()
            return {name: value.detach() for name, value in (terms | {"loss": total}).items()}

        training = Training(self, nets, optimizer, generator, x)
        self.history_ = training.run(
            epochs, steps, step, lambda: _partners.watch(nets.means(watched))
        )
        nets.requires_grad_(False)
        self.critics_ = nets.critic
        p = nets.means(some)
        self.collapsed_ = _partners.collapse_report(p, self.history_, self.on_collapse, HINT)
        return nets.encoder[0], nets.encoder[1]

    def objective(self, terms: dict[str, Tensor], unit: float, warm: float = 1.0) -> Tensor:
        """Eq. 14, to be minimised, and D's own loss, whose gradient reaches D alone."""
        return (
            self.w_intra * terms["intra"] / unit
            - self.w_inter * terms["bound"]
            + self.w_gap * warm * terms["gap"] / self.bits
            + self.w_tc * terms["tc"]
            + self.w_balance * terms["balance"] / self.bits
            + terms["classifier"]
        )

    def terms(
        self,
        nets: "Networks",
        x: Sequence[Tensor],
        targets: Sequence[Tensor],
        generator: torch.Generator,
        joint: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The terms of Eq. 14 on a mini-batch; those of weight 0 that cost anything are 0.

        x, targets  what encoders see and decoders restore of the two views, (B, d_v) and (B, d_t)
        joint       (B, B), rows summing to 1: what counts as joint in Eq. 5; None: true pairs alone
        """
        z = [encoder(view) for encoder, view in zip(nets.encoder, x, strict=True)]
        p = [torch.sigmoid(logits) for logits in z]
        intra = bound = tc = classifier = torch.zeros((), device=p[0].device)
        if self.w_intra:
            for target, means, decoder in zip(targets, p, nets.decoder, strict=True):
                restored = decoder(signed(sample(means, generator)))
                intra = intra + reconstruction_error(target, restored)
        if self.w_inter:
            draws = 0 if self.critic == "mean" else self.critic
            for b in [[sample(means, generator) for means in p] for _ in range(draws)] or [p]:
                bound = bound + jensen_shannon_bound(nets.critic, b, joint) / max(draws, 1)
        if self.w_tc:
            for d, means in zip(nets.classifier, p, strict=True):
                tc = tc + total_correlation(d, means)
                classifier = classifier + _deep.ratio_loss(d, signed(means.detach()), generator)
        return {
            "intra": intra,
            "bound": bound,
            "gap": symmetrised_kl(*z),
            "tc": tc,
            "classifier": classifier,
            "balance": imbalance(p[0]) + imbalance(p[1]),
            "mean_abs": (torch.cat(p) - 0.5).abs().mean(),
        }

    def _optimizer(self, nets: "Networks", unit: float) -> torch.optim.Optimizer:
        """SGD in which a network that occurs in one term learns at its rate, whatever the weight.

        Decoders then descend on the squared error summed over features, critics on the bound.
        """
        groups = _deep.by_width(nets.encoder, self.lr, weight_decay=self.weight_decay)
        groups += _deep.by_width(nets.classifier, self.lr_critic)
        groups += _deep.by_width(nets.critic, self.lr_critic / (self.w_inter or 1))
        for decoder in nets.decoder:
            summed = decoder[-1].out_features * unit / (self.w_intra or 1)
            groups += _deep.by_width(decoder, self.lr_decoder * summed)
        return torch.optim.SGD(groups, momentum=self.momentum, fused=True)

    def _means(self, net: nn.Module, x: np.ndarray) -> Tensor:
        """The Bernoulli means p (n, bits) of one view's features."""
        return torch.sigmoid(torch.from_numpy(_deep.outputs(net, x, self.device_)))

    def diagnose(self, image: np.ndarray, text: np.ndarray) -> dict[str, np.ndarray]:
        """tc_* (nats), p_histogram_* (50 bins, shares), mean_abs, mi_bound, partners, collapsed."""
        generator = torch.Generator().manual_seed(derive(self.seed, "CMIMH", "diagnose"))
        p = [self._means(self.image_net_, image), self._means(self.text_net_, text)]
        some = [view[:SAMPLE].to(self.device_) for view in p]
        found = _diagnosis.of_means(p, self.critic_hidden, generator) | {
            "mi_bound": float(jensen_shannon_bound(self.critics_, some)),
            "partners": self.history_[-1]["partners"],
            "collapsed": bool(self.collapsed_),
        }
        return {name: np.asarray(value, np.float64) for name, value in found.items()}


class Networks(nn.Module):
    """Encoders, decoders, critics and classifiers; of each the first is the image's."""

    def __init__(self, of: CMIMH, features: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        bits, hidden, width = of.bits, of.hidden, of.critic_hidden

        def nets(gain: float, activation: type[nn.Module], *shapes: Sequence[int]) -> nn.ModuleList:
            return nn.ModuleList(_deep.he_mlp(s, activation, gain, generator) for s in shapes)

        # Decoders start near the mean and D near 1/2. The critic's outputs start at length 1, so T
        # within -1..1: at its natural size the first step would throw every bit to one side.
        self.encoder = nets(1.0, nn.ReLU, *[(d, hidden, hidden, bits) for d in features])
        self.decoder = nets(0.1, nn.ReLU, *[(bits, hidden, hidden, d) for d in features])
        self.critic = nets(width**-0.5, nn.LeakyReLU, *[(bits, width, width, width)] * 2)
        self.classifier = nets(0.1, nn.LeakyReLU, *[(bits, width, width, 1)] * 2)

    @torch.no_grad()
    def means(self, x: Sequence[Tensor]) -> list[Tensor]:
        """The Bernoulli means of both views."""
        return [torch.sigmoid(e(view)) for e, view in zip(self.encoder, x, strict=True)]


# The terms, on p, b or z (B, L) and x (B, d) of a mini-batch.


def sample(p: Tensor, generator: torch.Generator) -> Tensor:
    """b = 1[logit(p) + log u - log(1 - u) > 0], u ~ U(0, 1), gradient straight to p (Eq. 4)."""
    u = torch.rand(p.shape, generator=generator).to(p.device)
    b = (u > 1 - p).to(p.dtype)  # the same condition without the logarithms
    return b + (p - p.detach())


def signed(p: Tensor) -> Tensor:
    """0..1 to -1..1: what a first layer could do itself, but better conditioned."""
    return 2 * p - 1


def reconstruction_error(x: Tensor, restored: Tensor) -> Tensor:
    """-log p(x | b) of a Gaussian decoder, up to constants (Eq. 2, 3): mean squared error."""
    return (x - restored).square().mean()


def jensen_shannon_bound(
    g: Sequence[nn.Module], p: Sequence[Tensor], joint: Tensor | None = None
) -> Tensor:
    """E_joint[-softplus(-T)] - E_product[softplus(T)], T = g_v(p_v)' g_t(p_t) (Eq. 5).

    The off-diagonal pairs of the mini-batch stand for the product of the marginals; true pairs, or
    all pairs by the weights ``joint`` (B, B), for the joint distribution.
    """
    t = g[0](signed(p[0])) @ g[1](signed(p[1])).T
    size, true = len(t), t.diagonal()
    alike = -softplus(-true).sum() if joint is None else -(joint * softplus(-t)).sum()
    return alike / size - (softplus(t).sum() - softplus(true).sum()) / (size * max(size - 1, 1))


def symmetrised_kl(z_v: Tensor, z_t: Tensor) -> Tensor:
    """(KL(p_v, p_t) + KL(p_t, p_v)) / 2 of a pair, summed over bits (Eq. 6, 7).

    Both directions add up to (p_v - p_t)(z_v - z_t), exactly and without logarithms of 0.
    """
    return ((torch.sigmoid(z_v) - torch.sigmoid(z_t)) * (z_v - z_t)).sum(dim=1).mean() / 2


def total_correlation(d: nn.Module, p: Tensor) -> Tensor:
    """E[log D - log(1 - D)] (Eq. 11, 12), the mean of D's logit in nats; no gradient reaches D."""
    frozen = {name: parameter.detach() for name, parameter in d.named_parameters()}
    return functional_call(d, frozen, signed(p)).mean()


def imbalance(p: Tensor) -> Tensor:
    """The sum over bits of abs(mean over the mini-batch of p - 1/2) (Eq. 13)."""
    return (p.mean(dim=0) - 0.5).abs().sum()
