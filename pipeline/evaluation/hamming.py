"""Counting by Hamming distance: the compiled kernels over packed codes and labels.

Every pair of a query and a database item becomes one 16-bit key, 2 * distance + relevance. The keys
of a block of the database are made in vector registers and counted before the next block is
touched, so nothing of the size queries x database ever exists.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pipeline.evaluation.compiled import compiled
from pipeline.storage.packed import PackedRows

Rows = np.ndarray | PackedRows  # of zeros and ones, (n, width)

BLOCK = 2048  # database items a block: codes, labels and keys of a block stay in the L1/L2 caches
TILE = 16  # queries a task: enough to use a block while it is cached, few enough to share out
_PACK = 65_536  # rows packed at a time: no temporary of the size of the input
_FAR = np.uint16(0xFFFF)  # a key beyond every bound
LANES = 4  # counters a key: increments of neighbours that have the same key need not wait
GROUP = 64  # keys that are compared with the bound at once, a bit of a word each; divides BLOCK


@dataclass(frozen=True)
class Packed:
    """Codes and labels of n items as columns of 32-bit words, of which a register holds the most.

    codes: uint32 (ceil(bits / 32), n); labels: uint32 (ceil(classes / 32), n).
    """

    codes: np.ndarray
    labels: np.ndarray
    bits: int

    def __len__(self) -> int:
        return self.codes.shape[1]


def pack(codes: Rows, labels: Rows, rows: np.ndarray | None = None) -> Packed:
    """Pack bool codes (n, bits) and 0/1 labels (n, c), all of them or ``rows`` alone."""
    return Packed(_words(codes, rows), _words(labels, rows), codes.shape[1])


def _words(bits: Rows, rows: np.ndarray | None) -> np.ndarray:
    count, width = len(bits) if rows is None else len(rows), bits.shape[1]
    words = np.zeros((-(-width // 32), count), np.uint32)
    for start in range(0, count, _PACK):
        some = slice(start, start + _PACK)
        packed = np.packbits(bits[some if rows is None else rows[some]] != 0, axis=1)
        padded = np.pad(packed, ((0, 0), (0, 4 * len(words) - packed.shape[1])))
        words[:, start : start + _PACK] = np.ascontiguousarray(padded).view(np.uint32).T
    return words


def histograms(query: Packed, database: Packed, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Items and relevant items per query and distance: two int64 arrays (queries, bits + 1)."""
    keys = np.zeros((len(query), 2 * (query.bits + 1)), np.int64)
    _share_out(
        lambda rows: _count(
            query.codes[:, rows], query.labels[:, rows], database.codes, database.labels, keys[rows]
        ),
        len(query),
        threads,
    )
    relevant = keys[:, 1::2].copy()
    return keys[:, ::2] + relevant, relevant


def stable_sums(
    query: Packed,
    database: Packed,
    items: np.ndarray,
    relevant: np.ndarray,
    cuts: np.ndarray,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Precision sums and hits when ties are ranked in database order.

    items, relevant: what ``histograms`` gave; cuts: int64 (j,), ascending ranks K. Returns the sum
    of the precision at each relevant rank up to K, float64 (queries, j), and the number of these
    ranks, int64 (queries, j). The rank of an item is the number of nearer items plus its place
    among its equals, so one more pass over the items within the cut's radius is enough: no sort.
    """
    nearer, nearer_relevant = (np.cumsum(counts, axis=1) - counts for counts in (items, relevant))
    # the first key outside the groups that the largest cut reaches
    bounds = 2 * (nearer < cuts[-1]).sum(axis=1, dtype=np.uint16)
    sums = np.zeros((len(query), len(cuts)))
    hits = np.zeros((len(query), len(cuts)), np.int64)

    def task(rows: slice) -> None:
        _rank(
            *(query.codes[:, rows], query.labels[:, rows], database.codes, database.labels),
            *(nearer[rows], nearer_relevant[rows], bounds[rows], cuts, sums[rows], hits[rows]),
        )

    _share_out(task, len(query), threads)
    return sums.cumsum(axis=1), hits.cumsum(axis=1)


def _share_out(task: Callable[[slice], Any], queries: int, threads: int) -> None:
    """Run ``task`` on tiles of queries; each tile writes rows of its own, whoever runs it."""
    tiles = [slice(i, min(i + TILE, queries)) for i in range(0, queries, TILE)]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(task, tiles):
            pass


@intrinsic
def popcount(typing: Any, word: Any) -> Any:
    """The number of set bits of a word: LLVM's ctpop, POPCNT or its vector form on the machine."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), generate


@intrinsic
def _trailing_zeros(typing: Any, word: Any) -> Any:
    """The place of the lowest set bit of a word that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return word(word), generate


@intrinsic
def _below(typing: Any, keys: Any, first: Any, bound: Any) -> Any:
    """A 64-bit word whose bit j says whether keys[first + j] < bound, without a branch.

    A vector comparison, which plain loops over Numba arrays are not turned into.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = ir.VectorType(ir.IntType(16), GROUP)
        start = builder.gep(
            context.make_array(keys)(context, builder, arguments[0]).data, [arguments[1]]
        )
        group = builder.load(builder.bitcast(start, lanes.as_pointer()), align=2)
        nothing, zero = ir.Constant(lanes, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        one = builder.insert_element(nothing, arguments[2], zero)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), GROUP), [0] * GROUP)
        limit = builder.shuffle_vector(one, nothing, everywhere)
        return builder.bitcast(builder.icmp_unsigned("<", group, limit), ir.IntType(64))

    return types.uint64(keys, types.int64, types.uint16), generate


@compiled
def _fill_keys(
    code: np.ndarray,
    label: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    start: int,
    key: np.ndarray,
) -> None:
    """key[j] = 2 * distance + relevance of database item ``start + j``.

    One plain loop a word, over contiguous one-dimensional slices, is the form that is vectorised.
    """
    stop = start + key.shape[0]
    key[:] = 0
    for w in range(label.shape[0]):
        word, column = label[w], labels[w][start:stop]
        for j in range(key.shape[0]):
            key[j] |= np.uint16(np.uint32(word & column[j]) != 0)
    for w in range(code.shape[0]):
        word, column = code[w], codes[w][start:stop]
        for j in range(key.shape[0]):
            key[j] += np.uint16(popcount(np.uint32(word ^ column[j])) << np.uint32(1))


@compiled
def _count(
    query_codes: np.ndarray,
    query_labels: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    counts: np.ndarray,
) -> None:
    """counts[query, key] += 1 for every pair."""
    keys = np.empty(BLOCK, np.uint16)
    lanes = np.zeros((counts.shape[0], LANES, counts.shape[1]), np.uint32)
    for start in range(0, codes.shape[1], BLOCK):
        key = keys[: min(BLOCK, codes.shape[1] - start)]
        whole = key.shape[0] // LANES * LANES
        for q in range(counts.shape[0]):
            _fill_keys(query_codes[:, q], query_labels[:, q], codes, labels, start, key)
            lane = lanes[q]
            for first in range(0, whole, LANES):
                for j in range(LANES):  # of fixed length: unrolled
                    lane[j, np.uint64(key[first + j])] += np.uint32(1)
            for j in range(whole, key.shape[0]):
                lane[0, np.uint64(key[j])] += np.uint32(1)
    for q in range(counts.shape[0]):
        for j in range(LANES):
            counts[q] += lanes[q, j]


@compiled
def _rank(
    query_codes: np.ndarray,
    query_labels: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    ranks: np.ndarray,
    found: np.ndarray,
    bounds: np.ndarray,
    cuts: np.ndarray,
    sums: np.ndarray,
    hits: np.ndarray,
) -> None:
    """Walk the database in order; ``ranks`` and ``found`` count up within each distance."""
    ranks, found, bounds = ranks.copy(), found.copy(), bounds.copy()
    keys = np.empty(BLOCK, np.uint16)
    for start in range(0, codes.shape[1], BLOCK):
        size = min(BLOCK, codes.shape[1] - start)
        keys[size:] = _FAR
        for q in range(bounds.shape[0]):
            _fill_keys(query_codes[:, q], query_labels[:, q], codes, labels, start, keys[:size])
            bounds[q] = _rank_keys(
                keys, size, bounds[q], ranks[q], found[q], cuts, sums[q], hits[q]
            )


@compiled
def _rank_keys(
    keys: np.ndarray,
    size: int,
    bound: int,
    ranks: np.ndarray,
    found: np.ndarray,
    cuts: np.ndarray,
    sums: np.ndarray,
    hits: np.ndarray,
) -> int:
    """Give the near items of a block their ranks; add precisions to the slot of the first cut.

    Returns the bound from here on: once the largest cut is full, its distance is beyond it.
    """
    for first in range(0, size, GROUP):
        near = _below(keys, first, bound)
        while near:
            key = keys[np.uint64(first) + _trailing_zeros(near)]
            near &= near - np.uint64(1)
            distance = np.uint64(key >> np.uint16(1))
            ranks[distance] += 1
            if ranks[distance] == cuts[-1]:
                bound = np.uint16(2 * distance)  # type: ignore[assignment]
            if key & np.uint16(1):
                found[distance] += 1
                slot = 0
                while slot < cuts.shape[0] and ranks[distance] > cuts[slot]:
                    slot += 1
                if slot < cuts.shape[0]:
                    sums[slot] += found[distance] / ranks[distance]
                    hits[slot] += 1
    return bound
