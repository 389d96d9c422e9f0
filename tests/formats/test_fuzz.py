"""A short run of the fuzzing harness; support/fuzz_formats.py has the long one."""

from __future__ import annotations

import subprocess
import sys

from support.files import ROOT

HARNESS = ROOT / "tests/support/fuzz_formats.py"


def test_damaged_files_are_read_or_refused_in_one_sentence(tmp_path):
    # Another process: the harness limits its own memory.
    command = [sys.executable, HARNESS, "--count", "2200", "--seed", "11", "--keep", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    read, refused = (int(part.split()[1]) for part in result.stdout.split(",")[:2])
    assert read > 200 and refused > 1000 and read + refused == 2200
