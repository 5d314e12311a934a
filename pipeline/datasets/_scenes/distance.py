"""What lies far away: sky, sun and stars, mountains, the skyline of a city."""

import numpy as np

from pipeline.datasets._scenes.canvas import Colour, View, mix, shade, vary
from pipeline.datasets._scenes.plan import Scene

_DAY = (
    ((0.36, 0.62, 0.88), (0.80, 0.90, 0.96)),
    ((0.45, 0.74, 0.83), (0.90, 0.94, 0.88)),
    ((0.62, 0.66, 0.86), (0.96, 0.88, 0.86)),
    ((0.66, 0.74, 0.80), (0.90, 0.92, 0.92)),
    ((0.93, 0.85, 0.68), (0.98, 0.95, 0.86)),
)
_DUSK = (
    ((0.36, 0.26, 0.50), (0.98, 0.60, 0.34)),
    ((0.80, 0.42, 0.48), (1.00, 0.82, 0.48)),
    ((0.64, 0.24, 0.24), (0.99, 0.70, 0.28)),
)
_NIGHT = (
    ((0.04, 0.06, 0.16), (0.16, 0.22, 0.40)),
    ((0.10, 0.05, 0.18), (0.30, 0.18, 0.38)),
    ((0.03, 0.10, 0.14), (0.10, 0.28, 0.33)),
)
SNOW = (0.93, 0.95, 0.98)


def sky_colours(scene: Scene, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """The colours of the zenith and of the horizon, by hour and weather."""
    choices = _NIGHT if "night" in scene else _DUSK if "sunset" in scene else _DAY
    top, bottom = (vary(rng, colour, 0.05) for colour in choices[rng.integers(len(choices))])
    if {"rain", "fog"} & set(scene.concepts):
        grey = 0.2 if "night" in scene else 0.62
        top, bottom = (mix(colour, (grey, grey, grey * 1.06), 0.6) for colour in (top, bottom))
    return top, bottom


def sky(view: View, zenith: Colour, rim: Colour) -> None:
    view.canvas.gradient(zenith, rim, 0, view.horizon + 0.1, glow=True)
    if "night" in view.scene:
        _stars(view)
    elif view.rng.random() < 0.5 or "sunset" in view.scene:
        _sun(view)
    if view.rng.random() < 0.65:
        _clouds(view)
    if "rainbow" in view.scene:
        _rainbow(view)


def _stars(view: View) -> None:
    for x, y in view.rng.random((int(view.rng.integers(15, 70)), 2)):
        radius = view.rng.uniform(0.002, 0.006)
        view.canvas.disc(x, y * view.horizon, radius, (1, 1, 0.92), glow=True)
    if view.rng.random() < 0.75:
        x, y, radius = *view.rng.uniform((0.1, 0.08), (0.9, 0.3)), view.rng.uniform(0.04, 0.1)
        view.canvas.disc(x, y, radius * 1.5, (1, 1, 0.9), alpha=0.12, glow=True)
        view.canvas.disc(x, y, radius, (0.98, 0.96, 0.85), glow=True)
        view.canvas.disc(x + radius / 3, y, radius / 4, (0.86, 0.84, 0.74), glow=True)


def _sun(view: View) -> None:
    low = "sunset" in view.scene
    x, radius = view.rng.uniform(0.12, 0.88), view.rng.uniform(0.05, 0.09) * (1.6 if low else 1)
    y = view.horizon - 0.4 * radius if low else view.rng.uniform(0.08, 0.25)
    colour = (1.0, 0.75, 0.4) if low else (1.0, 0.96, 0.75)
    for spread, alpha in ((2.4, 0.12), (1.6, 0.2), (1.0, 1.0)):
        view.canvas.disc(x, y, radius * spread, colour, alpha=alpha, glow=True)


def _clouds(view: View) -> None:
    for _ in range(int(view.rng.integers(1, 5))):
        x, y = view.rng.uniform((0, 0.05), (1, max(view.horizon * 0.8, 0.1)))
        width = view.rng.uniform(0.06, 0.14)
        for step in np.linspace(-1, 1, 5):
            radius = width * view.rng.uniform(0.45, 0.75) * (1.2 - 0.5 * abs(step))
            view.canvas.disc(x + step * width, y, radius, (1, 1, 1), squash=0.6, alpha=0.75)


def _rainbow(view: View) -> None:
    x, radius = view.rng.uniform(0.3, 0.7), view.rng.uniform(0.42, 0.6)
    turn = np.linspace(np.pi, 2 * np.pi, 40)
    bands = ((0.85, 0.25, 0.3), (0.95, 0.6, 0.25), (0.97, 0.88, 0.35), (0.4, 0.75, 0.4),
             (0.3, 0.5, 0.85), (0.5, 0.35, 0.7))  # fmt: skip
    for number, colour in enumerate(bands):
        reach = radius - 0.024 * number
        arc = np.stack([x + reach * np.cos(turn), view.horizon + 0.05 + reach * np.sin(turn)], 1)
        view.canvas.line(arc, 0.028, colour, alpha=0.8, glow=True)


def mountains(view: View) -> None:
    base = ((0.42, 0.46, 0.58), (0.50, 0.44, 0.44), (0.40, 0.52, 0.48), (0.56, 0.50, 0.62))
    rock = vary(view.rng, base[view.rng.integers(len(base))], 0.06)
    capped = "snow" in view.scene or view.rng.random() < 0.55
    tall = view.rng.uniform(0.55, 0.95) * view.horizon
    for distance, share in ((0.9, 1.0), (0.5, 0.62), (0.2, 0.36))[: int(view.rng.integers(2, 4))]:
        _range(view, rock, tall * share, distance, capped and share > 0.5)


def _range(view: View, rock: Colour, tall: float, distance: float, capped: bool) -> None:
    """A saw of overlapping peaks, each with a bright and a dark flank."""
    lit = mix(shade(rock, 1.15), (0.78, 0.82, 0.88), 0.5 * distance)
    for x in np.sort(view.rng.uniform(-0.1, 1.1, int(view.rng.integers(3, 6)))):
        top, half = tall * view.rng.uniform(0.55, 1.0), tall * view.rng.uniform(0.55, 0.85)
        peak, foot = np.array([x, view.horizon - top]), view.horizon + 0.06
        left, right = np.array([x - half, foot]), np.array([x + half, foot])
        keel = np.array([x + view.rng.uniform(-0.2, 0.4) * half, foot])
        view.canvas.polygon([peak, right, left], lit)
        view.canvas.polygon([peak, right, keel], shade(lit, 0.8))
        if capped:
            _cap(view, peak, left, keel, right)


def _cap(view: View, peak: np.ndarray, *feet: np.ndarray) -> None:
    """Snow from the peak a third of the way down towards the feet, with a ragged edge."""
    reach = view.rng.uniform(0.22, 0.42)
    left, keel, right = (peak + reach * (foot - peak) for foot in feet)
    notch = peak + 0.6 * reach * ((feet[0] + feet[1]) / 2 - peak)
    view.canvas.polygon([peak, left, notch, keel], SNOW)
    view.canvas.polygon([peak, keel, right], shade(SNOW, 0.86))


def skyline(view: View) -> None:
    tone = vary(view.rng, _FACADES[view.rng.integers(len(_FACADES))], 0.08)
    tall = view.rng.uniform(0.5, 0.9) * view.horizon
    for distance, share in ((0.8, 1.0), (0.25, 0.72)):
        x = view.rng.uniform(-0.1, 0)
        while x < 1:
            width = view.rng.uniform(0.08, 0.2)
            wall = mix(vary(view.rng, tone, 0.05), (0.75, 0.8, 0.88), 0.5 * distance)
            top = view.horizon - tall * share * view.rng.uniform(0.45, 1.0)
            _tower(view, x, top, width, wall)
            x += width + view.rng.choice([0, 0.02])


_FACADES = (
    (0.55, 0.58, 0.66), (0.70, 0.56, 0.46), (0.48, 0.55, 0.55), (0.75, 0.70, 0.62),
    (0.58, 0.46, 0.52),
)  # fmt: skip


def _tower(view: View, x: float, top: float, width: float, wall: Colour) -> None:
    foot = view.horizon + 0.04
    box = np.array([(x, top), (x + width, top), (x + width, foot), (x, foot)])
    view.canvas.polygon(box, wall)
    flank = box.copy()
    flank[[0, 3], 0] += 0.7 * width
    view.canvas.polygon(flank, shade(wall, 0.82))
    lamps = view.canvas.light.lamps
    columns, rows = max(2, int(width / 0.035)), max(2, int((foot - top) / 0.05))
    lit = view.rng.random((rows, columns)) < (0.55 if lamps else 0.85)
    pane = vary(view.rng, (1.0, 0.86, 0.5), 0.03) if lamps else shade(wall, 0.62)
    for row, column in np.argwhere(lit):
        left, up = x + width * (column + 0.25) / columns, top + 0.02 + 0.05 * row
        right = left + 0.5 * width / columns
        view.canvas.polygon([(left, up), (right, up), (right, up + 0.026), (left, up + 0.026)],
                            pane, glow=lamps)  # fmt: skip
