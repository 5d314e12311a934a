"""The indoor backdrop: a papered wall, a floor, a window, furniture and a lamp."""

import numpy as np

from pipeline.datasets._scenes.canvas import Colour, View, Zones, mix, shade, vary
from pipeline.datasets._scenes.distance import sky_colours


def room(view: View) -> Zones:
    """A wall with paper, a skirting board, a floor, a window or picture, and furniture."""
    floor = view.horizon + 0.12
    wall = vary(view.rng, _WALLS[view.rng.integers(len(_WALLS))], 0.08)
    view.canvas.gradient(wall, shade(wall, 0.9), 0, floor)
    if view.rng.random() < 0.6:
        for x in np.arange(0.03, 1, view.rng.uniform(0.06, 0.14)):
            view.canvas.line([(x, 0), (x, floor)], 0.015, shade(wall, 1.12), alpha=0.6)
    boards = vary(view.rng, (0.62, 0.44, 0.30), 0.09)
    view.canvas.gradient(boards, shade(boards, 0.75), floor, 1)
    for x in np.linspace(-0.6, 1.6, 12):
        view.canvas.line([(0.5 + (x - 0.5) * 0.55, floor), (x, 1)], 0.004, shade(boards, 0.7))
    _box(view, 0, floor - 0.03, 1, floor, (0.95, 0.93, 0.88))
    _pane(view, view.rng.uniform(0.05, 0.6))
    (_sofa, _table, _shelf)[view.rng.integers(3)](view, floor)
    if view.canvas.light.lamps or view.rng.random() < 0.4:
        _lamp(view)
    return {"ground": (floor + 0.12, 0.97), "near": (floor + 0.1, 0.97)}


_WALLS = ((0.86, 0.80, 0.66), (0.62, 0.72, 0.70), (0.80, 0.62, 0.58), (0.60, 0.62, 0.74),
              (0.78, 0.76, 0.74), (0.50, 0.60, 0.48))  # fmt: skip


def _box(view: View, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    view.canvas.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)


def _pane(view: View, x: float) -> None:
    y, width, height = view.rng.uniform((0.06, 0.24, 0.22), (0.14, 0.4, 0.34))
    zenith, rim = sky_colours(view.scene, view.rng)
    _box(view, x - 0.02, y - 0.02, x + width + 0.02, y + height + 0.03, (0.95, 0.93, 0.88))
    for step in range(6):
        low = y + height * step / 6
        strip = [(x, low), (x + width, low), (x + width, low + height / 6), (x, low + height / 6)]
        view.canvas.polygon(strip, mix(zenith, rim, step / 5), glow=True)
    _box(view, x + width / 2 - 0.008, y, x + width / 2 + 0.008, y + height, (0.95, 0.93, 0.88))
    _box(view, x, y + height / 2 - 0.008, x + width, y + height / 2 + 0.008, (0.95, 0.93, 0.88))


def _sofa(view: View, floor: float) -> None:
    x, colour = view.rng.uniform(0, 0.45), vary(view.rng, (0.50, 0.42, 0.55), 0.2)
    _box(view, x, floor - 0.2, x + 0.5, floor + 0.06, shade(colour, 0.85))
    _box(view, x - 0.04, floor - 0.1, x + 0.04, floor + 0.1, colour)
    _box(view, x + 0.46, floor - 0.1, x + 0.54, floor + 0.1, colour)
    _box(view, x + 0.03, floor - 0.04, x + 0.47, floor + 0.09, shade(colour, 1.12))


def _table(view: View, floor: float) -> None:
    x, wood = view.rng.uniform(0.05, 0.5), vary(view.rng, (0.50, 0.34, 0.22), 0.08)
    for leg in (x + 0.03, x + 0.39):
        _box(view, leg, floor - 0.12, leg + 0.03, floor + 0.1, shade(wood, 0.8))
    _box(view, x, floor - 0.15, x + 0.45, floor - 0.11, wood)


def _shelf(view: View, floor: float) -> None:
    x, wood = view.rng.uniform(0.05, 0.6), vary(view.rng, (0.46, 0.33, 0.24), 0.08)
    _box(view, x, floor - 0.42, x + 0.32, floor + 0.03, wood)
    for row in range(3):
        low = floor - 0.28 + 0.14 * row
        _box(view, x + 0.02, low - 0.12, x + 0.3, low, shade(wood, 0.6))
        for book in np.arange(x + 0.03, x + 0.27, 0.03):
            height = view.rng.uniform(0.07, 0.11)
            _box(view, book, low - height, book + 0.024, low, vary(view.rng, (0.6, 0.4, 0.4), 0.3))


def _lamp(view: View) -> None:
    x = view.rng.uniform(0.2, 0.8)
    view.canvas.line([(x, 0), (x, 0.1)], 0.008, (0.2, 0.2, 0.2))
    view.canvas.disc(x, 0.17, 0.16, (1, 0.9, 0.6), alpha=0.18, glow=True)
    shape = [(x - 0.05, 0.1), (x + 0.05, 0.1), (x + 0.1, 0.18), (x - 0.1, 0.18)]
    view.canvas.polygon(shape, (0.98, 0.88, 0.6), glow=True)
