"""Data: images and labels from a database, or from files that need no database."""

from __future__ import annotations

from collections.abc import Callable

from cnnviz.engine.blob import Shape
from cnnviz.engine.data.sources import BatchReader, Source, open_source
from cnnviz.engine.data.transformer import Transformer
from cnnviz.engine.layers._data import Batch, DataLayer
from cnnviz.formats.schema import DataParameter


class Data(DataLayer):
    """data = (image - mean) * scale, cropped and mirrored; label as stored.

    data_param:
        source: folder of an LMDB or LevelDB of Datums; also an idx images file with its labels beside
            it, CIFAR-10 binaries, or a folder with a subfolder of images for each class.
        batch_size: items in a batch, no default.
        backend: LMDB or LEVELDB, for databases; default: what the folder holds.
        rand_skip: the number of items skipped at the start is drawn below it; default 0.
        prefetch: batches prepared ahead; default 4.
        shuffle, threads, parser_threads, force_encoded_color: accepted, change nothing.
    transform_param:
        scale: default 1.
        mean_file: the mean image, of the size before the crop; default none.
        mean_value: the mean instead, one value for all channels or one for each; default none.
        crop_size: side of a square crop in pixels, random in TRAIN, central in TEST; default 0: none.
        mirror: whether each image is mirrored with probability 1/2, in both phases; default false.
        force_color, force_gray: whether encoded images are read in color, or in gray; default false.

    Items come in the order of the database, and the first follows the last.

    Bottom: none.
    Top: data (batch_size, C, H, W); label (batch_size), optional.
    Raises: NetError for parameters that exclude each other or do not fit the images; FileError when
        the net is to run and the source is missing or damaged.
    Source: Caffe's DataLayer.
    """

    type = "Data"

    _source: Source | None = None

    def batch_size(self) -> int:
        return self.param.data_param.batch_size

    def open(self) -> list[Shape]:
        self.close()
        located = self.located_param()
        param = located.data_param
        self._transformer = Transformer(located.transform_param, self.phase)
        backend = DataParameter.DB.Name(param.backend) if param.HasField("backend") else None
        self._source = open_source(param.source, self._transformer.color, self.phase, backend)
        return [self._transformer.shape(self._source.first().shape), ()]

    def guess(self) -> list[Shape | None]:
        param = self.param.transform_param
        channels, size = self.mean_shape()
        if param.force_color or param.force_gray:
            channels = 3 if param.force_color else 1
        if param.crop_size:
            size = (param.crop_size, param.crop_size)
        return [(channels, *size) if channels and size else None, ()]

    def reader(self) -> Callable[[], Batch]:
        assert self._source is not None
        skip, size = self.param.data_param.rand_skip, self.batch_size()
        batches = BatchReader(self._source, self._transformer, self.random, skip)
        return lambda: batches.next_batch(size)

    def close(self) -> None:
        super().close()
        if self._source is not None:
            self._source.close()
            self._source = None
