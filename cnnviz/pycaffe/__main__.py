"""python -m cnnviz.pycaffe PROGRAM [ARGUMENT...]: runs a program whose ``import caffe`` imports cnnviz.

The program is trusted: Python layers beside it, and in folders that it puts on ``sys.path``, run.
"""

from __future__ import annotations

import os
import runpy
import sys

import cnnviz.pycaffe
from cnnviz.engine.python_modules import allow_program
from cnnviz.errors import CnnvizError

CHILDREN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "for_children")


def _reach_children() -> None:
    """Lets started processes find ``caffe``: spawned ones by sys.path, others by PYTHONPATH."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(cnnviz.__file__)))
    sys.path += [folder for folder in (package, CHILDREN) if folder not in sys.path]
    given = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{given}{os.pathsep}{CHILDREN}" if given else CHILDREN


def main() -> None:
    """Runs the program; an error of cnnviz's is one sentence on stderr and exit code 1."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    cnnviz.pycaffe.install()
    allow_program()
    _reach_children()
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except CnnvizError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
