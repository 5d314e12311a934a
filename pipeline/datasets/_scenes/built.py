"""One small painter for each building and vehicle of the scenes.

A painter draws its thing about one unit high, its foot at the pen's origin, mainly in ``colour``.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from pipeline.datasets._scenes.canvas import Colour, Pen, mix, shade, vary
from pipeline.datasets._scenes.strokes import CREAM, DARK, WOOD, ground_shadow

# --- buildings ----------------------------------------------------------------------------------


def house(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A cottage with a pitched roof, a door, windows and sometimes a chimney."""
    half, wall, peak = rng.uniform(0.38, 0.55), rng.uniform(0.4, 0.55), rng.uniform(0.8, 1.0)
    front, roof = mix(colour, CREAM, 0.55), shade(vary(rng, (0.55, 0.26, 0.2), 0.1), 0.9)
    ground_shadow(pen, half * 1.2)
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
        tone = colour if number % 2 == 0 else CREAM
        pen.polygon([(-wide, bottom), (wide, bottom), (narrow, top), (-narrow, top)], tone)
    pen.box(-0.13, 0.74, 0.13, 0.77, DARK)
    if pen.lamps:
        for side in (-1, 1):
            beam = [(0, 0.83), (side * 2.2, 1.1), (side * 2.2, 0.7)]
            pen.polygon(beam, (1, 0.95, 0.6), alpha=0.35, glow=True)
    pen.box(-0.08, 0.77, 0.08, 0.89, (1, 0.92, 0.55), glow=pen.lamps)
    pen.polygon([(-0.11, 0.89), (0.11, 0.89), (0, 1.0)], shade(colour, 0.7))


def windmill(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A tapering tower with a cap and four lattice sails."""
    body = mix(colour, CREAM, 0.6)
    ground_shadow(pen, 0.3)
    pen.polygon([(-0.22, 0), (0.22, 0), (0.13, 0.62), (-0.13, 0.62)], body)
    pen.polygon([(0.05, 0), (0.22, 0), (0.13, 0.62), (0.03, 0.62)], shade(body, 0.8))
    pen.oval(0, 0.63, 0.15, 0.11, shade(colour, 0.6))
    pen.box(-0.06, 0, 0.06, 0.17, WOOD)
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
        pen.line(np.array([hub, hub + 0.48 * along]), 0.025, WOOD)


# --- vehicles -----------------------------------------------------------------------------------


def _sailing_boat(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    pen.line([(0, 0.1), (0, 1.0)], 0.03, WOOD)
    sail = vary(rng, CREAM) if rng.random() < 0.6 else vary(rng, (0.9, 0.5, 0.3), 0.15)
    pen.polygon([(0.03, 0.2), (0.42, 0.24), (0.03, 0.98)], sail)
    pen.polygon([(-0.03, 0.24), (-0.3, 0.26), (-0.03, 0.85)], shade(sail, 0.85))
    _hull(pen, colour)


def _steamer(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    pen.box(-0.3, 0.12, 0.28, 0.34, CREAM)
    pen.box(-0.2, 0.34, 0.16, 0.48, shade(CREAM, 0.88))
    pen.box(-0.08, 0.48, 0.08, 0.74, shade(colour, 0.75))
    for u in (-0.24, -0.08, 0.08):
        pen.window(u, 0.18, u + 0.08, 0.28)
    _hull(pen, colour)


def _rowing_boat(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    pen.line([(-0.15, 0.3), (-0.5, -0.06)], 0.03, WOOD)
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
    pen.oval(u, radius, radius, radius, DARK)
    pen.oval(u, radius, radius * 0.45, radius * 0.45, (0.7, 0.7, 0.72))


def car(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A car or a van from the side, headlights on at night."""
    ground_shadow(pen, 0.75)
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
    """An engine with a chimney and steam, its wagons behind it, on a track.

    The foot is below the middle of the train, not of the engine.
    """
    pen = replace(pen, x=pen.x + (-1.2 if pen.flip else 1.2) * pen.size)
    pen.line([(-6, 0), (6, 0)], 0.05, (0.3, 0.28, 0.28))
    pen.box(-0.1, 0.12, 0.8, 0.5, colour)
    pen.box(-0.1, 0.12, 0.25, 0.78, shade(colour, 0.8))
    pen.window(-0.02, 0.5, 0.17, 0.68)
    pen.box(0.55, 0.5, 0.68, 0.76, DARK)
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
    other = vary(rng, CREAM, 0.05) if rng.random() < 0.6 else vary(rng, colour, 0.3)
    for side in (-1, 1):
        pen.line([(side * 0.2, 0.36), (side * 0.07, 0.12)], 0.015, WOOD)
    pen.polygon([(-0.26, 0.48), (0.26, 0.48), (0.09, 0.24), (-0.09, 0.24)], shade(colour, 0.8))
    for number, half in enumerate((0.38, 0.29, 0.19, 0.09)):
        tone = colour if number % 2 == 0 else other
        pen.oval(0, 0.64, half, 0.37, tone, glow=pen.lamps)
    pen.oval(-0.14, 0.76, 0.1, 0.14, (1, 1, 1), alpha=0.18)
    pen.box(-0.08, 0.0, 0.08, 0.13, WOOD)
