"""``import caffe`` in processes started by a program under ``python -m cnnviz.pycaffe``."""

import cnnviz.pycaffe
from cnnviz.engine.python_modules import allow_program

cnnviz.pycaffe.install()
allow_program()
