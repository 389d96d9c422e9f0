"""WindowData: windows of images, objects and background mixed."""

from __future__ import annotations

from collections.abc import Callable

from cnnviz.engine.blob import Shape
from cnnviz.engine.data.windows import WindowSampler, read_window_file
from cnnviz.engine.layers._data import Batch, DataLayer


class WindowData(DataLayer):
    """Windows drawn at random, warped to a square: (pixel - mean) * scale, 0 outside of the image.

    window_data_param:
        source: the window file: images, and for each window its class, overlap and corners.
        root_folder: prefix of every image's path, used as given; default empty.
        batch_size: windows in a batch, no default.
        fg_threshold: minimum overlap of an object; default 0.5.
        bg_threshold: overlap below which a window is background, class 0; default 0.5.
        fg_fraction: fraction of objects in a batch; default 0.25.
        context_pad: pixels of the crop that show what is around the window; default 0.
        crop_mode: "warp" the window, or take the tightest "square" around it; default warp.
        cache_images: keep decoded images in memory; default false.
    transform_param:
        crop_size: the square's side in pixels, no default.
        scale, mirror, mean_file, mean_value: default 1, false, none, none; of the file the centre is used.

    Bottom: none.
    Top: data (batch_size, C, crop_size, crop_size), background first; label (batch_size).
    Raises: NetError for parameters that do not fit; FileError when the net is to run and the window
        file is missing or damaged.
    Source: Caffe's WindowDataLayer.
    """

    type = "WindowData"
    num_top = (2, 2)

    def batch_size(self) -> int:
        return self.param.window_data_param.batch_size

    def open(self) -> list[Shape]:
        located = self.located_param()
        param = located.window_data_param
        file = read_window_file(param.source, param.root_folder)
        file.images = self.resolve_all(file.images)
        file.images = self.resolve_all(file.images)
        self._sampler = WindowSampler(located, file)
        return [self._sampler.shape, ()]

    def guess(self) -> list[Shape | None]:
        crop = self.param.transform_param.crop_size
        return [(3, crop, crop) if crop else None, ()]

    def reader(self) -> Callable[[], Batch]:
        batches = self._sampler.batches(self.random)
        return lambda: next(batches)
