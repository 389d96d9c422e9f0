"""Sets up a virtual environment in .venv and runs a job in it: python3 dev.py demo | test | check | docs.

demo   install cnnviz with a CPU runtime for OpenCL, train LeNet on real digits, write its gallery page
test   install what the tests need as well, and run them (more arguments go to pytest)
check  run the linter, the formatter's check and the type checker
docs   make the generated pages and the pictures of docs/ again (more arguments choose some, e.g. commands)
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / ".venv"
BIN = FOLDER / ("Scripts" if os.name == "nt" else "bin")
EXTRAS = {"demo": "cpu", "test": "cpu,test", "check": "test", "docs": "cpu,test"}


def set_up(extras: str) -> None:
    """Makes the environment if there is none and installs the checkout with ``extras``, editable."""
    if not (BIN / "pip").exists() and not (BIN / "pip.exe").exists():
        make_environment()
    done = FOLDER / f"installed-{extras.replace(',', '-')}"
    newest = max((ROOT / name).stat().st_mtime for name in ("setup.py", "pyproject.toml"))
    if done.exists() and done.stat().st_mtime > newest:
        return
    print("Installing packages (about 300 MB the first time) ...", flush=True)
    pip = [str(BIN / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "-e", f"{ROOT}[{extras}]"], check=True)
    done.touch()


def make_environment() -> None:
    """Makes an empty environment, or exits with what this Python lacks for it."""
    if sys.version_info < (3, 10):  # noqa: UP036
        sys.exit(f"Error: cnnviz needs Python 3.10 or newer, this is {sys.version.split()[0]}.")
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError as error:
        sys.exit(
            f"Error: this Python cannot make virtual environments, it has no {error.name}. "
            "On Debian and Ubuntu: apt install python3-venv"
        )
    print(f"Setting up {FOLDER} ...", flush=True)
    venv.create(FOLDER, with_pip=True, clear=True)


def main(arguments: list[str]) -> int:
    job, *rest = arguments or [""]
    if job not in EXTRAS:
        print(__doc__)
        return 2
    set_up(EXTRAS[job])
    python = str(BIN / "python")
    jobs = {
        "demo": [[python, "-m", "cnnviz", "demo", *rest]],
        "test": [[python, "-m", "pytest", *rest]],
        "docs": [[python, "tools/make_docs.py", *rest]],
        "check": [
            [python, "-m", "ruff", "check"],
            [python, "-m", "ruff", "format", "--check"],
            [python, "-m", "mypy"],
        ],
    }
    return max(
        subprocess.run(command, cwd=ROOT if job != "demo" else None).returncode for command in jobs[job]
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    except KeyboardInterrupt:
        sys.exit(130)
