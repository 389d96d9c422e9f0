"""ROIPooling, ROIAlign and PSROIPooling: regions of any size pooled to one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.workspace import Workspace
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class _RegionPooling(Layer):
    """Base: bottom 0 are the planes, bottom 1 the regions."""

    kind = "pooling"
    num_bottom = (2, 2)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def check_bottoms(self, bottom: Sequence[Shape], pooled: tuple[int, int], scale: float) -> None:
        x, rois = bottom
        if len(x) != 4:
            raise NetError(f"expects bottom 0 (N, C, H, W), not {x}")
        if len(rois) < 2 or rois[1] != 5 or any(axis != 1 for axis in rois[2:]):
            raise NetError(f"bottom 1 is {rois}, expected regions (R, 5): item, x1, y1, x2, y2")
        if min(pooled) < 1 or scale <= 0:
            raise NetError("the pooled size and spatial_scale must be given and greater than 0")
        self._args = (rois[0], *x, *pooled, float(scale))
        self._planes = x[0] * x[1]

    def launch_regions(self, kernel: str, items: int, rois: Any, *args: Any) -> None:
        self.device.launch("roi_pooling", kernel, items, *self._args, rois, *args)


class ROIPooling(_RegionPooling):
    """y[r, c, i, j] = maximum of x[item, c] over bin (i, j) of region r

    A region is rounded to whole pixels of the bottom and cut into pooled_h x pooled_w bins, which may
    overlap by a pixel. An empty bin gives 0.

    roi_pooling_param:
        pooled_h, pooled_w: number of bins.
        spatial_scale: pixels of the bottom per pixel of the image; default 1.

    Bottom: x (N, C, H, W); regions (R, 5): item in the batch, then x1, y1, x2, y2 in pixels of the
        image, both corners inside. Only x gets a gradient.
    Top: y (R, C, pooled_h, pooled_w).
    Raises: NetError if the bottoms have other shapes, or a parameter is missing.
    Source: Girshick 2015, Fast R-CNN. A region of an item that does not exist gives 0.
    Checked: against Fast R-CNN's fork (rbgirshick/caffe-fast-rcnn), but for the gradient of regions whose end
        lies before their start, which is 0 there.
    """

    type = "ROIPooling"
    keeps_forward = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._workspace = Workspace(self)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        options = self.param.roi_pooling_param
        pooled = options.pooled_h, options.pooled_w
        self.check_bottoms(bottom, pooled, options.spatial_scale)
        return [(bottom[1][0], bottom[0][1], *pooled)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        index = self._workspace.get("index", top[0].count, itemsize=4)
        x, rois, y = bottom[0].device_data, bottom[1].device_data, top[0].mutable_device_data
        self.launch_regions("roi_pooling_forward", top[0].count, rois, x, y, index)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            index = self._workspace.get("index", top[0].count, itemsize=4)
            args = (index, top[0].device_diff, bottom[0].mutable_device_diff)
            self.launch_regions("roi_pooling_backward", self._planes, bottom[1].device_data, *args)


class ROIAlign(_RegionPooling):
    """y[r, c, i, j] = mean of x[item, c] at points spread over bin (i, j) of region r

    Neither the region nor its bins are rounded; x between pixels is interpolated between the four around, and
    0 more than a pixel outside of the plane. A region is at least 1 pixel of the bottom wide and high.

    roi_align_param:
        pooled_h, pooled_w: number of bins.
        spatial_scale: pixels of the bottom per pixel of the image; default 1.
        sampling_ratio: points along each side of a bin; default -1 (or 0): one for each pixel begun, at most
            the plane's size.

    Bottom: x (N, C, H, W); regions (R, 5): item in the batch, then x1, y1, x2, y2 in pixels of the image.
        Only x gets a gradient.
    Top: y (R, C, pooled_h, pooled_w).
    Raises: NetError if the bottoms have other shapes, or a parameter is missing.
    Source: He et al. 2017, Mask R-CNN, as in Detectron. Other forks of Caffe give this name to other poolings
        (the maximum of four points, or values at the corners of the bins), which are not here.
    Checked: not against a fork.
    """

    type = "ROIAlign"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        options = self.param.roi_align_param
        pooled = options.pooled_h, options.pooled_w
        if options.sampling_ratio > 64:
            raise NetError(f"sampling_ratio is {options.sampling_ratio}, expected at most 64")
        self.check_bottoms(bottom, pooled, options.spatial_scale)
        return [(bottom[1][0], bottom[0][1], *pooled)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        points = self.param.roi_align_param.sampling_ratio
        x, rois, y = bottom[0].device_data, bottom[1].device_data, top[0].mutable_device_data
        self.launch_regions("roi_align_forward", top[0].count, rois, points, x, y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            points = self.param.roi_align_param.sampling_ratio
            args = (points, top[0].device_diff, bottom[0].mutable_device_diff)
            self.launch_regions("roi_align_backward", self._planes, bottom[1].device_data, *args)


class PSROIPooling(_RegionPooling):
    """y[r, c, i, j] = mean of x[item, (c k + i) k + j] over bin (i, j) of region r,  k = group_size

    Each bin reads a channel of its own: it answers for its part of an object.

    psroi_pooling_param:
        output_dim: number of channels of y.
        group_size: k, bins in each direction.
        spatial_scale: pixels of the bottom per pixel of the image.

    Bottom: x (N, output_dim k^2, H, W); regions (R, 5): item in the batch, then x1, y1, x2, y2 in pixels
        of the image, both corners inside. Only x gets a gradient.
    Top: y (R, output_dim, k, k).
    Raises: NetError if the bottoms have other shapes, or a parameter is missing.
    Source: Dai et al. 2016, R-FCN. An empty bin, or a region of an item that does not exist, gives 0.
    Checked: against R-FCN's fork (daijifeng001/caffe-rfcn).
    """

    type = "PSROIPooling"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        options = self.param.psroi_pooling_param
        k, dim = options.group_size, options.output_dim
        self.check_bottoms(bottom, (k, k), options.spatial_scale)
        if bottom[0][1] != dim * k * k:
            raise NetError(
                f"bottom 0 has {bottom[0][1]} channels, expected output_dim x group_size^2 = {dim * k * k}"
            )
        return [(bottom[1][0], dim, k, k)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, rois, y = bottom[0].device_data, bottom[1].device_data, top[0].mutable_device_data
        self.launch_regions("psroi_pooling_forward", top[0].count, rois, x, y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            args = (top[0].device_diff, bottom[0].mutable_device_diff)
            self.launch_regions("psroi_pooling_backward", self._planes, bottom[1].device_data, *args)
