"""Tags become binary vectors."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.features.kinds.tags import most_frequent
from pipeline.features.kinds.tags import write as write_tag_features
from pipeline.storage.store import Pairs, Provenance, open_features

MADE = Provenance("test")


def pairs_with(tags):
    count = 20_000 if tags is None else len(tags)
    names = [] if tags is None else [f"tag{column}" for column in range(tags.shape[1])]
    labels = np.ones((count, 1), np.uint8)
    ids = [str(i) for i in range(count)]
    return Pairs(ids, labels, ["thing"], tags=tags, tag_names=names)


def test_tag_features_are_the_tags_as_floats_across_blocks(tmp_path):
    tags = np.random.default_rng(0).random((20_000, 7)) < 0.2
    write_tag_features(pairs_with(tags.astype(np.uint8)), path=tmp_path / "t.h5", provenance=MADE)
    with open_features(tmp_path / "t.h5") as features:
        block = features.rows(slice(None))
        assert features.valid.all()
    assert block.dtype == np.float32
    np.testing.assert_array_equal(block, tags)


def test_top_keeps_the_most_frequent_tags_in_their_order(tmp_path):
    tags = np.array([[1, 0, 1, 1, 0], [1, 0, 1, 0, 1], [1, 0, 0, 0, 0]], np.uint8)
    assert most_frequent(tags, 3).tolist() == [0, 2, 3]  # 3 and 4 are equal: the earlier one
    write_tag_features(pairs_with(tags), path=tmp_path / "t.h5", provenance=MADE, top=2)
    with open_features(tmp_path / "t.h5") as features:
        np.testing.assert_array_equal(features.rows(slice(None)), tags[:, [0, 2]])


@pytest.mark.parametrize("top", [0, -1, 6])
def test_an_impossible_top_is_an_error(tmp_path, top):
    with pytest.raises(InputError, match=f"the {top} most frequent tags .* of 5 there are"):
        write_tag_features(
            pairs_with(np.ones((3, 5), np.uint8)), path=tmp_path / "t.h5", provenance=MADE, top=top
        )


def test_a_data_set_without_tags_is_an_error_that_says_so(tmp_path):
    with pytest.raises(InputError, match="need tags, and this data set's pairs have none"):
        write_tag_features(pairs_with(None), path=tmp_path / "t.h5", provenance=MADE)
    assert not (tmp_path / "t.h5").exists()
