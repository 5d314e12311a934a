"""The front page lists what the config marks as open."""

from pipeline.results.front_page import assumptions


def test_an_open_value_is_listed_with_its_choice_and_reason():
    text = "encoder:\n  layer: fc7   # [open] after its ReLU, as is usual\n  bits: 16  # [paper]\n"
    assert assumptions(text, {}) == [
        {"what": "layer", "choice": "fc7", "why": "after its ReLU, as is usual"}
    ]


def test_a_comment_above_speaks_of_the_line_below():
    text = (
        "# One seed is one split. [open] the paper\n# prints one run\nseeds: [0, 1]\n\nother: 1\n"
    )
    assert assumptions(text, {}) == [
        {"what": "seeds", "choice": "[0, 1]", "why": "the paper prints one run"}
    ]


def test_a_choice_that_the_run_changed_is_listed_as_it_was():
    text = "method:\n  width: 1024  # [open] lost\n  depth: 2  # [open] lost\n"
    found = assumptions(text, {"method": {"width": 64, "depth": 2}})
    assert [entry["choice"] for entry in found] == ["64 in this run, for 1024", "2"]


def test_the_config_of_the_paper_lists_its_assumptions_without_marks(root):
    found = assumptions((root / "config.yaml").read_text(), {})
    assert {"layer", "pooling", "seeds"} <= {entry["what"] for entry in found}
    assert not any("[" in entry["why"] for entry in found)
