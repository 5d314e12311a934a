"""Fixtures of the searching tests: made once, used by several files."""

import pytest


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder of forty pictures."""
    from small_index import write_pictures

    return write_pictures(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="session")
def model(photographs, tmp_path_factory):
    """The folder of a model of 16 bits on these."""
    from small_index import write_small_model

    return write_small_model(tmp_path_factory.mktemp("model"), photographs)


@pytest.fixture(scope="session")
def filled(photographs, model, tmp_path_factory):
    """An index with all of them."""
    from small_index import items_of

    from pipeline.search.index import create

    index = create(tmp_path_factory.mktemp("index") / "i", model)
    assert index.add(items_of(photographs)) == 40
    return index
