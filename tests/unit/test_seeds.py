"""Random streams: repeatable, and unrelated between purposes."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.seeds import derive


@given(st.integers(0, 2**31), st.text(max_size=8))
def test_the_same_purpose_gives_the_same_seed_in_the_range_of_generators(seed, purpose):
    assert derive(seed, purpose) == derive(seed, purpose)
    assert 0 <= derive(seed, purpose) < 2**63


def test_purposes_and_seeds_give_different_streams():
    settings = [(s, "method", f"cvh/{bits}") for s in range(20) for bits in range(50)]
    assert len({derive(*s) for s in settings}) == len(settings)


def test_names_do_not_run_into_each_other():
    assert derive(0, "ab", "c") != derive(0, "a", "bc")
    assert derive(1, "1") != derive(11)
