"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and reference figures, beside the checkout."""
    folder = Path(os.environ.get("CMIMH_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"real data are read from {folder}, which is not there")
    return folder
