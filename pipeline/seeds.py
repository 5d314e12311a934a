"""Independent random streams, one per named purpose."""

import hashlib


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose: equal inputs give equal seeds, different ones unrelated seeds.

    Two trainings that share the user's seed (say 16 and 32 bits, both seed 0) must not share a
    random stream by accident, so every stream's seed is the hash of the user's seed and of what it
    is for: what is computed, never what a config calls it.
    """
    text = "\x1f".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
