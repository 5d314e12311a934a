"""The places: sky, mountains, skyline, ground, water, and one backdrop for each habitat.

A backdrop paints its place and says where things may stand in it: named zones, each a range of
heights (y runs down from 0 to 1).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.datasets._scene_canvas import Canvas, Colour, mix, shade, vary
from pipeline.datasets._scene_plan import Scene

Zones = dict[str, tuple[float, float]]

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
_SNOW = (0.93, 0.95, 0.98)


@dataclass(frozen=True)
class View:
    """One scene on its way to a picture: the canvas, contents, dice and the horizon's height."""

    canvas: Canvas
    scene: Scene
    rng: np.random.Generator
    horizon: float


def sky_colours(scene: Scene, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """The colours of the zenith and of the horizon, by hour and weather."""
    choices = _NIGHT if "night" in scene else _DUSK if "sunset" in scene else _DAY
    top, bottom = (vary(rng, colour, 0.05) for colour in choices[rng.integers(len(choices))])
    if {"rain", "fog"} & set(scene.concepts):
        grey = 0.2 if "night" in scene else 0.62
        top, bottom = (mix(colour, (grey, grey, grey * 1.06), 0.6) for colour in (top, bottom))
    return top, bottom


def _sky(view: View, zenith: Colour, rim: Colour) -> None:
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


def _mountains(view: View) -> None:
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
    view.canvas.polygon([peak, left, notch, keel], _SNOW)
    view.canvas.polygon([peak, keel, right], shade(_SNOW, 0.86))


def _skyline(view: View) -> None:
    tone = vary(view.rng, COLOUR_OF_WALLS[view.rng.integers(len(COLOUR_OF_WALLS))], 0.08)
    tall = view.rng.uniform(0.5, 0.9) * view.horizon
    for distance, share in ((0.8, 1.0), (0.25, 0.72)):
        x = view.rng.uniform(-0.1, 0)
        while x < 1:
            width = view.rng.uniform(0.08, 0.2)
            wall = mix(vary(view.rng, tone, 0.05), (0.75, 0.8, 0.88), 0.5 * distance)
            top = view.horizon - tall * share * view.rng.uniform(0.45, 1.0)
            _tower(view, x, top, width, wall)
            x += width + view.rng.choice([0, 0.02])


COLOUR_OF_WALLS = (
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


# --- ground and water ---------------------------------------------------------------------------


def _ground(view: View, colour: Colour, start: float, end: float = 1.0) -> None:
    if "snow" in view.scene:
        colour = mix(vary(view.rng, _SNOW, 0.03), colour, 0.1)
    view.canvas.gradient(shade(colour, 1.1), shade(colour, 0.82), start, end)
    _tufts(view, shade(colour, 0.8), start, end)
    _tufts(view, shade(colour, 1.2), start, end)


def _tufts(view: View, colour: Colour, start: float, end: float) -> None:
    """Short upright strokes, the longer the nearer."""
    for x, depth in view.rng.random((int(90 * (end - start)) + 5, 2)):
        y, length = start + depth * (end - start), 0.006 + 0.03 * depth
        lean = view.rng.normal(0, 0.3) * length
        view.canvas.line([(x, y), (x + lean, y - length)], 0.004, colour, alpha=0.7)


def _hill(view: View, colour: Colour, start: float, swell: float) -> None:
    """A rolling rim in front of the horizon."""
    x = np.linspace(0, 1, 30)
    phase, waves = view.rng.uniform(0, 2 * np.pi), view.rng.uniform(0.5, 1.6)
    rim = start - swell * (0.5 + 0.5 * np.sin(2 * np.pi * waves * x + phase))
    outline = np.concatenate([np.stack([x, rim], 1), [(1, 1), (0, 1)]])
    view.canvas.polygon(outline, colour, distance=0.5)


def _water(view: View, rim: Colour, start: float, end: float) -> None:
    """The sky's colour mixed into the sea's, with ripples."""
    base = ((0.16, 0.42, 0.58), (0.20, 0.55, 0.58), (0.30, 0.42, 0.52), (0.20, 0.36, 0.34))
    deep = vary(view.rng, base[view.rng.integers(len(base))], 0.05)
    share = 0.55 if "sunset" in view.scene else 0.3
    view.canvas.gradient(mix(deep, rim, share), deep, start, end)
    for x, depth in view.rng.random((int(view.rng.integers(30, 90)), 2)):
        y, half = start + depth * (end - start), 0.012 + 0.05 * depth
        tone = shade(deep, 1.5) if view.rng.random() < 0.6 else shade(deep, 0.75)
        view.canvas.line([(x - half, y), (x + half, y)], 0.003 + 0.006 * depth, tone, alpha=0.6)


def _grass(view: View) -> Colour:
    shades = ((0.45, 0.64, 0.30), (0.62, 0.68, 0.30), (0.34, 0.54, 0.36), (0.74, 0.66, 0.36))
    return vary(view.rng, shades[view.rng.choice(4, p=[0.4, 0.25, 0.2, 0.15])], 0.06)


# --- habitats -----------------------------------------------------------------------------------


def _outdoors(view: View) -> Colour:
    """Sky and mountains; gives the colour of the sky's rim."""
    zenith, rim = sky_colours(view.scene, view.rng)
    _sky(view, zenith, rim)
    if "mountain" in view.scene:
        _mountains(view)
    return rim


def coast(view: View) -> Zones:
    rim, shore = _outdoors(view), view.rng.uniform(0.74, 0.94)
    _water(view, rim, view.horizon, shore)
    sand = vary(view.rng, (0.88, 0.78, 0.58), 0.06)
    view.canvas.gradient((0.95, 0.97, 0.98), sand, shore, shore + 0.04)
    _ground(view, sand, shore + 0.025)
    return {"sky": (0.05, view.horizon), "water": (view.horizon + 0.04, shore - 0.03),
            "ground": (shore + 0.03, 0.99), "near": (0.92, 1.0)}  # fmt: skip


def lake(view: View) -> Zones:
    rim, shore = _outdoors(view), view.rng.uniform(0.82, 0.95)
    grass = _grass(view)
    _ground(view, grass, view.horizon, view.horizon + 0.06)
    _water(view, rim, view.horizon + 0.05, shore)
    _ground(view, shade(grass, 0.9), shore)
    ground = (view.horizon + 0.02, view.horizon + 0.05)
    if view.rng.random() < 0.5:
        ground = (shore + 0.02, 0.99)
    return {"sky": (0.05, view.horizon), "water": (view.horizon + 0.12, shore - 0.03),
            "ground": ground, "near": (0.92, 1.0)}  # fmt: skip


def reef(view: View) -> Zones:
    deep = vary(view.rng, (0.06, 0.34, 0.50), 0.07)
    view.canvas.gradient(mix(deep, (0.5, 0.9, 0.88), 0.6), deep, 0, 1)
    for x in view.rng.uniform(-0.2, 1.0, 4):
        ray = [(x, 0), (x + 0.1, 0), (x + 0.35, 1), (x + 0.1, 1)]
        view.canvas.polygon(ray, (1, 1, 0.9), alpha=0.1)
    _ground(view, vary(view.rng, (0.80, 0.74, 0.56), 0.06), 0.86)
    for x in view.rng.random(9):
        _weed(view, x)
    for x, y in view.rng.random((12, 2)):
        view.canvas.disc(x, y * 0.8, view.rng.uniform(0.005, 0.014), (0.9, 1, 1), alpha=0.5)
    return {"water": (0.15, 0.8), "ground": (0.88, 0.98), "near": (0.92, 1.0)}


def _weed(view: View, x: float) -> None:
    hues = ((0.25, 0.55, 0.35), (0.85, 0.40, 0.45), (0.90, 0.60, 0.35), (0.50, 0.35, 0.60))
    colour = vary(view.rng, hues[view.rng.integers(len(hues))], 0.06)
    height = np.linspace(0, view.rng.uniform(0.12, 0.4), 10)
    sway = 0.03 * np.sin(18 * height + view.rng.uniform(0, 6))
    stalk = np.stack([x + sway, view.rng.uniform(0.88, 0.98) - height], 1)
    view.canvas.line(stalk, view.rng.uniform(0.012, 0.03), colour)


def meadow(view: View) -> Zones:
    _outdoors(view)
    grass = _grass(view)
    _hill(view, shade(grass, 0.85), view.horizon + 0.02, view.rng.uniform(0.03, 0.1))
    _ground(view, grass, view.horizon + 0.02)
    return _land(view)


def hills(view: View) -> Zones:
    _outdoors(view)
    grass = vary(view.rng, mix(_grass(view), (0.45, 0.45, 0.38), 0.4), 0.05)
    _hill(view, shade(grass, 0.8), view.horizon + 0.06, view.rng.uniform(0.06, 0.14))
    _ground(view, grass, view.horizon + 0.05)
    return _land(view)


def _land(view: View) -> Zones:
    h = view.horizon
    return {"sky": (0.05, h), "far": (h + 0.05, h + 0.14), "ground": (h + 0.05, 0.97),
            "near": (max(h + 0.2, 0.78), 1.04)}  # fmt: skip


def street(view: View) -> Zones:
    _outdoors(view)
    _skyline(view)
    road = vary(view.rng, (0.40, 0.40, 0.44), 0.05)
    pavement, kerb = vary(view.rng, (0.66, 0.64, 0.62), 0.04), view.horizon + 0.1
    _ground(view, pavement, view.horizon + 0.03, kerb)
    view.canvas.gradient(road, shade(road, 0.8), kerb, 1)
    lane = kerb + 0.45 * (1 - kerb)
    for x in np.arange(view.rng.uniform(-0.2, 0), 1, 0.22):
        mark = [(x, lane), (x + 0.11, lane), (x + 0.1, lane + 0.02), (x - 0.01, lane + 0.02)]
        view.canvas.polygon(mark, (0.92, 0.9, 0.82))
    h = view.horizon
    return {"sky": (0.05, h), "far": (h + 0.06, h + 0.1), "ground": (kerb + 0.04, 0.97),
            "near": (0.9, 1.0)}  # fmt: skip


def desert(view: View) -> Zones:
    _outdoors(view)
    sands = ((0.88, 0.68, 0.42), (0.80, 0.50, 0.34), (0.92, 0.82, 0.62))
    sand = vary(view.rng, sands[view.rng.integers(3)], 0.06)
    _hill(view, shade(sand, 0.9), view.horizon + 0.02, 0.1)
    _ground(view, sand, view.horizon + 0.02)
    return _land(view)


def snowfield(view: View) -> Zones:
    _outdoors(view)
    _hill(view, shade(_SNOW, 0.92), view.horizon + 0.03, view.rng.uniform(0.04, 0.12))
    _ground(view, _SNOW, view.horizon + 0.03)
    return _land(view)


def room(view: View) -> Zones:
    """A wall with paper, a skirting board, a floor, a window or picture, and furniture."""
    floor = view.horizon + 0.12
    wall = vary(view.rng, ROOM_WALLS[view.rng.integers(len(ROOM_WALLS))], 0.08)
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
    if view.rng.random() < 0.5:
        _lamp(view)
    return {"ground": (floor + 0.12, 0.97), "near": (floor + 0.1, 0.97), "water": (0.3, 0.5)}


ROOM_WALLS = ((0.86, 0.80, 0.66), (0.62, 0.72, 0.70), (0.80, 0.62, 0.58), (0.60, 0.62, 0.74),
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


BACKDROPS: Mapping[str, Callable[[View], Zones]] = {
    "coast": coast, "lake": lake, "reef": reef, "meadow": meadow, "hills": hills,
    "street": street, "desert": desert, "room": room, "snowfield": snowfield,
}  # fmt: skip
