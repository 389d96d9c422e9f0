"""Every case of reference/forks: layers that Caffe's forks add, computed by the forks' own code."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.files import SHARED
from support.layer_harness import run_reference_case

TOLERANCE = 2e-5  # of the largest number, as for Caffe's own cases in single precision
FORKS = SHARED / "reference" / "forks"
CASES = sorted(path for path in FORKS.glob("*/*.prototxt") if path.with_suffix(".npz").exists())


def case_id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", CASES, ids=case_id)
def test_agrees_with_the_fork(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert not run_reference_case(path, TOLERANCE, of_fork=True)
