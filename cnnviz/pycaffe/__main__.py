"""python -m cnnviz.pycaffe PROGRAM [ARGUMENT...]: runs a program whose ``import caffe`` means cnnviz."""

from __future__ import annotations

import os
import runpy
import sys

import cnnviz.pycaffe
from cnnviz.errors import CnnvizError


def main() -> None:
    """Runs the program; an error of cnnviz's is one sentence on the error stream and exit code 1."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    cnnviz.pycaffe.install()
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except CnnvizError as error:
        sys.exit(f"Error: {error}")


main()
