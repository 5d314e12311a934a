"""Drawing primitives of the scenes: a lit canvas in unit coordinates and a pen for one object."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pipeline.datasets._scenes.plan import Scene

Colour = tuple[float, float, float]
Zones = dict[str, tuple[float, float]]
Points = Sequence[tuple[float, float]] | Sequence[np.ndarray] | np.ndarray

_CIRCLE = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_UNIT_CIRCLE = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour ``share`` of the way from ``a`` to ``b``."""
    red, green, blue = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """Darker (factor < 1) or lighter (factor > 1, towards white)."""
    return mix((0, 0, 0), colour, factor) if factor < 1 else mix(colour, (1, 1, 1), factor - 1)


def vary(rng: np.random.Generator, colour: Colour, spread: float = 0.06) -> Colour:
    """A neighbour of ``colour`` in hue, saturation and value."""
    hue, saturation, value = colorsys.rgb_to_hsv(*np.clip(colour, 0, 1))
    shift = rng.normal(0, spread, 3)
    return colorsys.hsv_to_rgb(
        (hue + 0.5 * shift[0]) % 1,
        min(max(saturation * (1 + 2 * shift[1]), 0), 1),
        min(max(value * (1 + 2 * shift[2]), 0), 1),
    )


@dataclass(frozen=True)
class Light:
    """What the hour and the weather do to every colour: a tint, and a haze for distant things."""

    tint: Colour
    haze: Colour
    thickness: float
    lamps: bool

    def on(self, colour: Colour, distance: float) -> Colour:
        red, green, blue = (c * t for c, t in zip(colour, self.tint, strict=True))
        return mix(
            (red, green, blue), self.haze, min(self.thickness * (0.25 + 0.75 * distance), 0.95)
        )


class Canvas:
    """A square picture; x runs right and y runs down, both from 0 to 1."""

    def __init__(self, pixels: int, light: Light) -> None:
        self.pixels = pixels
        self.light = light
        self.image = Image.new("RGB", (pixels, pixels))
        self._draw = ImageDraw.Draw(self.image, "RGBA")

    def ink(
        self, colour: Colour, *, alpha: float = 1, distance: float = 0, glow: bool = False
    ) -> tuple[int, ...]:
        """The 8-bit colour as seen in this light; what glows is not lit by it."""
        seen = colour if glow else self.light.on(colour, distance)
        return (*(int(255 * min(max(c, 0), 1)) for c in seen), int(255 * alpha))

    def gradient(
        self, top: Colour, bottom: Colour, start: float, end: float, *, glow: bool = False
    ) -> None:
        """Fill the full width between two heights, from ``top`` to ``bottom``."""
        first, last = int(start * self.pixels), int(np.ceil(end * self.pixels))
        ends = [self.ink(colour, glow=glow)[:3] for colour in (top, bottom)]
        above, below = np.array(ends, float)
        column = np.linspace(above, below, max(last - first, 1)).astype(np.uint8)
        band = Image.fromarray(column[:, None]).resize((self.pixels, len(column)))
        self.image.paste(band, (0, first))

    def polygon(
        self,
        points: Points,
        colour: Colour,
        *,
        alpha: float = 1,
        distance: float = 0,
        glow: bool = False,
    ) -> None:
        flat = (np.asarray(points, float) * self.pixels).ravel().tolist()
        self._draw.polygon(flat, self.ink(colour, alpha=alpha, distance=distance, glow=glow))

    def line(
        self,
        points: Points,
        width: float,
        colour: Colour,
        *,
        alpha: float = 1,
        distance: float = 0,
        glow: bool = False,
    ) -> None:
        flat = (np.asarray(points, float) * self.pixels).ravel().tolist()
        ink = self.ink(colour, alpha=alpha, distance=distance, glow=glow)
        self._draw.line(flat, ink, max(1, round(width * self.pixels)), joint="curve")

    def disc(
        self, x: float, y: float, radius: float, colour: Colour, *,
        squash: float = 1, alpha: float = 1, distance: float = 0, glow: bool = False,
    ) -> None:  # fmt: skip
        points = _UNIT_CIRCLE * (radius, radius * squash) + (x, y)
        self.polygon(points, colour, alpha=alpha, distance=distance, glow=glow)


@dataclass(frozen=True)
class Pen:
    """Draws one object about its foot (x, y): u runs right, v UP, in units of ``size``."""

    canvas: Canvas
    x: float
    y: float
    size: float
    angle: float = 0
    flip: bool = False
    distance: float = 0

    @property
    def lamps(self) -> bool:
        return self.canvas.light.lamps

    def _place(self, points: Points) -> np.ndarray:
        u, v = np.asarray(points, float).T
        u = -u if self.flip else u
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.stack(
            [self.x + self.size * (u * cos + v * sin), self.y + self.size * (u * sin - v * cos)],
            axis=1,
        )

    def polygon(
        self, points: Points, colour: Colour, *, alpha: float = 1, glow: bool = False
    ) -> None:
        placed = self._place(points)
        self.canvas.polygon(placed, colour, alpha=alpha, distance=self.distance, glow=glow)

    def line(
        self, points: Points, width: float, colour: Colour, *, alpha: float = 1, glow: bool = False
    ) -> None:
        placed, width = self._place(points), width * self.size
        self.canvas.line(placed, width, colour, alpha=alpha, distance=self.distance, glow=glow)

    def oval(
        self, u: float, v: float, across: float, up: float, colour: Colour, *,
        alpha: float = 1, glow: bool = False,
    ) -> None:  # fmt: skip
        """An ellipse about (u, v) with half axes ``across`` and ``up``."""
        self.polygon(_UNIT_CIRCLE * (across, up) + (u, v), colour, alpha=alpha, glow=glow)

    def box(
        self, left: float, bottom: float, right: float, top: float, colour: Colour, *,
        alpha: float = 1, glow: bool = False,
    ) -> None:  # fmt: skip
        corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
        self.polygon(corners, colour, alpha=alpha, glow=glow)

    def window(self, left: float, bottom: float, right: float, top: float) -> None:
        """A pane: reflects the sky by day, shines by night."""
        pane = (1.0, 0.85, 0.45) if self.lamps else (0.66, 0.82, 0.90)
        self.box(left, bottom, right, top, pane, glow=self.lamps)


@dataclass(frozen=True)
class View:
    """One scene on its way to a picture: the canvas, contents, dice and the horizon's height."""

    canvas: Canvas
    scene: Scene
    rng: np.random.Generator
    horizon: float
