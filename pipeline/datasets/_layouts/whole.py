"""One array a view for all rows: `image text labels split` and the names that others give them."""

import re
from collections.abc import Mapping

from pipeline.datasets._arrays import Array, Lazy
from pipeline.errors import InputError

NEEDED = (
    "image, text, labels and split (XAll, IAll or FAll, YAll, LAll; images, tags, labels; "
    "index, caption, label)"
)
_VIEWS: dict[str, tuple[str, ...]] = {
    "image": ("image", "images", "XAll", "IAll", "FAll", "index"),
    "text": ("text", "texts", "tags", "YAll", "caption", "captions"),
}
_GROUP = ("group", "image_id")
_LABELS = ("labels", "label", "LAll", "category")
#: what an array may be -> what it is called then, by view
_CALLED = {
    "image": {"numbers": "image", "pixels": "pixels", "words": "names"},
    "text": {"numbers": "text", "words": "captions"},
}
_PARTS = {
    "query": ("query", "test", "te"),
    "database": ("database", "retrieval", "db", "gallery"),
    "train": ("train", "training", "tr"),
    "validation": ("validation", "val"),
}
_LIST = "(?:idx|index|indices|ind|list|rows|ids?)"


def read(found: Mapping[str, Array]) -> Mapping[str, Array] | None:
    """The arrays by the names that all layouts share."""
    named: dict[str, str] = {}
    for view, aliases in _VIEWS.items():
        for name in (name for name in aliases if name in found):
            _take(named, _called(found[name], view, name), name)
    others: dict[str, tuple[str, ...]] = {"labels": _LABELS, "group": _GROUP}
    for called, aliases in others.items():
        for name in (name for name in aliases if name in found):
            _take(named, called, name)
    if not named.keys() & {"image", "pixels", "names"}:
        return None
    if not named.keys() & {"text", "captions", "names"}:
        return None
    named |= {"split": "split"} if "split" in found else {}
    named |= parts_in(found)
    return Lazy(list(named), lambda name: found[named[name]])


def parts_in(found: Mapping[str, Array]) -> dict[str, str]:
    """Part of the data set -> the name of the array that lists or marks its rows."""
    named: dict[str, str] = {}
    for part, words in _PARTS.items():
        for name in found:
            if re.fullmatch(rf"({_LIST}_)?({'|'.join(words)})(_?{_LIST})?", name, re.IGNORECASE):
                _take(named, part, name)
    return named


def _take(named: dict[str, str], called: str, name: str) -> None:
    if called in named:
        raise InputError(f"{named[called]} and {name} both are {called}; leave one of them out")
    named[called] = name


def _called(array: Array, view: str, name: str) -> str:
    called = _CALLED[view].get(form(array))
    if called is None:
        raise InputError(f"{name} has shape {array.shape}, which is no {view} that is known")
    return called


def form(array: Array) -> str:
    """'words', 'pixels' for numbers of four axes, else 'numbers'."""
    if len(array.shape) == 4:
        return "pixels"
    if 0 not in array.shape and array.rows(slice(0, 1)).dtype.kind in "USO":
        return "words"
    return "numbers"
