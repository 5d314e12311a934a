"""The conda file and the lock name the same versions, and nothing that is not public."""

import sys
import sysconfig
from importlib.util import cache_from_source
from pathlib import Path

import pytest


@pytest.fixture
def locked(root):
    """The environment that `make install` makes; others are allowed, and differ."""
    if Path(sys.prefix).resolve() != (root / ".venv").resolve():
        pytest.skip(f"{sys.prefix} is not the environment that make install makes")


def test_the_conda_file_is_the_one_written_from_the_lock(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "envs")
    import conda_from_lock

    assert (root / "envs" / "pipeline.yaml").read_text() == conda_from_lock.conda_environment()


def test_the_lock_pins_by_hash_and_names_no_host(root):
    lock = (root / "envs" / "requirements.lock").read_text()
    assert lock.count("--hash=sha256:") > 100
    assert "://" not in lock


def test_the_running_versions_are_those_of_the_lock(root, locked, monkeypatch):
    from importlib.metadata import version

    monkeypatch.syspath_prepend(root / "envs")
    import conda_from_lock

    pins = conda_from_lock.locked((root / "envs" / "requirements.lock").read_text())
    assert sys.version_info[:2] == (3, 11)
    for name in ("torch", "numpy", "snakemake", "h5py"):
        assert version(name).split("+")[0] == pins[name]


def test_libraries_are_installed_with_their_bytecode(locked):
    """Else, where Python may not write it later, every stage parses them again: docs/scale.md."""
    module = Path(sysconfig.get_path("platlib"), "numba", "core", "dispatcher.py")
    assert module.is_file() and Path(cache_from_source(str(module))).is_file()
