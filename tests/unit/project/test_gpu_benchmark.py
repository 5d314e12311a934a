"""The script for the day a GPU is there, in small and on the CPU: that it runs, and holds."""

import pytest

from benchmarks import gpu


@pytest.mark.parametrize("part", [gpu.same_gradients, gpu.same_codes])
def test_a_device_is_compared_with_the_cpu(part):
    assert "| yes |" in part(gpu.SMALL, "cpu").row()


def test_an_evaluation_on_a_device_is_compared_with_the_cpu_s():
    assert "| yes |" in gpu.same_counts(gpu.draw(20, 500), "cpu").row()


def test_codes_that_differ_are_told(monkeypatch):
    monkeypatch.setattr(gpu, "MIN_EQUAL", 1.01)
    assert "| NO |" in gpu.same_codes(gpu.SMALL, "cpu").row()


@pytest.mark.long
def test_all_of_it_runs_in_small(monkeypatch, capfd):
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cpu", "--small"])
    gpu.main()
    said = capfd.readouterr().out
    for what in ("five seeds", "bare matrix products", "slower half", "djsrh: seconds of a fit"):
        assert what in said
