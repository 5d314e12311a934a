"""Correlation and total correlation against enumeration and known cases."""

from itertools import product

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.evaluation.independence import (
    correlation_mse,
    total_correlation,
    total_correlation_exact,
)


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


def test_total_correlation_of_copied_fair_bits_is_the_entropy_of_the_copies():
    codes = np.array([[0, 0, 0], [1, 1, 1]], bool)
    assert total_correlation(codes) == pytest.approx(2 * np.log(2))


def test_total_correlation_of_all_codes_is_zero():
    codes = np.array(list(product([False, True], repeat=9)))
    assert total_correlation(codes) == pytest.approx(0, abs=1e-12)


def test_exact_total_correlation_sums_over_all_codes_of_the_mixture():
    means = np.random.default_rng(3).random((7, 4))
    joint = [
        np.where(code, means, 1 - means).prod(axis=1).mean()
        for code in np.array(list(product([False, True], repeat=4)))
    ]
    bits = means.mean(axis=0)
    divergence = sum(
        p * np.log(p / np.where(code, bits, 1 - bits).prod())
        for p, code in zip(joint, np.array(list(product([False, True], repeat=4))), strict=True)
    )
    assert total_correlation_exact(means) == pytest.approx(divergence, rel=1e-10)


def test_exact_total_correlation_of_equal_rows_is_zero_and_of_certain_rows_the_plug_in():
    rng = np.random.default_rng(4)
    assert total_correlation_exact(np.repeat(rng.random((1, 12)), 5, axis=0)) == pytest.approx(
        0, abs=1e-12
    )
    codes = rng.random((200, 6)) < 0.3
    assert total_correlation_exact(codes) == pytest.approx(total_correlation(codes))


@pytest.mark.parametrize(
    ("function", "array"),
    [
        (correlation_mse, np.ones((1, 4), bool)),
        (correlation_mse, np.full((3, 4), np.nan)),
        (total_correlation, np.zeros((0, 4), bool)),
        (total_correlation_exact, np.full((3, 2), 1.5)),
        (total_correlation_exact, np.full((3, 2), np.nan)),
        (total_correlation_exact, np.full((3, 13), 0.5)),
    ],
)
def test_input_that_has_no_answer_is_refused(function, array):
    with pytest.raises(InputError):
        function(array)
