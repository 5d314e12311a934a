"""Forty plain pictures with captions, and a model of 16 bits on them that needs no download."""

import json

import numpy as np
from PIL import Image

from pipeline.features.encode import write_features
from pipeline.methods import create
from pipeline.models.folder import Made, write_model
from pipeline.search.index import Item
from pipeline.storage.store import Pairs, Provenance, open_features

WORDS = ["red", "green", "blue", "dark"]
CAPTIONS = [f"a {WORDS[n % 4]} picture" for n in range(40)]


def picture(number, size=(48, 40)):
    """A plain picture of one of four colours, each a little different."""
    colour = [(220, 30, 30), (30, 200, 40), (30, 40, 220), (25, 25, 25)][number % 4]
    pixels = np.random.default_rng(number).normal(colour, 12, (size[1], size[0], 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_pictures(folder):
    for number in range(40):
        picture(number).save(folder / f"{number}.png")
    return folder


def write_small_model(folder, photographs):
    """CVH on the pictures and the colours in their captions, in ``folder / "m"``."""
    names = [f"{n}.png" for n in range(40)]
    tags = np.eye(4, dtype=np.uint8)[np.arange(40) % 4]
    captions = [[caption] for caption in CAPTIONS]
    pairs = Pairs(names, tags, WORDS, names, str(photographs), tags, WORDS, captions)
    views, encoders = [], {}
    for view, kind in (("image", "efficientnet_lite"), ("text", "tags")):
        path = folder / f"{view}.h5"
        facts = write_features(pairs, view, path, Provenance("t"), kind=kind, device="cpu")
        about = {"kind": kind, "view": view, "options": {}, "facts": facts}
        encoders[view] = folder / f"{view}.json"
        encoders[view].write_text(json.dumps(about))
        with open_features(path) as features:
            views.append(features.rows(slice(None)))
    write_model(
        folder / "m", create("cvh", bits=16, seed=0).fit(*views), Made("cvh", 0, encoders, {}, {})
    )
    return folder / "m"


def items_of(photographs, numbers=range(40)):
    return [Item(str(n), str(photographs / f"{n}.png"), CAPTIONS[n]) for n in numbers]
