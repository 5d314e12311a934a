"""What a drawn scene holds: the 24 concepts, where they live, and how often they meet.

A scene is a habitat plus concepts drawn from the habitat's own chances, so that concepts
co-occur with structure (boats need water, cacti a desert) and the labels have a long tail.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

CONCEPTS = (
    "water", "tree", "mountain", "city", "night", "bird", "flower", "house", "snow", "boat",
    "indoor", "car", "sheep", "rain", "sunset", "balloon", "cat", "fog", "cactus", "fish",
    "train", "lighthouse", "windmill", "rainbow",
)  # fmt: skip
"""The label names, roughly from the most to the least frequent."""

COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.83, 0.22, 0.20),
    "orange": (0.93, 0.53, 0.18),
    "yellow": (0.96, 0.80, 0.27),
    "green": (0.33, 0.62, 0.34),
    "blue": (0.22, 0.44, 0.74),
    "purple": (0.52, 0.34, 0.66),
    "pink": (0.93, 0.56, 0.66),
    "brown": (0.52, 0.36, 0.25),
    "white": (0.95, 0.94, 0.91),
    "black": (0.17, 0.17, 0.20),
}


@dataclass(frozen=True)
class Habitat:
    """A kind of place: its share of all scenes, what is always there, and what may be there."""

    share: float
    always: tuple[str, ...]
    chances: Mapping[str, float]


_SKY = {"night": 0.11, "sunset": 0.06, "rain": 0.05, "fog": 0.03, "rainbow": 0.012}

HABITATS: Mapping[str, Habitat] = {
    "coast": Habitat(
        0.13,
        ("water",),
        _SKY
        | {"boat": 0.40, "bird": 0.35, "lighthouse": 0.10, "house": 0.08, "sunset": 0.14,
           "tree": 0.10, "mountain": 0.08},
    ),
    "lake": Habitat(
        0.08,
        ("water",),
        _SKY
        | {"boat": 0.35, "tree": 0.45, "mountain": 0.40, "bird": 0.12, "house": 0.15,
           "fog": 0.09, "snow": 0.05},
    ),
    "reef": Habitat(0.024, ("water", "fish"), {}),
    "meadow": Habitat(
        0.22,
        (),
        _SKY
        | {"tree": 0.32, "flower": 0.42, "sheep": 0.24, "house": 0.16, "bird": 0.20,
           "balloon": 0.15, "windmill": 0.08, "mountain": 0.05, "rainbow": 0.04, "train": 0.03},
    ),
    "hills": Habitat(
        0.13,
        ("mountain",),
        _SKY
        | {"tree": 0.24, "snow": 0.12, "sheep": 0.13, "house": 0.15, "bird": 0.12, "train": 0.06,
           "balloon": 0.07, "fog": 0.05},
    ),
    "street": Habitat(
        0.18,
        ("city",),
        _SKY
        | {"car": 0.38, "night": 0.26, "rain": 0.13, "tree": 0.16, "bird": 0.05, "train": 0.03,
           "snow": 0.04},
    ),
    "desert": Habitat(
        0.056,
        (),
        {"cactus": 0.45, "mountain": 0.2, "car": 0.14, "night": 0.12, "sunset": 0.14,
         "bird": 0.10},
    ),
    "room": Habitat(0.10, ("indoor",), {"cat": 0.36, "flower": 0.40, "night": 0.10, "fish": 0.03}),
    "snowfield": Habitat(
        0.08,
        ("snow",),
        {"tree": 0.36, "house": 0.34, "night": 0.14, "mountain": 0.14, "bird": 0.10,
         "fog": 0.03, "sunset": 0.05},
    ),
}  # fmt: skip
"""Shares sum to one; a habitat's chances are those of each concept given the habitat."""

_EXCLUSIVE = (("night", "sunset", "rainbow"), ("rain", "fog", "snow", "rainbow"))


@dataclass(frozen=True)
class Scene:
    """What is in one picture: its habitat, its concepts and the colour name of each of them."""

    habitat: str
    concepts: tuple[str, ...]
    colours: Mapping[str, str]

    def __contains__(self, concept: str) -> bool:
        return concept in self.concepts


def plan(rng: np.random.Generator) -> Scene:
    """Draw the contents of one scene; at least one concept, in the order of ``CONCEPTS``."""
    names = list(HABITATS)
    shares = np.array([habitat.share for habitat in HABITATS.values()])
    while True:
        name = names[rng.choice(len(names), p=shares / shares.sum())]
        concepts = _concepts(HABITATS[name], rng)
        if concepts:
            return Scene(name, concepts, {concept: _colour(concept, rng) for concept in concepts})


def _colour(concept: str, rng: np.random.Generator) -> str:
    unlikely = ("green", "brown", "black") if concept == "flower" else ()
    return str(rng.choice([colour for colour in COLOURS if colour not in unlikely]))


def _concepts(habitat: Habitat, rng: np.random.Generator) -> tuple[str, ...]:
    found = [name for name, chance in habitat.chances.items() if rng.random() < chance]
    rng.shuffle(found)
    kept = list(habitat.always)
    for concept in found:
        if not any(concept in group and set(group) & set(kept) for group in _EXCLUSIVE):
            kept.append(concept)
    return tuple(concept for concept in CONCEPTS if concept in kept)
