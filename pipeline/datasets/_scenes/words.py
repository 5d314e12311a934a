"""What people might write about a scene: tags and English captions, neither complete nor clean.

Both name a concept by one of several words, leave some concepts out, and add words about colour,
the place, the picture or nothing in it at all.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.datasets._scenes.plan import COLOURS, CONCEPTS, Scene

WORDS: Mapping[str, tuple[str, ...]] = {
    "water": ("water", "blue", "waves", "reflection"),
    "tree": ("tree", "trees", "forest", "leaves", "woods"),
    "mountain": ("mountain", "mountains", "peaks", "alps", "rocks"),
    "city": ("city", "buildings", "street", "urban", "skyline", "downtown"),
    "night": ("night", "stars", "dark", "moon", "evening"),
    "bird": ("bird", "birds", "gull", "wings", "flying"),
    "flower": ("flower", "flowers", "bloom", "petals", "garden"),
    "house": ("house", "cottage", "home", "village"),
    "snow": ("snow", "winter", "cold", "ice", "white"),
    "boat": ("boat", "boats", "ship", "sailing", "harbour"),
    "indoor": ("indoor", "room", "home", "interior", "furniture"),
    "car": ("car", "cars", "traffic", "road", "auto"),
    "sheep": ("sheep", "lamb", "flock", "farm", "wool"),
    "rain": ("rain", "wet", "storm", "umbrella"),
    "sunset": ("sunset", "dusk", "evening", "glow"),
    "balloon": ("balloon", "balloons", "hotair", "festival"),
    "cat": ("cat", "kitty", "pet", "whiskers"),
    "fog": ("fog", "mist", "haze", "misty"),
    "cactus": ("cactus", "cacti", "spines", "desert"),
    "fish": ("fish", "fishes", "underwater", "aquarium"),
    "train": ("train", "railway", "locomotive", "steam"),
    "lighthouse": ("lighthouse", "beacon", "tower"),
    "windmill": ("windmill", "mill", "holland"),
    "rainbow": ("rainbow", "colours", "arc"),
}
"""Tag words of each concept, the commonest first."""

_PLACES: Mapping[str, tuple[str, ...]] = {
    "coast": ("sea", "beach", "ocean", "coast", "sand"),
    "lake": ("lake", "river", "shore", "calm"),
    "reef": ("reef", "diving", "coral", "sea"),
    "meadow": ("meadow", "grass", "field", "green", "countryside"),
    "hills": ("hills", "hiking", "valley", "landscape"),
    "street": ("street", "road", "architecture", "town"),
    "desert": ("desert", "sand", "dry", "heat"),
    "room": ("wall", "window", "floor", "cosy"),
    "snowfield": ("field", "frost", "december", "landscape"),
}

_NOISE = (
    "photo", "nikon", "canon", "2007", "2008", "2009", "holiday", "travel", "favourite", "art",
    "beautiful", "friends", "summer", "spring", "sunday", "walk", "explore", "light", "colour",
    "nature", "europe", "old", "family", "trip", "film", "macro", "wide", "quiet", "happy", "sky",
    "clouds", "morning",
)  # fmt: skip

_PHRASES: Mapping[str, tuple[str, ...]] = {
    "tree": ("a tree", "some trees", "a group of trees", "a few tall trees"),
    "bird": ("{a} bird", "birds", "a bird in flight", "some gulls"),
    "flower": ("{c} flowers", "some flowers in bloom", "a patch of {c} blossoms"),
    "house": ("{a} house", "a small cottage", "a little {c} home"),
    "boat": ("{a} boat", "a ship", "a small {c} vessel", "boats"),
    "car": ("{a} car", "a vehicle", "a parked {c} automobile", "cars"),
    "sheep": ("sheep", "a flock of sheep", "some woolly animals", "grazing lambs"),
    "balloon": ("{a} balloon", "a hot air balloon", "a striped {c} balloon"),
    "cat": ("a cat", "a sitting cat", "a kitten", "somebody's pet"),
    "cactus": ("a cactus", "tall cacti", "a prickly plant"),
    "fish": ("{c} fish", "a few fish", "{a} fish swimming"),
    "train": ("a train", "a steam engine with wagons", "{a} locomotive"),
    "lighthouse": ("a lighthouse", "{a} and white tower", "a striped beacon"),
    "windmill": ("a windmill", "an old mill", "a mill with four sails"),
    "mountain": ("mountains", "high peaks", "a mountain range", "rocky summits"),
    "rainbow": ("a rainbow", "a coloured arc in the sky"),
}
"""How a caption names what is in the picture; {c} is a colour, {a} the colour with its article."""

_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "coast": ("by the sea", "on the coast", "at the beach", "near the ocean"),
    "lake": ("by a lake", "beside calm water", "at the water's edge"),
    "reef": ("under water", "in the deep sea", "at a reef"),
    "meadow": ("in a meadow", "in a green field", "in the countryside", "on the grass"),
    "hills": ("in the highlands", "in a mountain valley", "below the summits"),
    "street": ("in the city", "on a street with tall buildings", "downtown", "in a town"),
    "desert": ("in the desert", "on dry sand", "in a hot and empty land"),
    "room": ("in a room", "inside a house", "indoors", "in the living room"),
    "snowfield": ("in the snow", "in a white field", "on a winter day"),
}

_MOODS: Mapping[str, tuple[str, ...]] = {
    "night": ("at night", "under the stars", "in the dark", "by moonlight"),
    "sunset": ("at sunset", "in the evening glow", "at dusk"),
    "rain": ("in the rain", "on a wet day", "during a shower"),
    "fog": ("in the fog", "on a misty day", "in thick haze"),
    "snow": ("in the snow", "on a cold winter day", "with snow on the ground"),
}

_OPENINGS = (
    "",
    "",
    "",
    "a picture of ",
    "a view of ",
    "looking at ",
    "we saw ",
    "a photo showing ",
)
_ENDINGS = (
    "",
    "",
    "",
    "",
    " taken last year",
    " during our trip",
    ", my favourite",
    " last sunday",
)
_EMPTY = ("a quiet place", "an empty scene", "a wide view", "nothing much going on")

_NAMED_IN_TAGS = 0.66
_NAMED_IN_CAPTION = 0.75
_MISTAKE = 0.15


def tags(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Distinct tag words in random order; always at least one that belongs to the scene."""
    words: list[str] = []
    for concept in _kept(scene.concepts, _NAMED_IN_TAGS, rng):
        words += _some(WORDS[concept], 1 + int(rng.random() < 0.5), rng)
        if rng.random() < 0.2:
            words.append(scene.colours[concept])
    if not words or rng.random() < 0.35:
        words += _some(_PLACES[scene.habitat], 1 + int(rng.random() < 0.35), rng)
    if rng.random() < _MISTAKE:
        words.append(WORDS[str(rng.choice(CONCEPTS))][0])
    words += _some(_NOISE, int(rng.poisson(2.2)), rng)
    distinct = list(dict.fromkeys(words))
    return [distinct[i] for i in rng.permutation(len(distinct))]


def vocabulary() -> list[str]:
    """Every word that can be a tag, sorted."""
    lists = (*WORDS.values(), *_PLACES.values(), _NOISE, tuple(COLOURS))
    return sorted({word for words in lists for word in words})


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """One English sentence, lower case save its first letter."""
    mentioned = _kept(scene.concepts, _NAMED_IN_CAPTION, rng)
    if rng.random() < _MISTAKE:
        mentioned.append(str(rng.choice(list(_PHRASES))))
    things = list(dict.fromkeys(c for c in mentioned if c in _PHRASES))
    subject = _join([_phrase(c, scene, rng) for c in _shuffled(things, rng)]) or _pick(_EMPTY, rng)
    where = [_pick(_SETTINGS[scene.habitat], rng)] if rng.random() < 0.7 else []
    when = [_pick(_MOODS[concept], rng) for concept in mentioned if concept in _MOODS]
    sentence = " ".join([_pick(_OPENINGS, rng) + subject, *dict.fromkeys(where + when)])
    return sentence[0].upper() + sentence[1:] + _pick(_ENDINGS, rng) + "."


def _kept(concepts: Sequence[str], chance: float, rng: np.random.Generator) -> list[str]:
    return [concept for concept in concepts if rng.random() < chance]


def _some(words: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """``count`` distinct words, earlier ones likelier."""
    weight = 1 / (1 + np.arange(len(words)))
    return [str(w) for w in rng.choice(words, min(count, len(words)), False, weight / weight.sum())]


def _pick(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _shuffled(words: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [words[i] for i in rng.permutation(len(words))]


def _phrase(concept: str, scene: Scene, rng: np.random.Generator) -> str:
    colour = scene.colours.get(concept, "blue")
    article = "an" if colour[0] in "aeiou" else "a"
    return _pick(_PHRASES[concept], rng).format(c=colour, a=f"{article} {colour}")


def _join(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)
