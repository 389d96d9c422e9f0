"""Convolution: forward and both gradients, the way that is fastest for a geometry and a device."""

from __future__ import annotations

from cnnviz.engine.device import Device
from cnnviz.engine.ops.fast_convolution import FastConvolution, suits
from cnnviz.engine.ops.plain_convolution import Geometry, PlainConvolution


def make_convolution(device: Device, geometry: Geometry) -> PlainConvolution:
    """Returns the fastest convolution that the device has for ``geometry``."""
    if suits(device, geometry):
        return FastConvolution(device, geometry)
    return PlainConvolution(device, geometry)
