"""One small painter for each plant and animal of the scenes.

A painter draws its thing about one unit high, its foot at the pen's origin, mainly in ``colour``.
"""

import numpy as np

from pipeline.datasets._scenes.canvas import Colour, Pen, mix, shade, vary
from pipeline.datasets._scenes.strokes import CREAM, DARK, WOOD, ground_shadow

# --- trees --------------------------------------------------------------------------------------


def _round_tree(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    pen.box(-0.05, 0, 0.05, 0.45, WOOD)
    for _ in range(7):
        u, v = rng.uniform(-0.24, 0.24), rng.uniform(0.45, 0.85)
        pen.oval(u, v, 0.2, 0.18, shade(leaf, 0.72 + 0.5 * (v - 0.45) - 0.4 * u))


def _pine(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    pen.box(-0.04, 0, 0.04, 0.2, WOOD)
    width = rng.uniform(0.24, 0.36)
    for tier in range(4):
        foot, half = 0.12 + 0.2 * tier, width * (1 - 0.2 * tier)
        tone = shade(leaf, 0.6 + 0.1 * tier)
        pen.polygon([(-half, foot), (half, foot), (0, foot + 0.34)], tone)
        pen.polygon([(-half, foot), (0, foot + 0.06), (0, foot + 0.34)], shade(tone, 1.12))


def _palm(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    lean = rng.uniform(-0.25, 0.25)
    pen.line([(0, 0), (lean * 0.3, 0.4), (lean, 0.75)], 0.06, WOOD)
    for turn in np.linspace(-0.4, np.pi + 0.4, 7):
        tip = (lean + 0.36 * np.cos(turn), 0.72 + 0.26 * np.sin(turn) - 0.08)
        middle = (lean + 0.2 * np.cos(turn), 0.78 + 0.24 * np.sin(turn))
        pen.polygon([(lean, 0.72), middle, tip, (middle[0], middle[1] - 0.08)], leaf)


def _poplar(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    pen.box(-0.03, 0, 0.03, 0.25, WOOD)
    half = rng.uniform(0.11, 0.18)
    pen.oval(0, 0.58, half, 0.44, shade(leaf, 0.75))
    pen.oval(-half * 0.25, 0.62, half * 0.6, 0.36, leaf)


def _bare_tree(pen: Pen, leaf: Colour, rng: np.random.Generator) -> None:
    bark = mix(WOOD, leaf, 0.15)
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
    ground_shadow(pen, 0.28)
    _TREES[rng.choice(len(_TREES), p=[0.36, 0.30, 0.08, 0.16, 0.10])](pen, leaf, rng)


# --- animals and plants -------------------------------------------------------------------------


def bird(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A bird in flight: a body between two bent wings."""
    feather = mix(colour, DARK if rng.random() < 0.6 else CREAM, 0.7)
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
    wool = vary(rng, CREAM if rng.random() < 0.8 else (0.38, 0.32, 0.30), 0.03)
    face = DARK if rng.random() < 0.7 else (0.85, 0.75, 0.66)
    ground_shadow(pen, 0.5)
    for u in (-0.3, -0.18, 0.14, 0.27):
        pen.box(u - 0.03, 0, u + 0.03, 0.3, DARK)
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
    ground_shadow(pen, 0.4)
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
        pen.oval(0.05 + side * 0.09, 0.68, 0.015, 0.045, DARK)
        for rise in (-0.04, 0.03):
            pen.line([(0.05 + side * 0.08, 0.6), (0.05 + side * 0.32, 0.6 + rise)], 0.01, CREAM)
    pen.polygon([(0.02, 0.62), (0.08, 0.62), (0.05, 0.58)], (0.9, 0.5, 0.5))


def cactus(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A ribbed column with one or two bent arms and sometimes a flower on top."""
    green = vary(rng, (0.28, 0.52, 0.34), 0.08)
    ground_shadow(pen, 0.3)
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
        pen.box(u - 0.04, -tall * 0.8, u + 0.04, tall * 0.8, CREAM)
    pen.oval(0.27, tall * 0.2, 0.06, 0.06, (1, 1, 1))
    pen.oval(0.28, tall * 0.2, 0.03, 0.03, DARK)


def fish_bowl(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A fish in a round glass bowl, for indoors."""
    ground_shadow(pen, 0.4)
    pen.oval(0, 0.42, 0.46, 0.42, (0.62, 0.84, 0.9))
    pen.oval(0, 0.34, 0.43, 0.33, (0.3, 0.62, 0.74))
    inside = Pen(pen.canvas, pen.x, pen.y - 0.36 * pen.size, pen.size * 0.5, 0, pen.flip)
    fish(inside, colour, rng)
    pen.oval(0, 0.82, 0.26, 0.04, (0.85, 0.94, 0.96))


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
