"""Which concepts are things, and how each thing is put into a scene."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.datasets._scenes import built, living
from pipeline.datasets._scenes.canvas import Colour, Pen

Painter = Callable[[Pen, Colour, np.random.Generator], None]


@dataclass(frozen=True)
class Stamp:
    """How a painter's thing is put into a scene: where, how large and how many of it."""

    painter: Painter
    zone: str
    size: float
    count: tuple[int, int] = (1, 1)


STAMPS: Mapping[str, Stamp] = {
    "tree": Stamp(living.tree, "ground", 0.55, (1, 6)),
    "house": Stamp(built.house, "ground", 0.34, (1, 2)),
    "lighthouse": Stamp(built.lighthouse, "ground", 0.62),
    "windmill": Stamp(built.windmill, "ground", 0.62),
    "boat": Stamp(built.boat, "water", 0.34, (1, 3)),
    "car": Stamp(built.car, "ground", 0.26, (1, 3)),
    "train": Stamp(built.train, "far", 0.20),
    "balloon": Stamp(built.balloon, "sky", 0.34, (1, 3)),
    "bird": Stamp(living.bird, "sky", 0.20, (1, 6)),
    "sheep": Stamp(living.sheep, "ground", 0.26, (2, 5)),
    "cat": Stamp(living.cat, "ground", 0.40),
    "cactus": Stamp(living.cactus, "ground", 0.55, (1, 4)),
    "fish": Stamp(living.fish, "water", 0.26, (2, 6)),
    "flower": Stamp(living.flower, "near", 0.28, (5, 12)),
}
"""The concepts that are things; the others are backdrops, hours and weathers."""

INDOORS: Mapping[str, Stamp] = {
    "flower": Stamp(living.pot_of_flowers, "ground", 0.32, (1, 2)),
    "fish": Stamp(living.fish_bowl, "ground", 0.30),
}
"""What stands in for a thing in a room."""
