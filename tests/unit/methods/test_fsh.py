"""FSH's anchor graph, its updates, and what they settle at."""

import numpy as np
import pytest

from pipeline.methods import create
from pipeline.methods._views import unit_rows
from pipeline.methods.fsh import anchor_graphs, anchor_similarity, nearest


def paired_views(n=200, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 4))
    image = np.abs(latent @ rng.standard_normal((4, 12)) + 0.3 * rng.standard_normal((n, 12)))
    text = (latent @ rng.standard_normal((4, 9)) > 0.5).astype(float)
    return image, text


def test_anchor_graph_of_a_case_done_by_hand():
    # anchors are rows 0, 1, 2; image positions 0, 1, 3 and text positions 0, 2, 1 on a line
    image = np.array([[0.0], [1.0], [3.0], [0.4]])
    text = np.array([[0.0], [2.0], [1.4], [1.9]])
    first, second = anchor_graphs(image, text, np.array([0, 1, 2]), k=2)
    s1 = {d: np.exp(-d / 2) for d in (0, 1, 2, 3)}
    s2 = {d: np.exp(-d / 2) for d in (0, 0.6, 1.4, 2)}
    # sample 3 is near anchors {0, 1} by image and {1, 2} by text; by text anchor 0 is near {0, 2},
    # anchors 1 and 2 near {1, 2}; by image anchors 0 and 1 are near {0, 1}, anchor 2 near {2, 1}
    near_0 = (s1[0] + s1[3] + s1[1] + s1[2]) / 4
    near_1 = (s1[1] + s1[3] + s1[0] + s1[2]) / 4
    np.testing.assert_allclose(first[3], [near_0, near_1, near_1])
    by_image_01 = (s2[2] + s2[0] + s2[1.4] + s2[0.6]) / 4
    by_image_12 = (s2[0.6] + s2[0] + s2[0] + s2[0.6]) / 4
    np.testing.assert_allclose(second[3], [by_image_01, by_image_01, by_image_12])


def test_anchor_graph_is_the_mean_over_all_pairs_of_neighbours():
    image, text = paired_views(40)
    chosen = np.arange(0, 40, 4)
    first, second = anchor_graphs(image, text, chosen, k=3)
    near = [nearest(x, x[chosen], 3).astype(bool) for x in (image, text)]
    similar = [anchor_similarity(x[chosen]) for x in (image, text)]
    for i in (0, 7, 39):
        for j in range(len(chosen)):
            a, b = near[0][i], near[1][chosen[j]]
            assert first[i, j] == pytest.approx(similar[0][np.ix_(a, b)].mean())
            a, b = near[1][i], near[0][chosen[j]]
            assert second[i, j] == pytest.approx(similar[1][np.ix_(a, b)].mean())


def test_hash_functions_are_the_regression_of_the_views_on_the_last_codes():
    image, text = paired_views()
    seen = []
    fitted = create("fsh", bits=6, seed=1, anchors=20, neighbors=4, iterations=40)
    fitted.on_epoch = seen.append
    fitted.fit(image, text)
    assert seen[-1]["changed"] == 0
    assert 0 < seen[-1]["eta"] < 1
    view = unit_rows(text) - fitted.text_mean_
    expected = np.linalg.lstsq(view, np.where(fitted.codes_, 1.0, -1.0), rcond=None)[0]
    np.testing.assert_allclose(view @ fitted.text_weights_, view @ expected, atol=1e-3)


def test_without_the_hash_functions_weight_the_graph_collapses_the_codes():
    image, text = paired_views()
    free = create("fsh", bits=8, seed=0, lambda_=1e-3, anchors=30).fit(image, text)
    held = create("fsh", bits=8, seed=0, anchors=30).fit(image, text)
    assert len(np.unique(free.codes_, axis=0)) < len(np.unique(held.codes_, axis=0))
