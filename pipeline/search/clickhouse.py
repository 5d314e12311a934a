"""The same search in ClickHouse: embedded (chdb) over a Parquet file, or any table of a cluster.

A code is one UInt64 column for every 64 bits, ``image_0, image_1, ...`` and ``text_0, ...``, NULL
where an item lacks the view.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.search.index import Hit, Index, Item
from pipeline.storage.files import atomic_write
from pipeline.storage.recognise import aside

_GROUP = 1 << 16  # items a row group


def words_of(packed: np.ndarray) -> np.ndarray:
    """Packed codes, uint8 (n, bytes), as uint64 (n, words); the last word is filled up with 0."""
    missing = -packed.shape[1] % 8
    padded = np.pad(packed, ((0, 0), (0, missing)))
    return np.ascontiguousarray(padded).view(">u8").astype(np.uint64)


def write_parquet(index: Index, path: Path) -> int:
    """Write the items of an index and their codes as Parquet; how many."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise InputError("Parquet needs pyarrow; the extra `search` installs it") from None
    count = -(-index.bits // 64)
    names = [f"{view}_{i}" for view in ("image", "text") for i in range(count)]
    texts = [pa.field(name, pa.string(), nullable=False) for name in ("id", "path", "caption")]
    schema = pa.schema([*texts, *(pa.field(name, pa.uint64()) for name in names)])
    total = 0
    waiting: list[Any] = []

    def flush(writer: pq.ParquetWriter) -> None:
        if not waiting:
            return
        columns = [[getattr(item, name) for item, *_ in waiting] for name in schema.names[:3]]
        for view in (1, 2):
            words = [
                [None] * count if row[view] is None else _words_of_one(row[view]) for row in waiting
            ]
            columns += [[row[i] for row in words] for i in range(count)]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        waiting.clear()

    with atomic_write(path) as part, pq.ParquetWriter(part, schema) as writer:
        for row in index.items():
            waiting.append(row)
            total += 1
            if len(waiting) == _GROUP:
                flush(writer)
        flush(writer)
    return total


def _words_of_one(blob: bytes) -> list[int]:
    return words_of(np.frombuffer(blob, np.uint8)[None])[0].tolist()


def statement(code: np.ndarray, view: str, k: int, source: str) -> str:
    """The query for the ``k`` items nearest to ``code``, bool (bits,).

    source  a table, also a distributed one, or a table function such as ``file(...)``
    """
    if view not in ("image", "text"):
        raise InputError(f"no view is named {view!r}; there are image and text")
    words = words_of(np.packbits(code)[None])[0].tolist()
    distance = " + ".join(
        f"bitHammingDistance(assumeNotNull({view}_{i}), toUInt64({word}))"
        for i, word in enumerate(words)
    )
    return (
        f"SELECT id, path, caption, {distance} AS distance FROM {source} "
        f"WHERE {view}_0 IS NOT NULL ORDER BY distance, id LIMIT {int(k)}"
    )


def search(parquet: Path, code: np.ndarray, view: str, k: int) -> list[Hit]:
    """The items of a Parquet file nearest to ``code``, bool (bits,), by embedded ClickHouse."""
    try:
        import chdb
    except ModuleNotFoundError:
        raise InputError(
            "the engine clickhouse needs chdb; the extra `search` installs it"
        ) from None
    if not parquet.is_file():
        raise InputError(f"{parquet}: no such file; `cmimh index export` makes it")
    name = str(parquet.resolve()).replace("\\", "\\\\").replace("'", "\\'")
    try:
        found = str(chdb.query(statement(code, view, k, f"file('{name}', Parquet)"), "JSONEachRow"))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        kind = aside(parquet, but="a Parquet file")
        raise InputError(f"{parquet}: ClickHouse cannot search it ({reason:.200}){kind}") from None
    rows = (json.loads(line) for line in found.splitlines() if line)
    return [
        Hit(Item(row["id"], row["path"], row["caption"]), int(row["distance"]), 0.0) for row in rows
    ]
