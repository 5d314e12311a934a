"""Many equally shaped multi-layer perceptrons as one: parameters stacked on a leading model axis.

S small networks on one batch of matrix products cost far less than S networks one after the other
where the step is bound by overhead, and the single network is the case S = 1 of the same code.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn


class StackedMlp(nn.Module):
    """S perceptrons of one shape: (S, n, sizes[0]) -> (S, n, sizes[-1]), last layer linear.

    sizes       widths of input, hidden layers and output
    activation  after every layer but the last
    """

    def __init__(
        self, models: int, sizes: Sequence[int], activation: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        shapes = list(itertools.pairwise(sizes))
        self.weights = nn.ParameterList(torch.empty(models, i, o) for i, o in shapes)
        self.biases = nn.ParameterList(torch.zeros(models, 1, o) for _, o in shapes)
        self.activation = activation

    def initialise(self, generators: Sequence[torch.Generator], spread: float) -> Self:
        """He's normal initialisation, biases 0; each model draws from its own generator.

        Unlike torch's default it keeps the size of the activations from layer to layer (He et al.,
        ICCV 2015); for inputs of mean square 1 the outputs have a standard deviation of ``spread``.
        """
        last = len(self.weights) - 1
        for layer, weight in enumerate(self.weights):
            # a rectifier passes half of the mean square, which the next layer makes good
            gain = (2 if layer else 1) * (spread**2 if layer == last else 1)
            for model, generator in zip(weight.data, generators, strict=True):
                model.normal_(0, math.sqrt(gain / len(model)), generator=generator)
        return self

    def forward(self, x: Tensor, *, frozen: bool = False) -> Tensor:
        """The output; ``frozen`` lets gradients through to ``x`` but not to the parameters."""
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if frozen:
                weight, bias = weight.detach(), bias.detach()
            x = torch.baddbmm(bias, x, weight)
            if layer < last:
                x = self.activation(x)
        return x

    def select(self, model: int) -> "StackedMlp":
        """A copy of one model alone, as a stack of one."""
        sizes = [self.weights[0].shape[1], *(w.shape[2] for w in self.weights)]
        alone = StackedMlp(1, sizes, self.activation)
        for mine, theirs in zip(alone.parameters(), self.parameters(), strict=True):
            mine.data = theirs.data[model : model + 1].clone()
        return alone.requires_grad_(False)
