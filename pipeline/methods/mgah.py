"""MGAH for two views, which is UGACH: adversarial hashing over a cross-modal correlation graph.

Zhang, Peng, Yuan, "Unsupervised Generative Adversarial Cross-modal Hashing", AAAI 2018;
Zhang, Peng, "Multi-pathway Generative Adversarial Hashing for Unsupervised Cross-modal Retrieval",
IEEE TMM 2019.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep
from pipeline.methods._parameters import CountFrom0, Share

#: features of both views, rows paired
Views = tuple[Tensor, Tensor]


@dataclass(eq=False, kw_only=True)
class MGAH(_deep.TwoNetHasher):
    """A discriminator ranks graph neighbours above the negatives that a generator picks.

    A re-implementation from the published description. Both players are a pair of networks (image,
    text) with sigmoid outputs, the relaxed codes. The discriminator, whose codes are used in the
    end, minimises a triplet hinge with margin bits/8; the generator is a softmax policy over
    candidates, trained by REINFORCE: the reward is the discriminator's hinge, squashed.

    Theirs: the graph (five neighbours by each view), the margin, the schedule (pre-training against
    random negatives, then rounds of one epoch of the discriminator and two of the generator), the
    candidates (a random fiftieth of the set), two draws for each query.

    Ours: for the cost's sake one draw of candidates serves a mini-batch; networks 1,024 wide
    instead of 8,192, and, with momentum, 30 epochs and 2 rounds instead of 200 and 30; on
    validation queries (``benchmarks/selection.py``) fewer epochs are worse and more rounds do not
    help.

    Not known: nothing that matters; it has not been run in full.

    epochs        passes of the pre-training
    rounds        of the adversarial phase
    batch_size    rows of a mini-batch
    hidden        width of the hidden layer
    lr            learning rate of both players; weight_decay likewise
    neighbors     by each view in the correlation graph; a row is one of its own
    candidates    share of the training set that the generator picks from
    draws         negatives that the generator picks for each query
    """

    epochs: int = 30
    rounds: CountFrom0 = 2
    batch_size: int = 64
    hidden: int = 1024
    lr: float = 0.01
    weight_decay: float = 0.01
    neighbors: int = 5
    candidates: Share = 0.02
    draws: int = 2

    def _train(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> _deep.Pair:
        views, n, margin = (x1, x2), len(x1), self.bits / 8
        graph = correlation_graph(x1, x2, min(self.neighbors, n))
        critic, actor = self._players(views), self._players(views)

        def hinges(rows: Tensor, side: int, negatives: Tensor) -> Tensor:
            column = torch.randint(graph.shape[1], (len(rows),), generator=generator)
            positives = graph[rows.to(graph.device), column.to(graph.device)]
            return triplet_hinge(critic, views, side, rows, positives, negatives, margin)

        def picked(rows: Tensor, side: int) -> tuple[Tensor, Tensor]:
            pool = torch.randperm(n, generator=generator)[: max(2, round(self.candidates * n))]
            return pick(actor, views, side, rows, pool, self.draws, generator)

        def against_random(rows: Tensor, epoch: int) -> Tensor:
            drawn = [torch.randint(n, (len(rows), 1), generator=generator) for _ in views]
            return sum(hinges(rows, side, drawn[side]).mean() for side in (0, 1))

        def against_actor(rows: Tensor, epoch: int) -> Tensor:
            with torch.no_grad():
                drawn = [picked(rows, side)[0] for side in (0, 1)]
            return sum(hinges(rows, side, drawn[side]).mean() for side in (0, 1))

        def deceive(rows: Tensor, epoch: int) -> Tensor:
            loss = 0
            for side in (0, 1):
                negatives, log_policy = picked(rows, side)
                with torch.no_grad():
                    hinge = hinges(rows, side, negatives)
                loss = loss + reinforce_loss(log_policy, hinge)
            return loss

        critic_sgd, actor_sgd = self._sgd(critic), self._sgd(actor)
        self._descend(against_random, critic_sgd, generator, n, phase="pretrain")
        for turn in range(1, self.rounds + 1):
            tags: dict[str, Any] = {"epochs": 1, "phase": "critic", "round": turn}
            self._descend(against_actor, critic_sgd, generator, n, **tags)
            tags = {"epochs": 2, "phase": "actor", "round": turn}
            self._descend(deceive, actor_sgd, generator, n, **tags)
        return critic

    def _players(self, views: Views) -> _deep.Pair:
        return tuple(_deep.head(x, self.hidden, self.bits, activation=nn.Tanh) for x in views)

    def _sgd(self, nets: _deep.Pair) -> torch.optim.SGD:
        return _deep.sgd(*nets, lr=(self.lr, self.lr), weight_decay=self.weight_decay)


def correlation_graph(image: Tensor, text: Tensor, k: int) -> Tensor:
    """For every pair its k nearest by image, then its k nearest by text; indices (n, 2 k)."""
    return torch.cat([_deep.ranked(image, k), _deep.ranked(text, k)], dim=1)


def relaxed(nets: _deep.Pair, views: Views, side: int, rows: Tensor) -> Tensor:
    """Sigmoid codes of rows of one view (side 0: image, 1: text); (*rows.shape, bits)."""
    return torch.sigmoid(nets[side](views[side][rows]))


def triplet_hinge(
    nets: _deep.Pair,
    views: Views,
    side: int,
    rows: Tensor,
    positives: Tensor,
    negatives: Tensor,
    margin: float,
) -> Tensor:
    """max(0, margin + |q - p|^2 - |q - n|^2) of queries in one view, the rest in the other.

    rows (b,) are of the queries, positives (b,), negatives (b, draws); (b, draws)
    """
    query = relaxed(nets, views, side, rows)[:, None]
    positive = relaxed(nets, views, 1 - side, positives)[:, None]
    negative = relaxed(nets, views, 1 - side, negatives)
    near, far = ((query - x).square().sum(dim=-1) for x in (positive, negative))
    return F.relu(margin + near - far)


def pick(
    actor: _deep.Pair,
    views: Views,
    side: int,
    rows: Tensor,
    pool: Tensor,
    draws: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw items of the pool (m,) for each query by the policy softmax(-|q - c|^2).

    Returns their indices and the logarithms of their probabilities, both (b, draws).
    """
    query, candidates = relaxed(actor, views, side, rows), relaxed(actor, views, 1 - side, pool)
    distances = (query[:, None] - candidates).square().sum(dim=-1)
    log_policy = F.log_softmax(-distances, dim=1)
    chosen = torch.multinomial(
        log_policy.detach().exp().cpu(), draws, replacement=True, generator=generator
    )
    return pool[chosen], log_policy.gather(1, chosen.to(log_policy.device))


def reinforce_loss(log_policy: Tensor, hinge: Tensor) -> Tensor:
    """REINFORCE: - mean(log p * reward), reward = sigmoid(hinge), high where the critic errs."""
    return -(log_policy * torch.sigmoid(hinge)).mean()
