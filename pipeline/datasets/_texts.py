"""Sentences in a file of their own, by the name of an image, as Flickr's sets have them."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pipeline.errors import InputError


def read_texts(path: Path) -> dict[str, list[str]]:
    """The sentences by the name of their image.

    A line is `name.jpg#0<tab>sentence`, with or without the number of the sentence; or a .csv file
    has columns of which the first is the image and the last the sentence, below a header line.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of texts")
    texts = defaultdict(list)
    try:
        for name, sentence in _csv(path) if path.suffix.lower() == ".csv" else _lines(path):
            if sentence.strip():
                texts[PurePosixPath(name.strip()).name].append(" ".join(sentence.split()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as text in UTF-8 ({error})") from None
    if not texts:
        raise InputError(f"{path}: holds no sentence")
    return dict(texts)


def texts_of(path: Path, names: Sequence[str]) -> list[list[str]]:
    """The sentences of each of ``names``, which all need one."""
    texts = read_texts(path)
    keys = [PurePosixPath(name.replace("\\", "/")).name for name in names]
    if without := [key for key in keys if key not in texts]:
        raise InputError(
            f"{path}: {len(without):,} of {len(keys):,} images have no text, such as {without[0]!r}"
        )
    return [texts[key] for key in keys]


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        name, tab, sentence = line.partition("\t")
        if line.strip() and not tab:
            raise InputError(f"{path}, line {number}: a name, a tab and a sentence are needed")
        yield name.partition("#")[0], sentence


def _csv(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader, None)
        for cells in reader:
            if len(cells) == 1:
                raise InputError(f"{path}, line {reader.line_num}: an image and a text are needed")
            if cells:
                yield cells[0], cells[-1]
