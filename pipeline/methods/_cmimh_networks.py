"""The networks of CMIMH and the value of its objective on one mini-batch, for S models at once."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from pipeline.methods import _cmimh_losses as losses
from pipeline.methods._stacked import StackedMlp

Draw = Callable[..., Tensor]  # shape -> uniform noise (S, *shape)


class Networks(nn.Module):
    """Encoders, decoders, critics and classifiers of S models; index 0 is image, 1 is text.

    features  widths of the two views        bits  code length L
    coder     hidden widths of the encoders (none: linear encoders)
    hidden    hidden width of the decoders   judge  hidden width of critics and classifiers
    """

    def __init__(
        self,
        models: int,
        features: tuple[int, int],
        bits: int,
        *,
        coder: Sequence[int],
        hidden: int,
        judge: int,
    ) -> None:
        super().__init__()

        def mlps(activation: Callable[[Tensor], Tensor], *shapes: Sequence[int]) -> nn.ModuleList:
            return nn.ModuleList(StackedMlp(models, shape, activation) for shape in shapes)

        self.encoder = mlps(relu, *((d, *coder, bits) for d in features))
        self.decoder = mlps(relu, *((bits, hidden, hidden, d) for d in features))
        self.critic = mlps(leaky_relu, *[(bits, judge, judge, judge)] * 2)
        self.classifier = mlps(leaky_relu, *[(bits, judge, judge, 1)] * 2)

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Encoders speak up; the others start quiet: decoders at the mean, T near 0, D near 1/2.

        The critic's outputs have length about 1, so T starts within -1..1. Left at its natural
        size T would start at tens, and the first step at the encoders' rate would throw it away.
        """
        width = self.critic[0].weights[-1].shape[2]
        spreads = {"encoder": 1.0, "decoder": 0.1, "critic": width**-0.5, "classifier": 0.1}
        for kind, spread in spreads.items():
            for mlp in getattr(self, kind):
                mlp.initialise(generators, spread)

    def select(self, model: int) -> "Networks":
        """A copy of one model's networks alone, as a stack of one, no longer trainable."""
        alone = copy.copy(self)
        alone._modules = {
            kind: nn.ModuleList(mlp.select(model) for mlp in mlps)
            for kind, mlps in self._modules.items()
        }
        return alone

    @torch.no_grad()
    def spread_logits(self, x: Sequence[Tensor], spread: float) -> None:
        """Shift and scale the encoders' last layer: on ``x`` every logit has mean 0 and ``spread``.

        So every bit starts balanced and says something about its input, whatever the features.
        """
        for encoder, view in zip(self.encoder, x, strict=True):
            z = encoder(view)
            scale = spread / z.std(dim=1, keepdim=True).clamp_min(1e-6)
            encoder.weights[-1].mul_(scale)
            encoder.biases[-1].sub_(z.mean(dim=1, keepdim=True)).mul_(scale)

    def objective(
        self,
        x: Sequence[Tensor],
        seen: Sequence[Tensor],
        weights: dict[str, Tensor],
        draw: Draw,
        samples: int,
        joint: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What to minimise (S,), and the value (S,) of every term that some model weighs,
        with the balance and mean abs(p - 1/2) always.

        x        the two views of the mini-batch, (S, B, d)
        seen     what the encoders see of them
        weights  name -> (S,); a term that no model weighs is not computed
        draw     the noise: shape -> uniform (S, *shape)
        samples  pairs of sampled codes that the critic sees; 0: it sees the Bernoulli means
        joint    (S, B, B), how much every combination of an image and a text counts as a joint
                 sample, rows summing to 1; None: true pairs alone do

        Its gradient by the encoders is that of Eq. 14. The other networks each appear in one term
        and learn by that alone, at their rate whatever its weight: decoders by the Gaussian
        log-likelihood (the squared error summed over features), critics by the bound, classifiers
        by their logistic loss.
        """
        z = [encoder(view) for encoder, view in zip(self.encoder, seen, strict=True)]
        p = [torch.sigmoid(logits) for logits in z]
        noise = draw((4, *z[0].shape[1:])).unbind(dim=1)
        terms, total = {}, torch.zeros(len(z[0]), device=z[0].device)
        if weights["intra"].any():
            errors = self._reconstruction(x, z, noise[:2], weights["intra"])
            terms["intra"] = errors[0] + errors[1]
            total = total + sum(e * view.shape[2] for e, view in zip(errors, x, strict=True))
        if weights["inter"].any():
            terms["bound"] = self._inter(z, p, draw, samples, joint, weights["inter"])
            total = total - terms["bound"]
        if weights["gap"].any():
            terms["gap"] = losses.symmetrised_kl(*z)
            total = total + weights["gap"] * terms["gap"]
        if weights["tc"].any():
            terms["tc"], terms["classifier"] = self._independence(p, noise[2:])
            total = total + weights["tc"] * terms["tc"] + terms["classifier"]
        terms["balance"] = losses.imbalance(p[0]) + losses.imbalance(p[1])
        if weights["balance"].any():
            total = total + weights["balance"] * terms["balance"]
        away = [(means.detach() - 0.5).abs().mean(dim=(1, 2)) for means in p]
        return total, terms | {"loss": total, "mean_abs": (away[0] + away[1]) / 2}

    def _reconstruction(
        self, x: Sequence[Tensor], z: Sequence[Tensor], u: Sequence[Tensor], weight: Tensor
    ) -> list[Tensor]:
        errors = []
        for view, logits, noise, decoder in zip(x, z, u, self.decoder, strict=True):
            b = signed(losses.sample(logits, noise))
            felt = scale_gradient(b, weight[:, None, None] / view.shape[2])
            errors.append(losses.reconstruction_error(view, decoder(felt)))
        return errors

    def _inter(
        self,
        z: Sequence[Tensor],
        p: Sequence[Tensor],
        draw: Draw,
        samples: int,
        joint: Tensor | None,
        weight: Tensor,
    ) -> Tensor:
        """The bound, on the means or averaged over sampled pairs; the encoders feel it weighed."""
        felt = weight[:, None, None]
        if not samples:
            return self.bound([scale_gradient(means, felt) for means in p], joint)
        noise = draw((samples, 2, *z[0].shape[1:])).unbind(dim=1)
        bounds = [
            self.bound(
                [scale_gradient(losses.sample(z[v], u[:, v]), felt) for v in range(2)], joint
            )
            for u in noise
        ]
        return sum(bounds) / samples

    def bound(self, codes: Sequence[Tensor], joint: Tensor | None = None) -> Tensor:
        """The Jensen-Shannon bound that the critics see between codes or means (S, B, L)."""
        g = [critic(signed(c)) for critic, c in zip(self.critic, codes, strict=True)]
        return losses.jensen_shannon_bound(*g, joint)

    def _independence(self, p: Sequence[Tensor], keys: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """TC as the encoders feel it, D held fixed; and D's own loss, the means held fixed."""
        tc, own = [], []
        for means, key, classifier in zip(p, keys, self.classifier, strict=True):
            tc.append(losses.total_correlation(classifier(signed(means), frozen=True)))
            own.append(logistic(classifier, means.detach(), key))
        return tc[0] + tc[1], own[0] + own[1]


def logistic(classifier: StackedMlp, p: Tensor, keys: Tensor) -> Tensor:
    """D's own loss on the means p and on p with every bit permuted on its own by ``keys``."""
    both = classifier(signed(torch.cat([p, losses.permute_bits(p, keys)], dim=1)))
    return losses.classifier_loss(*both.chunk(2, dim=1))


def signed(p: Tensor) -> Tensor:
    """0..1 to -1..1: an affine change that the first layer could make, but better conditioned."""
    return 2 * p - 1


def scale_gradient(x: Tensor, factor: Tensor) -> Tensor:
    """x itself; its gradient multiplied by ``factor``."""
    return x * factor + (x * (1 - factor)).detach()
