"""PriorBox: the boxes that a detector starts from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.boxes import around
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class PriorBox(Layer):
    """y = boxes of several sizes and shapes around each position of a feature map, and their variances

    Around each position, for each min_size: a square of that size; one of sqrt(min_size max_size), if
    there are max_sizes; and for each other aspect ratio r a box of width min_size sqrt(r) and height
    min_size / sqrt(r). Computed on the host, once for each size of the bottoms.

    prior_box_param:
        min_size: side of the squares, in pixels of the image; one or more; fractions are cut off.
        max_size: none, or one for each min_size; fractions are cut off.
        aspect_ratio: ratios of width to height, beside 1.
        flip: also 1/r for each ratio r; default true.
        clip: cuts boxes off at the image's border; default false.
        variance: one number or four; default 0.1.
        img_size, or img_h and img_w: the image's size in pixels; default: that of bottom 1.
        step, or step_h and step_w: pixels between positions; default: image size / feature map size.
        offset: of a box's centre in its step; default 0.5.

    Bottom: the feature map (N, C, H, W); the image (N, C, H, W), of both only the size is used.
    Top: y (1, 2, 4 H W B) for B boxes at each position: xmin, ymin, xmax, ymax divided by the image's
        size, then the variances.
    Raises: NetError for sizes that are missing or do not fit together.
    Source: Liu et al. 2016, SSD. There is no gradient.
    Checked: against SSD's fork (weiliu89/caffe, branch ssd).
    """

    type = "PriorBox"
    kind = "other"
    size_bottom = 1
    new_maps = False
    num_bottom = (2, 2)
    has_backward = False

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.prior_box_param
        self._check(options)
        self._ratios = [1.0]
        for ratio in options.aspect_ratio:
            if all(abs(ratio - known) >= 1e-6 for known in self._ratios):
                self._ratios += [ratio, 1 / ratio] if options.flip else [ratio]
        self._variances = list(options.variance) or [0.1]
        if len(self._variances) == 1:
            self._variances *= 4
        self._made: tuple[Any, np.ndarray] | None = None

    @staticmethod
    def _check(options: Any) -> None:
        numbers = [*options.min_size, *options.max_size, *options.aspect_ratio, *options.variance]
        if not all(map(math.isfinite, [*numbers, options.offset])):
            raise NetError("min_size, max_size, aspect_ratio, variance and offset must be finite numbers")
        if not options.min_size or min(options.min_size) < 1:
            raise NetError("min_size must be given, and at least 1 pixel")
        if options.max_size and len(options.max_size) != len(options.min_size):
            raise NetError(f"has {len(options.max_size)} max_sizes for {len(options.min_size)} min_sizes")
        if any(large <= small for large, small in zip(options.max_size, options.min_size, strict=False)):
            raise NetError("each max_size must be greater than its min_size")
        if len(options.variance) not in (0, 1, 4) or any(v <= 0 for v in options.variance):
            raise NetError("variance must be one number or four, all greater than 0")
        if any(ratio <= 0 for ratio in options.aspect_ratio):
            raise NetError("aspect_ratio must be greater than 0")
        for whole, parts in (("img_size", ("img_h", "img_w")), ("step", ("step_h", "step_w"))):
            given = [options.HasField(name) for name in (whole, *parts)]
            if (given[0] and any(given[1:])) or given[1] != given[2]:
                raise NetError(f"give {whole}, or {parts[0]} and {parts[1]}")
            if any(options.HasField(name) and getattr(options, name) <= 0 for name in (whole, *parts)):
                raise NetError(f"{whole} must be greater than 0")

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if any(len(shape) != 4 for shape in bottom):
            raise NetError(f"expects bottoms (N, C, H, W), not {bottom[0]} and {bottom[1]}")
        self._map, image = bottom[0][2:], bottom[1][2:]
        self._image = self._pair("img_size", "img") or image
        if not min(self._image):
            raise NetError(f"bottom 1 is {bottom[1]}, expected an image of at least one pixel")
        self._step = self._pair("step", "step") or tuple(
            size / max(count, 1) for size, count in zip(self._image, self._map, strict=True)
        )
        options = self.param.prior_box_param
        boxes = len(options.min_size) * len(self._ratios) + len(options.max_size)
        return [(1, 2, math.prod(self._map) * boxes * 4)]

    def _pair(self, whole: str, part: str) -> tuple[float, float] | None:
        options = self.param.prior_box_param
        if options.HasField(f"{part}_h"):
            return getattr(options, f"{part}_h"), getattr(options, f"{part}_w")
        if options.HasField(whole):
            return getattr(options, whole), getattr(options, whole)
        return None

    def _sizes(self) -> np.ndarray:
        """Returns the boxes' (width, height) in pixels."""
        options = self.param.prior_box_param
        sizes = []
        for i, exact in enumerate(options.min_size):
            small = float(int(exact))
            sizes.append((small, small))
            if options.max_size:
                between = math.sqrt(small * int(options.max_size[i]))
                sizes.append((between, between))
            roots = [math.sqrt(ratio) for ratio in self._ratios if abs(ratio - 1) >= 1e-6]
            sizes += [(small * root, small / root) for root in roots]
        return np.array(sizes)

    def _boxes(self) -> np.ndarray:
        (height, width), options = self._map, self.param.prior_box_param
        rows = (np.arange(height) + options.offset) * self._step[0]
        columns = (np.arange(width) + options.offset) * self._step[1]
        sizes = self._sizes()
        centers = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=2)[:, :, None]
        boxes = around(centers, sizes) / np.array([self._image[1], self._image[0]] * 2)
        return np.clip(boxes, 0, 1) if options.clip else boxes

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        key = (self._map, self._image, self._step)
        if self._made is None or self._made[0] != key:
            boxes = self._boxes().ravel()
            variances = np.tile(self._variances, len(boxes) // 4)
            self._made = key, np.concatenate([boxes, variances])
        top[0].data[...] = self._made[1].reshape(top[0].shape)
