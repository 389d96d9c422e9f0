"""ImageData: images and labels from a list of files."""

from __future__ import annotations

from collections.abc import Callable

from cnnviz.engine.blob import Shape
from cnnviz.engine.data.sources import BatchReader, ImageSource, read_image_list
from cnnviz.engine.data.transformer import Transformer
from cnnviz.engine.layers._data import Batch, DataLayer
from cnnviz.errors import NetError
from cnnviz.formats.images import MAX_PIXELS


class ImageData(DataLayer):
    """data = (image - mean) * scale, cropped and mirrored; label as listed.

    image_data_param:
        source: text file with a line "path label" for each image.
        root_folder: prefix of every path, used as given; default empty.
        batch_size: images in a batch; default 1.
        new_height, new_width: size in pixels to which images are resized first; default 0: unchanged.
        is_color: true gives B, G, R, false gray; default true.
        shuffle: random order, a new one for each round; default false.
        rand_skip: the number of images skipped at the start is drawn below it; default 0.
        scale, mean_file, crop_size, mirror: the older form of the fields of transform_param.
    transform_param:
        as for Data.

    Bottom: none.
    Top: data (batch_size, C, H, W); label (batch_size), optional.
    Raises: NetError for parameters that do not fit; FileError when the net is to run and a file is
        missing or not an image.
    Source: Caffe's ImageDataLayer.
    """

    type = "ImageData"

    def batch_size(self) -> int:
        return self.param.image_data_param.batch_size

    def open(self) -> list[Shape]:
        located = self.located_param()
        param = located.image_data_param
        size = (param.new_height, param.new_width)
        if any(size) and not all(size):
            raise NetError("new_height and new_width belong together; give both or none")
        if size[0] * size[1] > MAX_PIXELS:
            raise NetError(
                f"new_height {size[0]} x new_width {size[1]} is above {MAX_PIXELS} pixels; take less"
            )
        self._transformer = Transformer(located.transform_param, self.phase)
        names, labels = zip(*read_image_list(param.source, param.root_folder), strict=True)
        entries = list(zip(self.resolve_all(names), labels, strict=True))
        self._source = ImageSource(entries, param.is_color, size if all(size) else None, param.shuffle)
        return [self._transformer.shape(self._source.first().shape), ()]

    def guess(self) -> list[Shape | None]:
        param = self.param.image_data_param
        crop = self.param.transform_param.crop_size
        height, width = crop or param.new_height, crop or param.new_width
        size: Shape = (height, width) if height and width else self.mean_shape()[1]
        return [(3 if param.is_color else 1, *size) if size else None, ()]

    def reader(self) -> Callable[[], Batch]:
        size = self.batch_size()
        skip = self.param.image_data_param.rand_skip
        batches = BatchReader(self._source, self._transformer, self.random, skip)
        return lambda: batches.next_batch(size)
