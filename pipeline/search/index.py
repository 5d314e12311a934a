"""An index: a folder with a model, and one SQLite file with the items and their codes.

SQLite holds everything, so that an ``add`` or ``remove`` that is killed has happened wholly or not
at all. What faiss searches is built from it when the index is opened.
"""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.features.captions import draw_captions
from pipeline.features.decode import read_file
from pipeline.features.kinds import can_reopen
from pipeline.models.folder import DESCRIPTION
from pipeline.models.model import Model, load
from pipeline.search.ranking import Codes
from pipeline.storage import store
from pipeline.storage.files import sha256, umask
from pipeline.storage.recognise import aside

FORMAT = 1
_FILE, _MODEL = "items.sqlite", "model"
_BATCH = 256  # items encoded at a time, and written in one transaction with all others of an add
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE items (
  row INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  path TEXT NOT NULL,
  caption TEXT NOT NULL,
  digest TEXT NOT NULL,
  image BLOB,
  text BLOB
);
"""


@dataclass(frozen=True)
class Item:
    """Something to be found: an image, a caption, or both.

    path  of the image, absolute; '' for none
    """

    id: str
    path: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Hit:
    """A found item, its Hamming distance from the query, and what told it from its equals."""

    item: Item
    distance: int
    score: float


class Index:
    """An open index; ``create`` makes one, ``Index(folder)`` opens one.

    Raises InputError where there is none, or it is damaged or of another version.
    """

    def __init__(self, folder: Path | str, device: str = "auto") -> None:
        self.folder, self._device = Path(folder), device
        if not (self.folder / _FILE).is_file():
            raise InputError(f"{folder}: no index is here; `cmimh index create` makes one")
        about = dict(self._read("SELECT name, value FROM about"))
        if about.get("format") != str(FORMAT):
            raise InputError(
                f"{folder}: an index of format {about.get('format')}; this version reads {FORMAT}"
            )
        try:
            self.bits, self.method = int(about["bits"]), about["method"]
            self.identity = about["model"]  # which model the codes are of
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"{self.folder}: damaged, what it says of itself ({error})") from None

    @cached_property
    def model(self) -> Model:
        """The model of the index, a copy of the one it was created with."""
        model = load(self.folder / _MODEL, self._device)
        if model.identity != self.identity:
            raise InputError(
                f"{self.folder}: holds codes of another model than the one beside them"
            )
        return model

    def __len__(self) -> int:
        return self._read("SELECT count(*) FROM items")[0][0]

    def add(self, items: Sequence[Item], progress: Any = None) -> int:
        """Encode and add items, all or none; those that are there unchanged are left alone.

        An item of a known id replaces that one. Returns how many were encoded.

        Raises InputError for an image that cannot be read, an id given twice, an item of nothing.
        """
        _check(items)
        known = dict(self._read("SELECT id, digest FROM items"))
        digests = {item.id: digest_of(item) for item in items}
        fresh = [item for item in items if known.get(item.id) != digests[item.id]]
        with self._transaction() as database:
            for first in range(0, len(fresh), _BATCH):
                batch = fresh[first : first + _BATCH]
                self._insert(database, batch, digests, self._codes(batch, "image"),
                             self._codes(batch, "text"))  # fmt: skip
                if progress is not None:
                    progress.update(len(batch))
        return len(fresh)

    def add_codes(
        self,
        items: Sequence[Item],
        image: np.ndarray | None,
        text: np.ndarray | None,
        identity: str,
    ) -> None:
        """Add items whose codes, bool (n, bits), the model called ``identity`` has given."""
        _check(items, bare=True)
        if identity != self.identity:
            raise InputError(
                f"{self.folder}: these codes are of another model ({identity[:12]}…) than those of "
                f"the index ({self.identity[:12]}…)"
            )
        packed: list[dict[str, bytes | None]] = []
        for codes in (image, text):
            if codes is not None and codes.shape != (len(items), self.bits):
                raise InputError(f"codes of {codes.shape} for {len(items)} items, {self.bits} bits")
            blobs = [None] * len(items) if codes is None else _packed(codes)
            packed.append(dict(zip((item.id for item in items), blobs, strict=True)))
        with self._transaction() as database:
            self._insert(database, items, {item.id: _digest_if_there(item) for item in items},
                         *packed)  # fmt: skip

    def remove(self, ids: Iterable[str]) -> int:
        """Remove items by id, all or none; how many. InputError for an id that is not there."""
        ids = list(ids)
        with self._transaction() as database:
            for name in ids:
                if not database.execute("DELETE FROM items WHERE id = ?", (name,)).rowcount:
                    raise InputError(f"{self.folder}: no item has the id {name!r}; none is removed")
        return len(ids)

    def info(self) -> dict[str, Any]:
        """What is in the index, JSON-able."""
        counts = self._read("SELECT count(*), count(image), count(text) FROM items")[0]
        names = ("items", "images", "texts")
        size = sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())
        return {
            "method": self.method,
            "bits": self.bits,
            "model": self.identity,
            **dict(zip(names, counts, strict=True)),
            "bytes": size,
        }

    def item(self, name: str) -> Item:
        """The item of an id; InputError where there is none."""
        return Item(*self._one("id, path, caption", name))

    def items(self) -> Iterator[tuple[Item, bytes | None, bytes | None]]:
        """All items with their packed codes, by row."""
        for row in self._read("SELECT id, path, caption, image, text FROM items ORDER BY row"):
            yield Item(*row[:3]), row[3], row[4]

    def codes_of(self, name: str) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The codes of an item's image and caption, bool (bits,)."""
        image, text = self._one("image, text", name)
        return self._unpacked(image), self._unpacked(text)

    def _one(self, columns: str, name: str) -> tuple[Any, ...]:
        found = self._read(f"SELECT {columns} FROM items WHERE id = ?", (name,))
        if not found:
            raise InputError(f"{self.folder}: no item has the id {name!r}")
        return found[0]

    def searchable(self, view: str, kind: str = "flat") -> "Searchable":
        """The codes of one view ('image' or 'text') as they are now, ready to be searched.

        kind  'flat' (exact), 'hnsw' or 'ivf' (approximate)
        """
        assert view in ("image", "text")
        size = -(-self.bits // 8)
        query = f"SELECT row, {view} FROM items WHERE {view} IS NOT NULL ORDER BY row"
        with self._open() as database:
            found = database.execute(query).fetchall()
        rows = np.fromiter((row for row, _ in found), np.int64, len(found))
        if any(not isinstance(blob, bytes) or len(blob) != size for _, blob in found):
            raise InputError(f"{self.folder}: damaged, codes of another length than {size} bytes")
        data = b"".join(blob for _, blob in found)
        packed = np.frombuffer(data, np.uint8).reshape(-1, size)
        return Searchable(self, rows, Codes(packed, self.bits, kind))

    def version(self) -> int:
        """A number that changes with every change of the items."""
        return int(self._read("SELECT value FROM about WHERE name = 'generation'")[0][0])

    # --- inside -----------------------------------------------------------------------------------

    def _codes(self, items: Sequence[Item], view: str) -> dict[str, bytes]:
        """The packed codes of one view of those items that have it, by id."""
        some: dict[str, Any]
        encode: Callable[[list[Any]], np.ndarray]
        if view == "image":
            some = {item.id: Path(item.path) for item in items if item.path}
            encode = self.model.encode_images
        else:
            some = {item.id: item.caption for item in items if item.caption}
            encode = self.model.encode_texts
        if not some or not can_reopen(self.model.about["encoders"].get(view, {}).get("kind")):
            return {}
        return dict(zip(some, _packed(encode(list(some.values()))), strict=True))

    def _insert(
        self,
        database: sqlite3.Connection,
        items: Sequence[Item],
        digests: dict[str, str],
        image: Mapping[str, bytes | None],
        text: Mapping[str, bytes | None],
    ) -> None:
        rows = [
            (i.id, i.path, i.caption, digests[i.id], image.get(i.id), text.get(i.id)) for i in items
        ]
        database.executemany(
            "INSERT INTO items (id, path, caption, digest, image, text) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET path = excluded.path, caption = excluded.caption, "
            "digest = excluded.digest, image = excluded.image, text = excluded.text",
            rows,
        )

    def _unpacked(self, blob: bytes | None) -> np.ndarray | None:
        if blob is None:
            return None
        return np.unpackbits(np.frombuffer(blob, np.uint8), count=self.bits).view(bool)

    def fetch(self, rows: Sequence[int]) -> dict[int, Item]:
        """Items by row."""
        marks = ",".join("?" * len(rows))
        query = f"SELECT row, id, path, caption FROM items WHERE row IN ({marks})"
        return {row[0]: Item(*row[1:]) for row in self._read(query, [int(r) for r in rows])}

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[tuple]:
        with self._open() as database:
            return database.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / _FILE
        try:
            database = sqlite3.connect(path, timeout=60, isolation_level=None)
            try:
                database.execute("PRAGMA trusted_schema = OFF")
                yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            kind = aside(path, but="an SQLite database")
            raise InputError(f"{path}: cannot be used as an index ({error}){kind}") from None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._open() as database:
            if self._has_triggers(database):
                raise InputError(f"{self.folder}: holds triggers or views, which no index has")
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute(
                    "UPDATE about SET value = CAST(value AS INTEGER) + 1 WHERE name = 'generation'"
                )
                database.execute("COMMIT")
            except BaseException:
                database.execute("ROLLBACK")
                raise

    @staticmethod
    def _has_triggers(database: sqlite3.Connection) -> bool:
        query = "SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', 'view')"
        return database.execute(query).fetchone()[0] > 0


@dataclass(frozen=True)
class Searchable:
    """The codes of one view of an index at one moment."""

    index: Index
    rows: np.ndarray
    codes: Codes

    def search(
        self, codes: np.ndarray, values: np.ndarray | None = None, k: int = 10
    ) -> list[list[Hit]]:
        """The k nearest items of each query, nearest first.

        codes   of the queries, bool (q, bits)
        values  the real values behind them, float (q, bits), by which equals are told apart; None:
                equals by the order in which they were added
        """
        results = []
        for number, code in enumerate(codes):
            value = None if values is None else values[number]
            places, distances, scores = self.codes.nearest(code, value, k)
            items = self.index.fetch(self.rows[places].tolist())
            results.append(
                [
                    Hit(items[int(self.rows[place])], int(distance), float(score))
                    for place, distance, score in zip(places, distances, scores, strict=True)
                    if int(self.rows[place]) in items  # unless removed meanwhile
                ]
            )
        return results


def create(folder: Path | str, model: Path | str) -> Index:
    """A new, empty index for the codes of a model, which is copied into it.

    Raises InputError where something is in ``folder``, or where the model's codes are real-valued.
    """
    folder, source = Path(folder), Path(model)
    known = load(source, "cpu")
    if known.hasher.real_valued:
        raise InputError(f"{model}: codes of {known.about['method']} are not binary: no index here")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; an index needs a folder of its own")
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # under another name first: a kill leaves no folder that is neither an index nor empty
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        _fill(part, source, known)
        part.chmod(0o777 & ~umask())
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Index(folder)


def _fill(folder: Path, source: Path, known: Model) -> None:
    """A copy of the model, and a database without items."""
    (folder / _MODEL).mkdir()
    for name in (*known.about["files"], DESCRIPTION):
        shutil.copyfile(source / name, folder / _MODEL / name)
    database = sqlite3.connect(folder / _FILE)
    with contextlib.closing(database), database:
        database.executescript(_SCHEMA)
        about = {
            "format": FORMAT,
            "model": sha256(folder / _MODEL / DESCRIPTION),
            "method": known.about["method"],
            "bits": known.bits,
            "generation": 0,
        }
        database.executemany(
            "INSERT INTO about VALUES (?, ?)", [(k, str(v)) for k, v in about.items()]
        )


def add_pairs(index: Index, model: Path, pairs: Path) -> int:
    """Add the pairs of a data set by the codes that lie beside the model they were trained for.

    Nothing is encoded again, nor when the same items are added once more. Pairs that lack a view's
    features, as their picture cannot be read, are skipped. Returns how many are added; raises
    InputError where codes and model are not of one training.
    """
    codes_file = model.absolute().parents[1] / "codes.h5"
    made = store.attributes_of(codes_file)
    trained = json.loads(made["inputs"])
    if trained != index.model.about["inputs"]:
        raise InputError(f"{codes_file}: these codes and the model {model} are of two trainings")
    known, codes = store.read_pairs(pairs), store.read_codes(codes_file)
    number = codes.seeds.index(index.model.about["seed"])
    rows = np.flatnonzero(_usable(json.loads(made["input_paths"]), len(known)))
    captions = _captions(known, index.model.about["encoders"].get("text", {}))
    root = Path(known.image_root).resolve()
    items = [
        Item(known.ids[row], str(root / known.images[row]) if known.images else "", captions[row])
        for row in rows.tolist()
    ]
    index.add_codes(items, codes.image[number][rows], codes.text[number][rows], index.identity)
    return len(items)


def _usable(paths: Mapping[str, str], count: int) -> np.ndarray:
    """Which pairs have the features of both views, bool (count,), by the files they were in."""
    usable = np.ones(count, bool)
    for path in (Path(paths[view]) for view in ("image", "text") if view in paths):
        if path.is_file():
            with store.open_features(path) as features:
                usable &= features.valid
    return usable


def _captions(pairs: store.Pairs, text: Mapping[str, Any]) -> list[str]:
    """The text of each pair that the encoder ``text`` has seen, or its tags."""
    if pairs.captions is not None:
        return draw_captions(pairs, text.get("options", {}).get("caption_seed", 0))
    if pairs.tags is None:
        return [""] * len(pairs)
    names = np.asarray(pairs.tag_names, object)
    return [", ".join(names[np.flatnonzero(row)]) for row in pairs.tags]


def items_of_table(path: Path) -> list[Item]:
    """The pairs of a table, as ``datasets.folder`` reads it; of several captions the first."""
    from pipeline.datasets.folder import pairs

    listed = pairs(path.parent, table=path.name)
    texts = listed.captions or [[""]] * len(listed)
    root = Path(listed.image_root).resolve()
    return [
        Item(name, str(root / image) if image else "", group[0])
        for name, image, group in zip(listed.ids, listed.images, texts, strict=True)
    ]


def digest_of(item: Item) -> str:
    """What tells an item from a changed one: the bytes of its image, and its caption."""
    found = hashlib.sha256(item.caption.encode())
    if item.path:
        try:
            found.update(hashlib.sha256(read_file(Path(item.path))).digest())
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{item.path} cannot be read ({error})") from None
    return found.hexdigest()


def _digest_if_there(item: Item) -> str:
    """``digest_of``; of an item whose image is not there, nothing, which is no item's digest."""
    try:
        return digest_of(item)
    except InputError:
        return ""


def _check(items: Sequence[Item], bare: bool = False) -> None:
    seen: set[str] = set()
    for item in items:
        if not item.id:
            raise InputError(f"an item has no id: {item.path or item.caption!r}")
        if item.id in seen:
            raise InputError(f"the id {item.id!r} is given twice")
        if not bare and not item.path and not item.caption:
            raise InputError(f"the item {item.id!r} has neither an image nor a caption")
        seen.add(item.id)


def _packed(codes: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(codes, axis=1)]
