"""The codes of every method, as they were when frozen: a move or a rename changes none of them.

``golden_codes.json`` holds, per method, its parameters and the codes of both views: the bits,
packed, or of a real-valued method its numbers in 1/127. Where codes are meant to change,
``PYTHONPATH=. python tests/unit/methods/test_golden_codes.py METHOD...`` freezes them anew.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.methods import create

FROZEN = Path(__file__).with_name("golden_codes.json")
BITS, SEED = 16, 3
#: of the bits of a method: rounding differs between processors and may turn one that is near zero
ALLOWED = 0.01

golden = json.loads(FROZEN.read_text(encoding="utf-8")) if FROZEN.exists() else {}


def two_views(n=96):
    """Pairs (n, 24), (n, 20) that share three classes; no two distances in a view are equal."""
    rng = np.random.default_rng(2026)
    labels = rng.integers(3, size=n)
    views = [rng.normal(size=(3, d))[labels] + rng.normal(size=(n, d)) for d in (24, 20)]
    return tuple(np.maximum(view, 0.1 * view).astype(np.float32) for view in views)


def codes(name, params):
    """The codes of both views, (2 n, bits), of the drawn pairs that they were learned from."""
    image, text = two_views()
    hasher = create(name, bits=BITS, seed=SEED, **params).fit(image, text)
    return np.concatenate([hasher.encode_image(image), hasher.encode_text(text)])


def packed(found):
    if found.dtype == bool:
        return np.packbits(found).tobytes().hex()
    return np.rint(found * 127).astype(np.int8).tobytes().hex()


def unpacked(text, real_valued):
    data = np.frombuffer(bytes.fromhex(text), np.int8 if real_valued else np.uint8)
    return (data / 127 if real_valued else np.unpackbits(data)).reshape(-1, BITS)


@pytest.mark.parametrize("name", golden)
def test_codes_are_those_that_were_frozen(name):
    found = codes(name, golden[name]["params"])
    real_valued = found.dtype != bool
    differs = np.abs(unpacked(golden[name]["codes"], real_valued) - found) > 0.02
    assert differs.mean() <= ALLOWED


if __name__ == "__main__":
    for method in sys.argv[1:]:
        entry = golden.setdefault(method, {"params": {}})
        entry["codes"] = packed(codes(method, entry["params"]))
    FROZEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")
