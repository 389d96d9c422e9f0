"""``import caffe`` in processes that a program under ``python -m cnnviz.pycaffe`` starts."""

import cnnviz.pycaffe
from cnnviz.engine.layers.python import allow_program

cnnviz.pycaffe.install()
allow_program()
