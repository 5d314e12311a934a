"""Turns the contents of a scene into a picture: light, backdrop, things, weather, finish."""

import numpy as np
from PIL import Image

from pipeline.datasets._scenes.canvas import Canvas, Light, Pen, View, Zones, vary
from pipeline.datasets._scenes.habitats import BACKDROPS
from pipeline.datasets._scenes.plan import COLOURS, Scene
from pipeline.datasets._scenes.stamps import INDOORS, STAMPS, Stamp

_OVERSAMPLING = 2
_DUOTONES, _SWAPPED_INKS = 0.12, 0.12
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def paint(scene: Scene, rng: np.random.Generator, size: int) -> Image.Image:
    """One picture of ``size`` by ``size`` pixels, RGB."""
    canvas = Canvas(size * _OVERSAMPLING, _light(scene, rng))
    view = View(canvas, scene, rng, rng.uniform(0.34, 0.64))
    zones = BACKDROPS[scene.habitat](view)
    _put_things(view, zones)
    _weather(view)
    return _finish(_framed(canvas.image, rng).reduce(_OVERSAMPLING), rng)


def _light(scene: Scene, rng: np.random.Generator) -> Light:
    tint, haze, thickness = (1.0, 1.0, 1.0), (0.80, 0.86, 0.92), rng.uniform(0.0, 0.18)
    if "night" in scene:
        dark = rng.uniform(0.34, 0.5)
        tint, haze = (dark * 0.85, dark * 0.95, dark * 1.35), (0.14, 0.17, 0.28)
    elif "sunset" in scene:
        tint, haze = (0.92, 0.70, 0.66), (0.95, 0.62, 0.44)
    if "rain" in scene:
        tint, thickness = (tint[0] * 0.74, tint[1] * 0.78, tint[2] * 0.86), 0.3
    if "fog" in scene:
        thickness = rng.uniform(0.55, 0.78)
    return Light(tint, haze, thickness, lamps="night" in scene)


# --- things -------------------------------------------------------------------------------------


def _put_things(view: View, zones: Zones) -> None:
    """Place every thing of the scene, then draw from far to near so that they occlude."""
    placed = []
    stamps = {**STAMPS, **INDOORS} if view.scene.habitat == "room" else STAMPS
    for concept in view.scene.concepts:
        if concept in stamps:
            placed += _placements(view, zones, concept, stamps[concept])
    for pen, painter, colour in sorted(placed, key=lambda item: item[0].y):
        painter(pen, colour, view.rng)


def _placements(view: View, zones: Zones, concept: str, stamp: Stamp) -> list[tuple]:
    rng = view.rng
    zone = next(name for name in (stamp.zone, "ground") if name in zones)
    count = int(rng.integers(stamp.count[0], stamp.count[1] + 1))
    base = stamp.size * np.exp(rng.normal(0, 0.28))
    across = (rng.permutation(count) + rng.random(count)) / count
    spots = [_spot(view, zones[zone], stamp, base, 0.06 + 0.88 * x) for x in across]
    colour = COLOURS[view.scene.colours[concept]]
    return [(pen, stamp.painter, vary(rng, colour, 0.05)) for pen in spots]


def _spot(view: View, zone: tuple[float, float], stamp: Stamp, base: float, x: float) -> Pen:
    """A pen at a random height of the zone; nearer things stand lower and are larger."""
    rng, low = view.rng, max(zone[1], zone[0] + 0.02)
    y = rng.uniform(zone[0], low)
    nearness = np.clip((y - view.horizon) / (1 - view.horizon), 0, 1)
    flat = stamp.zone in ("sky", "near", "far")
    size = base * (rng.uniform(0.6, 1.2) if flat else 0.55 + 0.75 * nearness)
    steady = stamp.zone in ("ground", "far")
    angle = rng.normal(0, 0.03 if steady else 0.14)
    return Pen(view.canvas, x, y, size, angle, bool(rng.random() < 0.5),
               0.0 if flat and stamp.zone != "sky" else 0.5 * (1 - nearness))  # fmt: skip


# --- weather ------------------------------------------------------------------------------------


def _weather(view: View) -> None:
    if "rain" in view.scene:
        _rain(view)
    if "snow" in view.scene and view.rng.random() < 0.7:
        _flakes(view)
    if "fog" in view.scene:
        _fog(view)


def _rain(view: View) -> None:
    slant, length = view.rng.normal(0, 0.35), view.rng.uniform(0.05, 0.12)
    for x, y in view.rng.uniform(-0.1, 1.05, (int(view.rng.integers(80, 170)), 2)):
        drop = [(x, y), (x + slant * length, y + length)]
        view.canvas.line(drop, 0.004, (0.88, 0.92, 0.98), alpha=0.55, glow=True)


def _flakes(view: View) -> None:
    for x, y in view.rng.random((int(view.rng.integers(40, 150)), 2)):
        radius = view.rng.uniform(0.003, 0.011)
        view.canvas.disc(x, y, radius, (1, 1, 1), alpha=0.9, glow=True)


def _fog(view: View) -> None:
    haze = view.canvas.light.haze
    for _ in range(6):
        x, y = view.rng.uniform((-0.2, 0.2), (1.2, 1.0))
        width = view.rng.uniform(0.3, 0.7)
        view.canvas.disc(x, y, width, haze, squash=0.12, alpha=0.35, glow=True)


# --- finish -------------------------------------------------------------------------------------


def _framed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The frame of a hand-held camera: a rolled window onto the picture, zoomed in more or less."""
    side, roll = image.width, rng.normal(0, 0.06)
    room = 1 / (abs(np.cos(roll)) + abs(np.sin(roll)))
    window = room * rng.uniform(0.7, 1.0)
    cos, sin = window * np.cos(roll), window * np.sin(roll)
    slack = (1 - window / room) * side / 2
    x, y = side / 2 + rng.uniform(-slack, slack, 2)
    left, top = x - (cos - sin) * side / 2, y - (sin + cos) * side / 2
    matrix = (cos, -sin, left, sin, cos, top)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _finish(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The print: a process (natural, cast or duotone), contrast, a vignette and paper grain."""
    pixels = np.asarray(image, np.float32) / 255
    pixels = _process(pixels, rng)
    pixels = (pixels - 0.5) * rng.uniform(0.75, 1.1) + 0.47 + rng.normal(0, 0.05)
    pixels *= _vignette(len(pixels), rng.uniform(0, 0.35))
    grain = rng.standard_normal(pixels.shape[:2], np.float32)[..., None]
    pixels += grain * np.float32(rng.uniform(0.005, 0.03))
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def _process(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colour tells only part of the story: duotones, casts and swapped inks beside natural ones."""
    kind = rng.random()
    if kind < _DUOTONES:
        tint = np.array(vary(rng, (0.75, 0.62, 0.45), 0.2), np.float32)
        grey = (pixels @ _LUMA)[..., None]
        return grey * (0.45 + 0.55 * grey + (1 - grey) * tint)
    if kind < _DUOTONES + _SWAPPED_INKS:
        pixels = pixels[..., rng.permutation(3)]
    return pixels * rng.uniform(0.84, 1.12, 3).astype(np.float32)


def _vignette(size: int, strength: float) -> np.ndarray:
    ramp = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    return 1 - np.float32(strength) * ((ramp[:, None] + ramp) / 2)[..., None]
