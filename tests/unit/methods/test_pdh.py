"""PDH's bits do not repeat each other and can be predicted from the other view."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from pipeline.methods import create
from pipeline.methods.pdh import SVMs, decorrelate


def two_views(n=300, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 6))
    image = latent @ rng.standard_normal((6, 12)) + 0.3 * rng.standard_normal((n, 12)) + 3
    text = latent @ rng.standard_normal((6, 9)) + 0.3 * rng.standard_normal((n, 9)) - 2
    return image, text


def redundancy(bits):
    return np.sum((bits.T @ bits / len(bits) - np.eye(bits.shape[1])) ** 2)


def test_decorrelation_lowers_the_redundancy_of_more_bits_than_dimensions():
    rng = np.random.default_rng(0)
    few = rng.standard_normal((500, 6)) @ rng.standard_normal((6, 16))
    bits = np.where(few > 0, 1.0, -1.0)
    assert redundancy(decorrelate(bits)) < 0.7 * redundancy(bits)


def test_bits_that_are_uncorrelated_already_stay():
    hadamard = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    np.testing.assert_array_equal(decorrelate(np.tile(hadamard, (5, 1))), np.tile(hadamard, (5, 1)))


def test_training_pairs_agree_on_their_bits_and_shuffled_pairs_do_not():
    image, text = two_views()
    fitted = create("pdh", bits=6, seed=0).fit(image, text)
    codes, other = fitted.encode_image(image), fitted.encode_text(text)
    assert (codes == other).mean() > 0.9
    assert (codes == np.roll(other, 1, axis=0)).mean() < 0.65


def rows_and_bits(n, d, bits, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * np.geomspace(1, 20, d)
    x -= x.mean(axis=0)
    return x, np.where(x[:, :bits] + 3 * rng.standard_normal((n, bits)) > 0, 1.0, -1.0)


@pytest.mark.parametrize("C", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize(("n", "d"), [(200, 5), (40, 60)])
def test_the_svms_are_those_of_scikit_learn_at_its_optimum(C, n, d):
    x, bits = rows_and_bits(n, d, 4)
    svms = SVMs(x, C)
    scores = svms.fit(bits)
    np.testing.assert_allclose(scores, x @ svms.weights, atol=1e-9)
    for bit, weights in zip(bits.T, svms.weights.T, strict=True):
        theirs = LinearSVC(C=C, dual=False, fit_intercept=False, tol=1e-10, max_iter=10000)
        expected = theirs.fit(x, bit).coef_[0]
        np.testing.assert_allclose(weights, expected, atol=1e-3 * np.abs(expected).max())


def test_a_second_fit_ends_where_a_first_one_would():
    x, bits = rows_and_bits(300, 8, 6)
    warm = SVMs(x, 0.01)
    warm.fit(-bits)
    cold = SVMs(x, 0.01)
    np.testing.assert_allclose(warm.fit(bits), cold.fit(bits), atol=1e-4)


def test_a_constant_bit_separates_nothing_and_has_no_weights():
    x, bits = rows_and_bits(50, 4, 2)
    bits[:, 1] = 1
    svms = SVMs(x, 0.1)
    svms.fit(bits)
    assert np.abs(svms.weights[:, 0]).max() > 0.01
    np.testing.assert_array_equal(svms.weights[:, 1], 0)


def test_unequal_bits_do_not_run_away_to_one_constant_code():
    rng = np.random.default_rng(0)
    latent = rng.exponential(size=(300, 3)) ** 2
    image = latent @ rng.standard_normal((3, 10)) + 0.3 * rng.standard_normal((300, 10))
    fitted = create("pdh", bits=3, seed=0).fit(image, latent)
    share = fitted.encode_text(latent).mean(axis=0)
    assert share.min() > 0.02 and share.max() < 0.98
