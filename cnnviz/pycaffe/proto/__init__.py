"""pycaffe's caffe.proto: the module caffe_pb2."""

from cnnviz.pycaffe.proto import caffe_pb2

__all__ = ["caffe_pb2"]
