"""Caffe's Blob, Layer, Net and Solver, run by OpenCL."""
