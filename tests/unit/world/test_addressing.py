from __future__ import annotations

import numpy as np
import pytest

from popsim.world.addressing import mix, name_words, uniforms


def test_mix_is_splitmix64() -> None:
    """First outputs of the published generator for seed 1234567 (golden gamma steps)."""
    seed = np.array([1234567], dtype=np.uint64)
    outputs = [int(mix(seed, np.array([step], dtype=np.uint64))[0]) for step in range(3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    words = mix(name_words([str(n) for n in range(500)], 1, "a")[:, None],
                name_words([str(n) for n in range(200)], 1, "b")[None, :])  # fmt: skip
    values = np.sort(uniforms(words).ravel())
    assert values[0] >= 0.0 and values[-1] < 1.0
    expected = (np.arange(values.size) + 0.5) / values.size
    assert np.abs(values - expected).max() < 1.63 / np.sqrt(values.size)  # Kolmogorov-Smirnov, 1 %


@pytest.mark.parametrize(("seed", "purpose"), [(2, "a"), (1, "b")])
def test_seed_and_purpose_change_every_word(seed: int, purpose: str) -> None:
    assert not np.any(name_words(["x", "y"], 1, "a") == name_words(["x", "y"], seed, purpose))
