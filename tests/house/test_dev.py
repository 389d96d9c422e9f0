"""dev.py on an incomplete Python."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from support.files import ROOT

DEV = ROOT / "dev.py"


@pytest.mark.parametrize("module", ["ensurepip", "venv"])
def test_a_python_that_cannot_make_environments(module, tmp_path):
    shutil.copy(DEV, tmp_path)
    code = (
        f"import runpy, sys; sys.modules[{module!r}] = None; sys.argv = ['dev.py', 'test']; "
        "runpy.run_path('dev.py', run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: this Python cannot make virtual environments, it has no {module}. "
        "On Debian and Ubuntu: apt install python3-venv\n"
    )
    assert not (tmp_path / ".venv").exists()
