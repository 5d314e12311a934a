"""What every learned method is measured against: random codes, signs, CCA-ITQ, CCA's numbers."""

import numpy as np
import pytest
from toy import CHANCE, precision, two_views

from pipeline.errors import InputError
from pipeline.methods import create


def fitted(name, **params):
    image, text, labels = two_views()
    hasher = create(name, **{"bits": 8, "seed": 0, **params}).fit(image, text)
    return hasher, hasher.encode_image(image), hasher.encode_text(text), labels


def test_random_codes_are_at_chance_in_every_direction():
    _, a, b, labels = fitted("random", bits=64)
    for query, database in ((a, b), (b, a), (a, a), (b, b)):
        assert precision(query, database, labels) == pytest.approx(CHANCE, abs=0.03)
    assert a.mean(axis=0) == pytest.approx(0.5, abs=0.15)


def test_a_row_has_one_random_code_wherever_it_stands_and_another_with_another_seed():
    image, _, _ = two_views()
    hasher = create("random", bits=13, seed=0).fit(image, image)
    codes = hasher.encode_image(image)
    np.testing.assert_array_equal(codes[5:9], hasher.encode_image(image[5:9]))
    other = create("random", bits=13, seed=1).fit(image, image).encode_image(image)
    for unlike in (hasher.encode_text(image), other):
        assert (codes == unlike).mean() == pytest.approx(0.5, abs=0.05)


def test_signs_of_each_view_by_itself_serve_within_and_not_across_views():
    _, a, b, labels = fitted("sign")
    assert precision(a, a, labels) > 0.6
    assert precision(a, b, labels) < 0.5


def test_signs_of_a_given_space_are_those_of_its_common_components():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=200)
    common = rng.normal(size=(4, 12))[labels] * 2
    image, text = (common + rng.normal(size=(200, 12)) + mean for mean in (3, -1))
    hasher = create("sign", bits=6, seed=0, shared=True).fit(image, text)
    assert precision(hasher.encode_image(image), hasher.encode_text(text), labels) > 0.7
    rows = np.vstack([image - image.mean(0), text - text.mean(0)])
    _, _, axes = np.linalg.svd(rows, full_matrices=False)
    overlap = np.abs(axes[:6] @ hasher.image_axes_)
    np.testing.assert_allclose(overlap, np.eye(6), atol=1e-8)


def test_signs_of_one_space_need_views_of_one_width():
    image, text, _ = two_views()
    with pytest.raises(InputError, match="20 columns and text 30"):
        create("sign", bits=4, seed=0, shared=True).fit(image, text)


def test_the_rotation_of_cca_itq_brings_variates_nearer_to_signs_each_round():
    image, text, labels = two_views()
    errors = []
    hasher = create("cca_itq", bits=8, seed=0)
    hasher.on_epoch = lambda record: errors.append(record["error"])
    hasher.fit(image, text)
    assert len(errors) == 50 and np.all(np.diff(errors) <= 1e-6 * errors[0])
    a, b = hasher.encode_image(image), hasher.encode_text(text)
    assert precision(a, b, labels) > 0.8 and precision(b, a, labels) > 0.8


def test_without_scale_cca_itq_only_turns_the_bits_of_cvh():
    hasher, *_ = fitted("cca_itq", power=0.0)
    cvh, *_ = fitted("cvh")
    turn = np.linalg.lstsq(cvh.image_weights_, hasher.image_weights_)[0]
    np.testing.assert_allclose(turn @ turn.T, np.eye(8), atol=1e-8)
    np.testing.assert_allclose(cvh.text_weights_ @ turn, hasher.text_weights_, atol=1e-8)


def test_cca_ranks_by_cosine_of_variates_and_beats_its_own_signs():
    hasher, a, b, labels = fitted("cca")
    cvh, c, d, _ = fitted("cvh")
    assert hasher.real_valued and a.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, atol=1e-6)
    assert precision(a, b, labels) > precision(c, d, labels)
    scores = two_views()[0] @ cvh.image_weights_ * cvh.correlations_**4
    scores -= scores.mean(axis=0)
    expected = scores / np.linalg.norm(scores, axis=1, keepdims=True)
    np.testing.assert_allclose(a, expected, atol=1e-5)


def test_cca_fills_up_with_zeros_beyond_the_rank():
    _, a, b, _ = fitted("cca", bits=30)
    assert a.shape == b.shape == (240, 30)
    assert not a[:, 20:].any() and not b[:, 20:].any()
