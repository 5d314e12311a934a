"""What every method promises, whichever it is."""

import inspect
import json
import logging
import time

import numpy as np
import pytest
from sklearn.base import clone

from pipeline.errors import InputError
from pipeline.methods import available, create, origin
from pipeline.methods.base import State

BITS = 16
#: keeps the trained networks small; each applies to the methods that have the parameter
TINY = {
    "batch_size": 32,
    "epochs": 2,
    "hidden": 16,
    "iterations": 10,
    "critic_hidden": 16,
    "min_steps": 60,
    "rounds": 1,
    "width": 16,
    "on_collapse": "warn",  # what so small a net learns in so few steps may be nothing
}
#: methods whose bits are hyperplanes in a view, of which a narrow view has few independent ones
LINEAR = ("acq", "cca_itq", "cmfh", "cre", "cvh", "fsh", "imh", "pdh", "sign")
#: the same of the image view, which CRE bends by a kernel; CCA has numbers of which some are zero
LINEAR_IN_IMAGES = (
    *("acq", "cca", "cca_itq", "cmfh", "cvh", "djsrh", "dsah", "fsh", "imh", "jdsh", "pdh"),
    "sign",
)

pytestmark = pytest.mark.parametrize("name", available())


def test_its_docstring_says_whose_is_what(name):
    told = origin(name)
    assert list(told) == ["Theirs", "Ours", "Not known"] and all(told.values())


def tiny(name, seed=0, bits=BITS):
    known = inspect.signature(type(create(name, bits=bits, seed=seed))).parameters
    return create(
        name, bits=bits, seed=seed, **{key: TINY[key] for key in TINY.keys() & known.keys()}
    )


def two_views(n=96, d_v=24, d_t=20, seed=0):
    """Pairs that share latent variables: dense images, binary tags, both float32."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 8))
    image = np.maximum(latent @ rng.standard_normal((8, d_v)), 0) + 0.1 * rng.random((n, d_v))
    text = latent @ rng.standard_normal((8, d_t)) + rng.standard_normal((n, d_t)) > 0.5
    return image.astype(np.float32), text.astype(np.float32)


def check_codes(hasher, image, text):
    for codes, n in (
        (hasher.encode_image(image), len(image)),
        (hasher.encode_text(text), len(text)),
    ):
        assert codes.shape == (n, hasher.bits)
        assert codes.dtype == (np.float32 if hasher.real_valued else bool)
        assert np.isfinite(codes).all()


def test_fit_returns_self_and_codes_are_bool_rows_of_bits(name):
    image, text = two_views()
    hasher = tiny(name)
    assert hasher.fit(image, text) is hasher
    check_codes(hasher, image, text[:7])


def test_parameters_are_read_set_cloned_and_shown_as_by_scikit_learn(name):
    hasher = tiny(name, seed=7)
    params = hasher.get_params()
    assert list(params)[:2] == ["bits", "seed"]
    assert params.keys() == inspect.signature(type(hasher)).parameters.keys()
    hasher.fitted_ = True
    copy = clone(hasher)
    assert type(copy) is type(hasher) and copy.get_params() == params
    assert not hasattr(copy, "fitted_")
    shown = ", ".join(f"{key}={value!r}" for key, value in params.items())
    assert repr(copy) == repr(hasher) == f"{type(hasher).__name__}({shown})"
    assert copy.set_params(bits=8, seed=1) is copy and (copy.bits, copy.seed) == (8, 1)
    with pytest.raises(InputError, match="has no parameter bitz; it takes bits, seed"):
        copy.set_params(bitz=8)


def test_a_state_of_arrays_and_json_gives_the_same_codes_in_another_object(name):
    image, text = two_views()
    hasher = tiny(name).fit(image, text)
    state = hasher.get_state()
    assert all(isinstance(array, np.ndarray) for array in state.arrays.values())
    copy = clone(hasher).set_state(State(state.arrays, json.loads(json.dumps(state.about))))
    np.testing.assert_array_equal(copy.encode_image(image), hasher.encode_image(image))
    np.testing.assert_array_equal(copy.project_text(text), hasher.project_text(text))
    if state.arrays:  # random codes learn nothing
        with pytest.raises(InputError, match=r"lacks|do not fit"):
            clone(hasher).set_state(State({}, state.about))
    with pytest.raises(InputError, match="not fitted"):
        tiny(name).get_state()


def test_a_bit_is_set_where_its_real_value_is_positive(name):
    image, text = two_views()
    hasher = tiny(name).fit(image, text)
    for codes, values in (
        (hasher.encode_image(image), hasher.project_image(image)),
        (hasher.encode_text(text), hasher.project_text(text)),
    ):
        np.testing.assert_array_equal(codes, values if hasher.real_valued else values > 0)


def test_the_same_seed_gives_the_same_codes(name):
    image, text = two_views()
    first, second = (tiny(name, seed=5).fit(image, text) for _ in range(2))
    np.testing.assert_array_equal(first.encode_image(image), second.encode_image(image))
    np.testing.assert_array_equal(first.encode_text(text), second.encode_text(text))


def test_codes_do_not_depend_on_the_global_random_state(name):
    image, text = two_views()
    codes = []
    for state in (0, 1):
        np.random.seed(state)
        codes.append(tiny(name).fit(image, text).encode_image(image))
    np.testing.assert_array_equal(*codes)


def test_inputs_stay_as_they_were(name):
    image, text = two_views()
    kept = image.copy(), text.copy()
    hasher = tiny(name).fit(image, text)
    hasher.encode_image(image)
    hasher.encode_text(text)
    np.testing.assert_array_equal(image, kept[0])
    np.testing.assert_array_equal(text, kept[1])


def test_nan_wrong_shapes_and_too_few_rows_are_refused(name):
    image, text = two_views()
    spoilt = image.copy()
    spoilt[3, 2] = np.nan
    for bad in ((spoilt, text), (image[:, 0], text), (image[:-1], text), (image[:9], text[:9])):
        with pytest.raises(InputError):
            tiny(name).fit(*bad)
    hasher = tiny(name)
    with pytest.raises(InputError, match="fit"):
        hasher.encode_image(image)
    hasher.fit(image, text)
    with pytest.raises(InputError, match="columns"):
        hasher.encode_text(text[:, :-1])
    with pytest.raises(InputError, match="row 3"):
        hasher.encode_image(spoilt)


def test_constant_columns_and_rows_of_zeros_are_accepted(name):
    image, text = two_views()
    image[:, 4], text[:, :3] = 7.0, 0.0
    image[10], text[[5, 11]] = 0.0, 0.0
    check_codes(tiny(name).fit(image, text), image, text)


def test_a_view_without_variation_is_refused_by_name(name):
    image, text = two_views()
    with pytest.raises(InputError, match="all rows of text are equal"):
        tiny(name).fit(image, np.full_like(text, 3.0))


def test_a_text_view_of_ten_dimensions_still_gives_all_bits(name, caplog):
    image, text = two_views(d_t=10)
    with caplog.at_level(logging.WARNING):
        hasher = tiny(name).fit(image, text)
    check_codes(hasher, image, text)
    if name in LINEAR:
        assert "16 bits" in caplog.text and "rank 10" in caplog.text
        assert hasher.encode_text(text).std(axis=0).min() > 0  # no bit is a constant


def test_an_image_view_of_ten_dimensions_still_gives_all_bits(name, caplog):
    image, text = two_views(d_v=10)
    with caplog.at_level(logging.WARNING):
        hasher = tiny(name).fit(image, text)
    check_codes(hasher, image, text)
    said = "16 bits" in caplog.text and "rank 10" in caplog.text
    assert said == (name in LINEAR_IN_IMAGES)


def test_more_bits_than_either_view_has_dimensions_are_given(name):
    image, text = two_views(d_v=12, d_t=10)
    check_codes(tiny(name, bits=40).fit(image, text), image, text)


def test_fewer_rows_than_dimensions_are_enough(name):
    image, text = two_views(n=40, d_v=70, d_t=60)
    check_codes(tiny(name).fit(image, text), image, text)


def test_as_many_rows_as_bits_are_enough(name):
    image, text = two_views(n=BITS)
    check_codes(tiny(name).fit(image, text), image, text)


def test_a_linear_method_works_in_the_smaller_of_rows_and_columns(name):
    if name not in (*LINEAR, "cca"):
        pytest.skip("the cost of a network is linear in its inputs")
    image, text = two_views(n=100, d_v=9000)
    start = time.process_time()
    hasher = tiny(name).fit(image, text)
    check_codes(hasher, image, text)
    assert time.process_time() - start < 30  # a scatter of 9,000 by 9,000 would take minutes
