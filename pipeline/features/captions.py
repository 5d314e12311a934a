"""Which texts stand for a pair."""

import numpy as np

from pipeline.errors import InputError
from pipeline.seeds import derive
from pipeline.storage.store import Pairs


def texts_of(
    pairs: Pairs,
    *,
    captions: str = "one",
    seed: int = 0,
    template: str = "",
    prefer: str = "tags",
) -> list[list[str]]:
    """The texts of each pair: one caption drawn by ``seed``, 'all' of them, or a sentence of tags.

    template  such as 'a photo of {tags}'
    prefer    with a template, what is encoded where pairs have both: 'tags' or 'captions'
    """
    if prefer not in ("tags", "captions"):
        raise InputError(f"prefer is 'tags' or 'captions', not {prefer!r}")
    if template and (prefer == "tags" or pairs.captions is None):
        return [[sentence] for sentence in _of_tags(pairs, template)]
    if captions not in ("one", "all"):
        raise InputError(f"captions are 'one' or 'all', not {captions!r}")
    drawn = draw_captions(pairs, seed)
    if captions == "all" and pairs.captions is not None:  # without any, drawing has raised
        return list(map(list, pairs.captions))
    return [[text] for text in drawn]


def draw_captions(pairs: Pairs, seed: int) -> list[str]:
    """One caption per pair, drawn uniformly from the pair's own by ``seed``."""
    if pairs.captions is None:
        raise InputError("caption features need captions, and this data set's pairs have none")
    counts = np.array([len(group) for group in pairs.captions])
    if len(empty := np.flatnonzero(counts == 0)):
        raise InputError(f"{len(empty)} pairs have no caption, first {pairs.ids[empty[0]]!r}")
    chosen = np.random.default_rng(derive(seed, "caption")).integers(counts)
    return [group[index] for group, index in zip(pairs.captions, chosen, strict=True)]


def _of_tags(pairs: Pairs, template: str) -> list[str]:
    if pairs.tags is None:
        raise InputError("a template needs tags, and this data set's pairs have none")
    if "{tags}" not in template:
        raise InputError(f"the template {template!r} has no {{tags}}, where the tags belong")
    names = np.asarray(pairs.tag_names, dtype=object)
    rows = (", ".join(names[np.flatnonzero(row)]) for row in pairs.tags)
    return [template.replace("{tags}", row) for row in rows]
