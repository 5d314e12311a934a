"""One small painter for each thing that stands, swims or flies in a scene.

A painter draws its thing about one unit high, its foot at the pen's origin, mainly in ``colour``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.datasets._scene_canvas import Colour, Pen, mix, shade, vary

Painter = Callable[[Pen, Colour, np.random.Generator], None]

_DARK = (0.16, 0.15, 0.18)
_WOOD = (0.45, 0.32, 0.22)
_CREAM = (0.96, 0.93, 0.85)


def _ground_shadow(pen: Pen, half: float) -> None:
    pen.oval(0.05, 0, half, 0.05, (0.1, 0.1, 0.15), alpha=0.22)


# --- trees --------------------------------------------------------------------------------------


def _round_tree(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    pen.box(-0.05, 0, 0.05, 0.45, _WOOD)
    for _ in range(7):
        u, v = rng.uniform(-0.24, 0.24), rng.uniform(0.45, 0.85)
        pen.oval(u, v, 0.2, 0.18, shade(leaf, 0.72 + 0.5 * (v - 0.45) - 0.4 * u))


def _pine(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    pen.box(-0.04, 0, 0.04, 0.2, _WOOD)
    width = rng.uniform(0.24, 0.36)
    for tier in range(4):
        foot, half = 0.12 + 0.2 * tier, width * (1 - 0.2 * tier)
        tone = shade(leaf, 0.6 + 0.1 * tier)
        pen.polygon([(-half, foot), (half, foot), (0, foot + 0.34)], tone)
        pen.polygon([(-half, foot), (0, foot + 0.06), (0, foot + 0.34)], shade(tone, 1.12))


def _palm(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    lean = rng.uniform(-0.25, 0.25)
    pen.line([(0, 0), (lean * 0.3, 0.4), (lean, 0.75)], 0.06, _WOOD)
    for turn in np.linspace(-0.4, np.pi + 0.4, 7):
        tip = (lean + 0.36 * np.cos(turn), 0.72 + 0.26 * np.sin(turn) - 0.08)
        middle = (lean + 0.2 * np.cos(turn), 0.78 + 0.24 * np.sin(turn))
        pen.polygon([(lean, 0.72), middle, tip, (middle[0], middle[1] - 0.08)], leaf)


def _poplar(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    pen.box(-0.03, 0, 0.03, 0.25, _WOOD)
    half = rng.uniform(0.11, 0.18)
    pen.oval(0, 0.58, half, 0.44, shade(leaf, 0.75))
    pen.oval(-half * 0.25, 0.62, half * 0.6, 0.36, leaf)


def _bare_tree(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    bark = mix(_WOOD, leaf, 0.15)
    pen.line([(0, 0), (0, 0.6)], 0.08, bark)
    for height in np.linspace(0.3, 0.62, 6):
        side, reach = rng.choice([-1, 1]), rng.uniform(0.18, 0.38)
        elbow = (side * reach * 0.6, height + reach * 0.6)
        pen.line([(0, height), elbow, (side * reach, height + reach * 1.1)], 0.035, bark)


_TREES = (_round_tree, _pine, _palm, _poplar, _bare_tree)
_LEAVES = {"red": (0.74, 0.30, 0.20), "orange": (0.85, 0.52, 0.20), "pink": (0.90, 0.62, 0.70)}


def tree(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """Five kinds of tree; green most often, else autumn or blossom."""
    leaf = vary(rng, (0.30, 0.52, 0.28), 0.1)
    if rng.random() < 0.3:
        leaf = list(_LEAVES.values())[rng.integers(len(_LEAVES))]
    _ground_shadow(pen, 0.28)
    _TREES[rng.choice(len(_TREES), p=[0.36, 0.30, 0.08, 0.16, 0.10])](pen, leaf, rng)


# --- buildings ----------------------------------------------------------------------------------


def house(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A cottage with a pitched roof, a door, windows and sometimes a chimney."""
    half, wall, peak = rng.uniform(0.38, 0.55), rng.uniform(0.4, 0.55), rng.uniform(0.8, 1.0)
    front, roof = mix(colour, _CREAM, 0.55), shade(vary(rng, (0.55, 0.26, 0.2), 0.1), 0.9)
    _ground_shadow(pen, half * 1.2)
    if rng.random() < 0.6:
        pen.box(0.15, wall, 0.27, peak + 0.05, shade(roof, 0.8))
    pen.box(-half, 0, half, wall, front)
    pen.box(half * 0.45, 0, half, wall, shade(front, 0.86))
    pen.polygon([(-half - 0.1, wall), (half + 0.1, wall), (half * 0.6, peak), (-half * 0.6, peak)],
                roof)  # fmt: skip
    pen.box(-0.08, 0, 0.08, 0.28, shade(colour, 0.6))
    pen.window(-half * 0.8, 0.18, -half * 0.4, 0.36)
    pen.window(half * 0.4, 0.18, half * 0.8, 0.36)


def lighthouse(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A tapering striped tower on a rock, its lamp lit at night."""
    pen.polygon([(-0.4, -0.04), (0.42, -0.04), (0.25, 0.1), (-0.2, 0.12)], (0.36, 0.34, 0.35))
    bands = int(rng.integers(4, 7))
    edges = np.linspace(0, 1, bands + 1)
    for number, (low, high) in enumerate(pairwise(edges)):
        wide, narrow = 0.17 - 0.07 * low, 0.17 - 0.07 * high
        bottom, top = 0.08 + 0.66 * low, 0.08 + 0.66 * high
        tone = colour if number % 2 == 0 else _CREAM
        pen.polygon([(-wide, bottom), (wide, bottom), (narrow, top), (-narrow, top)], tone)
    pen.box(-0.13, 0.74, 0.13, 0.77, _DARK)
    if pen.lamps:
        for side in (-1, 1):
            beam = [(0, 0.83), (side * 2.2, 1.1), (side * 2.2, 0.7)]
            pen.polygon(beam, (1, 0.95, 0.6), alpha=0.35, glow=True)
    pen.box(-0.08, 0.77, 0.08, 0.89, (1, 0.92, 0.55), glow=pen.lamps)
    pen.polygon([(-0.11, 0.89), (0.11, 0.89), (0, 1.0)], shade(colour, 0.7))


def windmill(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A tapering tower with a cap and four lattice sails."""
    body = mix(colour, _CREAM, 0.6)
    _ground_shadow(pen, 0.3)
    pen.polygon([(-0.22, 0), (0.22, 0), (0.13, 0.62), (-0.13, 0.62)], body)
    pen.polygon([(0.05, 0), (0.22, 0), (0.13, 0.62), (0.03, 0.62)], shade(body, 0.8))
    pen.oval(0, 0.63, 0.15, 0.11, shade(colour, 0.6))
    pen.box(-0.06, 0, 0.06, 0.17, _WOOD)
    pen.window(-0.04, 0.35, 0.04, 0.44)
    start = rng.uniform(0, np.pi / 2)
    for turn in start + np.arange(4) * np.pi / 2:
        along, across = (
            np.array([np.cos(turn), np.sin(turn)]),
            np.array([-np.sin(turn), np.cos(turn)]),
        )
        hub = np.array([0, 0.62])
        sail = [hub + 0.1 * along, hub + 0.46 * along, hub + 0.46 * along + 0.1 * across,
                hub + 0.1 * along + 0.1 * across]  # fmt: skip
        pen.polygon(np.array(sail), (0.98, 0.97, 0.93))
        pen.line(np.array([hub, hub + 0.48 * along]), 0.025, _WOOD)


# --- vehicles -----------------------------------------------------------------------------------


def _sailing_boat(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    pen.line([(0, 0.1), (0, 1.0)], 0.03, _WOOD)
    sail = vary(rng, _CREAM) if rng.random() < 0.6 else vary(rng, (0.9, 0.5, 0.3), 0.15)
    pen.polygon([(0.03, 0.2), (0.42, 0.24), (0.03, 0.98)], sail)
    pen.polygon([(-0.03, 0.24), (-0.3, 0.26), (-0.03, 0.85)], shade(sail, 0.85))
    _hull(pen, colour)


def _steamer(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    pen.box(-0.3, 0.12, 0.28, 0.34, _CREAM)
    pen.box(-0.2, 0.34, 0.16, 0.48, shade(_CREAM, 0.88))
    pen.box(-0.08, 0.48, 0.08, 0.74, shade(colour, 0.75))
    for u in (-0.24, -0.08, 0.08):
        pen.window(u, 0.18, u + 0.08, 0.28)
    _hull(pen, colour)


def _rowing_boat(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    pen.line([(-0.15, 0.3), (-0.5, -0.06)], 0.03, _WOOD)
    pen.oval(0.05, 0.52, 0.08, 0.09, (0.85, 0.66, 0.52))
    pen.polygon([(-0.1, 0.1), (0.2, 0.1), (0.14, 0.44), (-0.04, 0.44)], vary(rng, colour, 0.2))
    _hull(pen, colour)


def _hull(pen: Pen, colour: Colour) -> None:
    pen.oval(0, -0.08, 0.55, 0.05, (0.05, 0.1, 0.2), alpha=0.25)
    pen.polygon([(-0.56, 0.16), (0.56, 0.16), (0.4, -0.08), (-0.38, -0.08)], colour)
    pen.polygon([(-0.56, 0.16), (0.56, 0.16), (0.53, 0.1), (-0.52, 0.1)], shade(colour, 1.35))


def boat(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A sailing boat, a steamer or a rowing boat."""
    kinds = (_sailing_boat, _steamer, _rowing_boat)
    kinds[rng.choice(3, p=[0.6, 0.22, 0.18])](pen, colour, rng)


def _wheel(pen: Pen, u: float, radius: float) -> None:
    pen.oval(u, radius, radius, radius, _DARK)
    pen.oval(u, radius, radius * 0.45, radius * 0.45, (0.7, 0.7, 0.72))


def car(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A car or a van from the side, headlights on at night."""
    _ground_shadow(pen, 0.75)
    roof = 0.62 if rng.random() < 0.7 else 0.78
    pen.polygon([(-0.45, 0.34), (0.4, 0.34), (0.24, roof), (-0.3, roof)], shade(colour, 0.85))
    pen.polygon([(-0.36, 0.36), (-0.02, 0.36), (-0.02, roof - 0.06), (-0.26, roof - 0.06)],
                (0.68, 0.82, 0.88))  # fmt: skip
    pen.polygon([(0.03, 0.36), (0.32, 0.36), (0.21, roof - 0.06), (0.03, roof - 0.06)],
                (0.68, 0.82, 0.88))  # fmt: skip
    pen.polygon([(-0.7, 0.12), (0.7, 0.12), (0.7, 0.3), (0.45, 0.38), (-0.66, 0.38)], colour)
    pen.box(-0.7, 0.12, 0.7, 0.17, shade(colour, 0.7))
    if pen.lamps:
        pen.polygon([(0.68, 0.26), (1.5, 0.36), (1.5, 0.0)], (1, 0.95, 0.6), alpha=0.4, glow=True)
    pen.oval(0.66, 0.26, 0.05, 0.05, (1, 0.95, 0.7), glow=pen.lamps)
    _wheel(pen, -0.4, 0.14)
    _wheel(pen, 0.4, 0.14)


def train(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """An engine with a chimney and steam, its wagons behind it, on a track."""
    pen.line([(-6, 0), (6, 0)], 0.05, (0.3, 0.28, 0.28))
    pen.box(-0.1, 0.12, 0.8, 0.5, colour)
    pen.box(-0.1, 0.12, 0.25, 0.78, shade(colour, 0.8))
    pen.window(-0.02, 0.5, 0.17, 0.68)
    pen.box(0.55, 0.5, 0.68, 0.76, _DARK)
    for puff in range(5):
        pen.oval(0.6 - 0.3 * puff, 0.9 + 0.12 * puff, 0.1 + 0.05 * puff, 0.09 + 0.04 * puff,
                 (0.95, 0.95, 0.96), alpha=0.75)  # fmt: skip
    for u in (0.05, 0.35, 0.65):
        _wheel(pen, u, 0.12)
    for number in range(int(rng.integers(2, 5))):
        _wagon(pen, -1.08 - 1.0 * number, vary(rng, colour, 0.1))


def _wagon(pen: Pen, left: float, colour: Colour) -> None:
    pen.box(left, 0.14, left + 0.92, 0.68, colour)
    pen.box(left, 0.62, left + 0.92, 0.7, shade(colour, 0.7))
    for u in (0.1, 0.38, 0.66):
        pen.window(left + u, 0.36, left + u + 0.17, 0.56)
    for u in (0.2, 0.72):
        _wheel(pen, left + u, 0.1)


def balloon(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A hot-air balloon with gores of two colours and a basket."""
    other = vary(rng, _CREAM, 0.05) if rng.random() < 0.6 else vary(rng, colour, 0.3)
    for side in (-1, 1):
        pen.line([(side * 0.2, 0.36), (side * 0.07, 0.12)], 0.015, _WOOD)
    pen.polygon([(-0.26, 0.48), (0.26, 0.48), (0.09, 0.24), (-0.09, 0.24)], shade(colour, 0.8))
    for number, half in enumerate((0.38, 0.29, 0.19, 0.09)):
        tone = colour if number % 2 == 0 else other
        pen.oval(0, 0.64, half, 0.37, tone, glow=pen.lamps)
    pen.oval(-0.14, 0.76, 0.1, 0.14, (1, 1, 1), alpha=0.18)
    pen.box(-0.08, 0.0, 0.08, 0.13, _WOOD)


# --- animals and plants -------------------------------------------------------------------------


def bird(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A bird in flight: a body between two bent wings."""
    feather = mix(colour, _DARK if rng.random() < 0.6 else _CREAM, 0.7)
    lift = rng.uniform(-0.05, 0.35)
    for side, tone in ((-1, 0.85), (1, 1.0)):
        wing = [(0, 0.06), (side * 0.28, 0.2 + lift), (side * 0.62, 0.08 + lift * 0.6),
                (side * 0.28, 0.09 + lift * 0.7), (0, -0.06)]  # fmt: skip
        pen.polygon(wing, shade(feather, tone))
    pen.oval(0.02, 0, 0.17, 0.08, feather)
    pen.oval(0.17, 0.05, 0.06, 0.06, feather)
    pen.polygon([(0.21, 0.07), (0.31, 0.04), (0.21, 0.02)], (0.93, 0.6, 0.2))
    pen.polygon([(-0.12, 0), (-0.3, 0.07), (-0.3, -0.05)], shade(feather, 0.8))


def sheep(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A woolly body of curls on four thin legs, the head lowered or raised."""
    wool = vary(rng, _CREAM if rng.random() < 0.8 else (0.38, 0.32, 0.30), 0.03)
    face = _DARK if rng.random() < 0.7 else (0.85, 0.75, 0.66)
    _ground_shadow(pen, 0.5)
    for u in (-0.3, -0.18, 0.14, 0.27):
        pen.box(u - 0.03, 0, u + 0.03, 0.3, _DARK)
    for turn in np.linspace(0, 2 * np.pi, 9):
        u, v = 0.33 * np.cos(turn), 0.47 + 0.16 * np.sin(turn)
        pen.oval(u, v, 0.16, 0.15, shade(wool, 0.86 + 0.5 * (v - 0.3)))
    pen.oval(0, 0.48, 0.32, 0.2, wool)
    height = rng.uniform(0.3, 0.66)
    pen.oval(0.5, height, 0.12, 0.15, face)
    pen.oval(0.4, height + 0.1, 0.09, 0.04, face)
    pen.oval(0.48, height + 0.13, 0.1, 0.07, wool)


def cat(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A sitting cat: tail, body, a head with pointed ears, eyes and whiskers."""
    natural = ((0.88, 0.56, 0.28), (0.25, 0.24, 0.26), (0.60, 0.58, 0.57), (0.93, 0.90, 0.86))
    fur = vary(rng, natural[rng.integers(len(natural))], 0.04)
    _ground_shadow(pen, 0.4)
    pen.line([(-0.15, 0.06), (-0.4, 0.1), (-0.48, 0.3), (-0.38, 0.46)], 0.09, shade(fur, 0.8))
    pen.oval(0, 0.27, 0.27, 0.3, fur)
    pen.oval(0.06, 0.22, 0.14, 0.2, shade(fur, 1.25))
    for side in (-1, 1):
        ear = [(side * 0.2 + 0.05, 0.66), (side * 0.03 + 0.05, 0.8), (side * 0.19 + 0.05, 0.97)]
        pen.polygon(ear, shade(fur, 0.85))
    pen.oval(0.05, 0.66, 0.22, 0.18, fur)
    eye = (0.55, 0.85, 0.35) if rng.random() < 0.6 else (0.95, 0.8, 0.3)
    for side in (-1, 1):
        pen.oval(0.05 + side * 0.09, 0.68, 0.045, 0.05, eye)
        pen.oval(0.05 + side * 0.09, 0.68, 0.015, 0.045, _DARK)
        for rise in (-0.04, 0.03):
            pen.line([(0.05 + side * 0.08, 0.6), (0.05 + side * 0.32, 0.6 + rise)], 0.01, _CREAM)
    pen.polygon([(0.02, 0.62), (0.08, 0.62), (0.05, 0.58)], (0.9, 0.5, 0.5))


def cactus(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A ribbed column with one or two bent arms and sometimes a flower on top."""
    green = vary(rng, (0.28, 0.52, 0.34), 0.08)
    _ground_shadow(pen, 0.3)
    for side in (-1, 1)[: 1 + int(rng.random() < 0.7)]:
        low, high = rng.uniform(0.3, 0.5), rng.uniform(0.62, 0.85)
        arm = [(0, low), (side * 0.26, low), (side * 0.26, high)]
        pen.line(arm, 0.13, shade(green, 0.88))
        pen.oval(side * 0.26, high, 0.065, 0.065, shade(green, 0.88))
    pen.box(-0.1, 0, 0.1, 0.92, green)
    pen.oval(0, 0.92, 0.1, 0.08, green)
    for u in (-0.05, 0.0, 0.05):
        pen.line([(u, 0.03), (u, 0.92)], 0.012, shade(green, 0.7))
    if rng.random() < 0.4:
        pen.oval(0, 1.01, 0.07, 0.05, colour)


def fish(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """An oval body with a forked tail, fins, stripes and an eye."""
    tall = rng.uniform(0.16, 0.32)
    fin = shade(colour, 0.75)
    pen.polygon([(-0.3, 0), (-0.62, 0.24), (-0.52, 0), (-0.62, -0.24)], fin)
    pen.polygon([(-0.15, tall * 0.8), (0.2, tall * 0.8), (-0.1, tall + 0.16)], fin)
    pen.oval(0, 0, 0.42, tall, colour)
    pen.oval(0.03, -tall * 0.4, 0.28, tall * 0.45, shade(colour, 1.35))
    for u in (-0.12, 0.08)[: int(rng.integers(0, 3))]:
        pen.box(u - 0.04, -tall * 0.8, u + 0.04, tall * 0.8, _CREAM)
    pen.oval(0.27, tall * 0.2, 0.06, 0.06, (1, 1, 1))
    pen.oval(0.28, tall * 0.2, 0.03, 0.03, _DARK)


def flower(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A stem with two leaves and a head of five to nine petals."""
    leaf = (0.30, 0.55, 0.28)
    bend = rng.uniform(-0.12, 0.12)
    pen.line([(0, 0), (bend * 0.4, 0.4), (bend, 0.75)], 0.05, leaf)
    for side in (-1, 1):
        pen.polygon([(0, 0.15), (side * 0.2, 0.38), (side * 0.06, 0.36)], shade(leaf, 1.1))
    if rng.random() < 0.3:
        pen.oval(bend, 0.78, 0.15, 0.2, colour)
        pen.polygon([(bend - 0.15, 0.8), (bend + 0.15, 0.8), (bend + 0.12, 1.05), (bend, 0.9),
                     (bend - 0.12, 1.05)], shade(colour, 0.88))  # fmt: skip
        return
    petals = int(rng.integers(5, 10))
    for turn in np.arange(petals) * 2 * np.pi / petals:
        u, v = bend + 0.17 * np.cos(turn), 0.78 + 0.17 * np.sin(turn)
        pen.oval(u, v, 0.11, 0.11, shade(colour, 0.9 + 0.2 * np.sin(turn)))
    pen.oval(bend, 0.78, 0.11, 0.11, (0.97, 0.8, 0.3))


def pot_of_flowers(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A bunch of flowers in a pot, for indoors."""
    for lean in (-0.35, 0.0, 0.35):
        stem = Pen(pen.canvas, pen.x + lean * 0.25 * pen.size, pen.y - 0.3 * pen.size,
                   pen.size * 0.75, lean, pen.flip, pen.distance)  # fmt: skip
        flower(stem, vary(rng, colour, 0.08), rng)
    pot = vary(rng, (0.75, 0.45, 0.32), 0.12)
    pen.polygon([(-0.2, 0), (0.2, 0), (0.28, 0.4), (-0.28, 0.4)], pot)
    pen.box(-0.31, 0.36, 0.31, 0.45, shade(pot, 0.85))


@dataclass(frozen=True)
class Stamp:
    """How a painter's thing is put into a scene: where, how large and how many of it."""

    painter: Painter
    zone: str
    size: float
    count: tuple[int, int] = (1, 1)


STAMPS: Mapping[str, Stamp] = {
    "tree": Stamp(tree, "ground", 0.55, (1, 6)),
    "house": Stamp(house, "ground", 0.34, (1, 2)),
    "lighthouse": Stamp(lighthouse, "ground", 0.62),
    "windmill": Stamp(windmill, "ground", 0.62),
    "boat": Stamp(boat, "water", 0.34, (1, 3)),
    "car": Stamp(car, "ground", 0.26, (1, 3)),
    "train": Stamp(train, "far", 0.20),
    "balloon": Stamp(balloon, "sky", 0.34, (1, 3)),
    "bird": Stamp(bird, "sky", 0.20, (1, 6)),
    "sheep": Stamp(sheep, "ground", 0.26, (2, 5)),
    "cat": Stamp(cat, "ground", 0.40),
    "cactus": Stamp(cactus, "ground", 0.55, (1, 4)),
    "fish": Stamp(fish, "water", 0.26, (2, 6)),
    "flower": Stamp(flower, "near", 0.28, (5, 12)),
}
"""The concepts that are things; the others are backdrops, hours and weathers."""
