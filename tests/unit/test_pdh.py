"""PDH's bits do not repeat each other and can be predicted from the other view."""

import numpy as np

from pipeline.methods import create
from pipeline.methods.pdh import PDH, decorrelate


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


def test_each_svm_is_at_the_minimum_of_the_squared_hinge_loss():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((200, 5))
    bit = np.where(x[:, 0] + rng.standard_normal(200) > 0, 1.0, -1.0)
    hasher = PDH(4, 0, C=0.01)
    learned = hasher._svm(x, bit)

    def loss(weights):
        margin = bit * (x @ weights)
        return 0.5 * weights @ weights + 0.01 * np.sum(np.maximum(0, 1 - margin) ** 2)

    for _ in range(30):
        assert loss(learned + 0.05 * rng.standard_normal(5)) > loss(learned)


def test_unequal_bits_do_not_run_away_to_one_constant_code():
    rng = np.random.default_rng(0)
    latent = rng.exponential(size=(300, 3)) ** 2
    image = latent @ rng.standard_normal((3, 10)) + 0.3 * rng.standard_normal((300, 10))
    fitted = create("pdh", bits=3, seed=0).fit(image, latent)
    share = fitted.encode_text(latent).mean(axis=0)
    assert share.min() > 0.02 and share.max() < 0.98
