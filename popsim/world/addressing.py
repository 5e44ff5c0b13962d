"""Draw without a generator: numbers that depend on the seed and on names alone, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def name_words(names: Sequence[str], seed: int, purpose: str) -> Words:
    """Return one 64-bit word per name, shape (n,), for a seed and a purpose."""
    return _name_words(tuple(names), seed, purpose)


@lru_cache(maxsize=32)  # platforms of one planet have their clients in common, and some their sites
def _name_words(names: tuple[str, ...], seed: int, purpose: str) -> Words:
    key = f"{seed}/{purpose}/".encode()
    digests = b"".join(blake2b(key + name.encode(), digest_size=8).digest() for name in names)
    words = np.frombuffer(digests, dtype="<u8").astype(np.uint64)
    words.flags.writeable = False
    return words


def mix(first: Words, second: Words) -> Words:
    """Combine broadcast words into well-mixed ones: the finaliser of SplitMix64 (Steele, 2014).

    https://doi.org/10.1145/2714064.2660195
    """
    with np.errstate(over="ignore"):
        word = first + second * _GOLDEN + _GOLDEN
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def uniforms(words: Words) -> NDArray[np.float64]:
    """Return floats in [0, 1) from the upper 53 bits of each word."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
