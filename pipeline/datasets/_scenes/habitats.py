"""One backdrop for each habitat, and the ground and water they share.

A backdrop paints its place and says where things may stand in it: named zones, each a range of
heights (y runs down from 0 to 1).
"""

from collections.abc import Callable, Mapping

import numpy as np

from pipeline.datasets._scenes.canvas import Colour, View, Zones, mix, shade, vary
from pipeline.datasets._scenes.distance import SNOW, mountains, sky, sky_colours, skyline
from pipeline.datasets._scenes.room import room

# --- ground and water ---------------------------------------------------------------------------


def _ground(view: View, colour: Colour, start: float, end: float = 1.0) -> None:
    if "snow" in view.scene:
        colour = mix(vary(view.rng, SNOW, 0.03), colour, 0.1)
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
    sky(view, zenith, rim)
    if "mountain" in view.scene:
        mountains(view)
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
    skyline(view)
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
    _hill(view, shade(SNOW, 0.92), view.horizon + 0.03, view.rng.uniform(0.04, 0.12))
    _ground(view, SNOW, view.horizon + 0.03)
    return _land(view)


BACKDROPS: Mapping[str, Callable[[View], Zones]] = {
    "coast": coast, "lake": lake, "reef": reef, "meadow": meadow, "hills": hills,
    "street": street, "desert": desert, "room": room, "snowfield": snowfield,
}  # fmt: skip
