"""The transformer, and reading ahead in the background."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import cnnviz
from cnnviz.engine.data.prefetch import Prefetcher
from cnnviz.engine.data.sources import ArraySource, BatchReader
from cnnviz.engine.data.transformer import Transformer
from cnnviz.errors import FileError, NetError
from cnnviz.formats.binaryproto import write_mean
from cnnviz.formats.schema import TransformationParameter

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 9), dtype=np.uint8)


def transform(pictures=PICTURES, phase=cnnviz.TEST, seed=0, **parameters) -> np.ndarray:
    transformer = Transformer(TransformationParameter(**parameters), phase)
    return transformer.transform(list(pictures), np.random.default_rng(seed))


def test_nothing_asked_nothing_changed():
    result = transform()
    assert result.dtype == np.float32 and (result == PICTURES).all()


def test_mean_then_scale():
    assert np.allclose(transform(mean_value=[100.0], scale=0.5), (PICTURES - 100.0) * 0.5)
    means = np.array([104, 117, 123.0]).reshape(3, 1, 1)
    assert (transform(mean_value=[104, 117, 123]) == PICTURES - means).all()


def test_the_mean_file_is_cropped_with_the_image(tmp_path):
    mean = np.random.default_rng(1).uniform(0, 255, (3, 8, 9)).astype(np.float32)
    write_mean(tmp_path / "mean.binaryproto", mean)
    result = transform(mean_file=str(tmp_path / "mean.binaryproto"), crop_size=5)
    assert (result == (PICTURES - mean)[:, :, 1:6, 2:7]).all()


def test_crops_lie_in_the_centre_in_TEST_and_anywhere_in_TRAIN():
    assert (transform(crop_size=5) == PICTURES[:, :, 1:6, 2:7]).all()
    crops = {PICTURES[0, :, y : y + 5, x : x + 5].tobytes(): (y, x) for y in range(4) for x in range(5)}
    found = transform(PICTURES[:1].repeat(300, 0), cnnviz.TRAIN, crop_size=5)
    assert {crops[crop.astype(np.uint8).tobytes()] for crop in found} == set(crops.values())


@pytest.mark.parametrize("phase", [cnnviz.TRAIN, cnnviz.TEST])
def test_half_of_the_images_are_mirrored_in_both_phases(phase):
    found = transform(PICTURES[:1].repeat(400, 0), phase, mirror=True, mean_value=[1, 2, 3])
    plain = transform(PICTURES[:1], mean_value=[1, 2, 3])[0]
    mirrored = [(f == plain[:, :, ::-1]).all() for f in found]
    assert all(m or (f == plain).all() for m, f in zip(mirrored, found, strict=True))
    assert 150 < sum(mirrored) < 250


def test_a_seed_repeats_the_batches():
    def batch(seed):
        return transform(phase=cnnviz.TRAIN, seed=seed, crop_size=4, mirror=True)

    assert (batch(1) == batch(1)).all() and (batch(1) != batch(2)).any()


def test_crops_make_images_of_different_sizes_one_batch():
    pictures = [PICTURES[0], PICTURES[1][:, :6, :7]]
    assert transform(pictures, crop_size=4).shape == (2, 3, 4, 4)
    with pytest.raises(NetError, match=r"images of \(3, 8, 9\) and \(3, 6, 7\) are in one batch"):
        transform(pictures)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"force_color": True, "force_gray": True}, "force_color and force_gray exclude each other"),
        ({"mean_file": "a.binaryproto", "mean_value": [1]}, "mean_file and mean_value exclude each other"),
        ({"crop_size": 9}, "crop_size 9 is larger than the image of 8 x 9"),
        ({"mean_value": [1, 2]}, "has 2 mean_value entries for 3 channels; give 1 or 3"),
    ],
)
def test_parameters_that_do_not_fit(parameters, message):
    with pytest.raises(NetError, match=message):
        transform(**parameters)


def test_a_mean_of_another_size(tmp_path):
    path = str(tmp_path / "mean.npy")
    write_mean(path, np.zeros((3, 5, 5), np.float32))
    with pytest.raises(NetError, match=r"mean_file .* is of shape \(3, 5, 5\), the image of \(3, 8, 9\)"):
        transform(mean_file=path)
    with pytest.raises(FileError, match="cannot be read"):
        transform(mean_file=str(tmp_path / "none.binaryproto"))


def test_rand_skip_leaves_out_fewer_than_it_says():
    starts = set()
    for seed in range(40):
        reader = BatchReader(
            ArraySource(PICTURES, np.arange(6)),
            Transformer(TransformationParameter(), cnnviz.TRAIN),
            np.random.default_rng(seed),
            rand_skip=3,
        )
        starts.add(int(reader.next_batch(2)[1][0]))
    assert starts == {0, 1, 2}


def test_prefetched_batches_come_in_order():
    numbers = iter(range(100))
    prefetcher = Prefetcher(lambda: next(numbers), depth=3)
    assert [prefetcher.next() for _ in range(50)] == list(range(50))
    prefetcher.close()


def test_batches_are_prepared_before_they_are_asked_for():
    made = []
    prefetcher = Prefetcher(lambda: made.append(0), depth=4)
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.02)
    assert len(made) == 5  # four in the queue and one in the hand
    prefetcher.close()


def test_an_error_reaches_the_consumer_after_the_batches_before_it():
    def make():
        if len(made) == 2:
            raise FileError("x.png: is damaged.")
        made.append(0)
        return len(made)

    made: list[int] = []
    prefetcher = Prefetcher(make, depth=1)
    assert [prefetcher.next(), prefetcher.next()] == [1, 2]
    for _ in range(2):
        with pytest.raises(FileError, match=r"^x\.png: is damaged\.$"):
            prefetcher.next()
    prefetcher.close()


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_the_thread_ends(how):
    before = threading.active_count()
    prefetcher = Prefetcher(lambda: np.zeros(3), depth=1)
    prefetcher.next()
    if how == "closed":
        prefetcher.close()
    del prefetcher
    assert threading.active_count() == before
