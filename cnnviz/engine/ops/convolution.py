"""Convolution: forward and both gradients, by the algorithm that is fastest for a geometry and a device."""

from __future__ import annotations

from cnnviz.engine.device import Device
from cnnviz.engine.ops import fast_convolution, winograd
from cnnviz.engine.ops.plain_convolution import Geometry, PlainConvolution


def make_convolution(device: Device, geometry: Geometry) -> PlainConvolution:
    """Returns the fastest convolution that the device has for ``geometry``."""
    if winograd.suits(device, geometry):
        return winograd.WinogradConvolution(device, geometry)
    if fast_convolution.suits(device, geometry):
        return fast_convolution.FastConvolution(device, geometry)
    return PlainConvolution(device, geometry)
