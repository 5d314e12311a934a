"""Correlation of bits against NumPy and known cases."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.evaluation.independence import correlation_mse


def test_correlation_mse_is_the_mean_squared_entry_of_the_correlation_less_the_identity():
    codes = np.random.default_rng(0).random((500, 8)) < np.linspace(0.1, 0.9, 8)
    codes[:, 3] ^= codes[:, 2]
    expected = np.mean((np.corrcoef(codes, rowvar=False) - np.eye(8)) ** 2)
    assert correlation_mse(codes) == pytest.approx(expected, rel=1e-10)


def test_correlation_mse_of_copied_bits_is_the_share_of_entries_off_the_diagonal():
    bit = np.random.default_rng(1).random((100, 1)) < 0.5
    assert correlation_mse(np.repeat(bit, 4, axis=1)) == pytest.approx(12 / 16)


def test_correlation_mse_counts_a_constant_bit_as_independent():
    codes = np.random.default_rng(2).random((100_000, 3)) < 0.5
    codes[:, 1] = codes[:, 0]
    whole = correlation_mse(codes[:, :2])
    codes[:, 2] = True
    assert correlation_mse(codes) == pytest.approx(whole * 4 / 9)
    assert correlation_mse(np.ones((10, 4), bool)) == 0


@pytest.mark.parametrize("codes", [np.ones((1, 4), bool), np.full((3, 4), np.nan)])
def test_codes_without_a_correlation_are_refused(codes):
    with pytest.raises(InputError):
        correlation_mse(codes)
