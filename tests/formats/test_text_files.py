"""Text files of any encoding and with any line ends, wherever cnnviz reads text."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from cnnviz.analysis.image_options import read_class_names as class_names
from cnnviz.engine.data.imageset import convert_imageset
from cnnviz.engine.data.sources import read_image_list
from cnnviz.engine.data.windows import read_window_file
from cnnviz.errors import FileError
from cnnviz.formats.databases import open_database
from cnnviz.formats.layer_times import read_times
from cnnviz.formats.prototxt import read_net, read_solver
from cnnviz.formats.text import decode_name, read_lines, read_text
from cnnviz.formats.training_log import LogReader, read_log

TEXT = "# 数据集\n卷积1 é\n\nlast"
ENCODINGS = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with mark": lambda text: text.encode("utf-8-sig"),
    "utf-16 little": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "utf-16 big": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-32": lambda text: text.encode("utf-32"),
    "gb18030": lambda text: text.encode("gb18030"),
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_any_encoding_and_line_end(tmp_path, encode, line_end):
    path = tmp_path / "text.txt"
    path.write_bytes(encode(TEXT.replace("\n", line_end)))
    assert read_text(path) == TEXT
    assert read_lines(path) == TEXT.split("\n")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognized_by_its_zeros(tmp_path, encoding):
    (tmp_path / "text.txt").write_bytes("name: 'net'\n".encode(encoding))
    assert read_text(tmp_path / "text.txt") == "name: 'net'\n"


@pytest.mark.parametrize(
    "raw, text",
    [
        ("卷积1".encode("gbk"), "卷积1"),
        ("朱镕基".encode("gbk"), "朱镕基"),  # the second byte is an ASCII letter
        ("鹦鹉".encode("gbk"), "鹦鹉"),
        ("𠀀".encode("gb18030"), "𠀀"),  # four bytes, digits among them
        ("créé, à l'été".encode("latin-1"), "créé, à l'été"),
        ("Müller-Straße".encode("latin-1"), "Müller-Straße"),
        (b"caf\xe9", "café"),
        (b"\xff\xfe", "ÿþ"),
        (b"", ""),
    ],
)
def test_names_are_gb18030_where_that_makes_sense_otherwise_latin_1(raw, text):
    assert decode_name(raw) == text


def test_binary_files_and_more_than_fits_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"name\0more")
    with pytest.raises(FileError, match=r"is a binary file, not a list\. Give the file in text"):
        read_text(tmp_path / "a", "a list")
    with open(tmp_path / "huge", "wb") as file:
        file.write(b"a 1\n")
        file.truncate(1 << 40)
    for name in ("huge", "/dev/zero"):
        with pytest.raises(FileError, match=r"binary|at once|is a pipe or a device"):
            read_text(tmp_path / name)


NET = """name: "网络"
layer { name: "卷积1" type: "Input" top: "数据" input_param { shape { dim: 2 } } } # 注释
"""


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_prototxts(tmp_path, encode):
    (tmp_path / "net.prototxt").write_bytes(encode(NET.replace("\n", "\r")))
    net = read_net(tmp_path / "net.prototxt")
    assert (net.name, net.layer[0].name, net.layer[0].top[0]) == ("网络", "卷积1", "数据")
    assert net.lines == [2]
    (tmp_path / "solver.prototxt").write_bytes(encode('net: "网络.prototxt" # 注释\r\nlr_policy: "fixed"'))
    assert read_solver(tmp_path / "solver.prototxt").net.__self__.proto.net == "网络.prototxt"


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_class_names_times_and_lists(tmp_path, encode):
    (tmp_path / "names.txt").write_bytes(encode("猫\r\n狗\r\n"))
    assert class_names(tmp_path / "names.txt") == ["猫", "狗"]
    (tmp_path / "times.json").write_bytes(
        encode('{"layers": [{"name": "卷积1", "forward_ms": 1, "backward_ms": 2}]}')
    )
    assert read_times(tmp_path / "times.json") == {"卷积1": 3}
    (tmp_path / "list.txt").write_bytes(encode("卷 积/a.png 0\r\n卷 积/b.png\t1\r\n"))
    assert read_image_list(tmp_path / "list.txt") == [("卷 积/a.png", 0), ("卷 积/b.png", 1)]
    (tmp_path / "windows.txt").write_bytes(encode("# 0\r\n卷积.png\r\n3\r\n8\r\n8\r\n1\r\n1 0.9 0 0 4 4\r\n"))
    assert read_window_file(tmp_path / "windows.txt").images == ["卷积.png"]


@pytest.mark.parametrize("stored", ["utf-8", "gb18030"])
@pytest.mark.parametrize("slash", ["/", "\\"])
def test_a_list_in_gbk_with_backslashes_finds_its_images(tmp_path, stored, slash):
    """The images' names are in UTF-8, or in the bytes that the list has."""
    folder = tmp_path / os.fsdecode("图片".encode(stored))
    folder.mkdir()
    Image.fromarray(np.full((4, 5), 7, np.uint8)).save(folder / "a.png")
    (tmp_path / "list.txt").write_bytes(f"图片{slash}a.png 3\r\n".encode("gb18030"))
    done = convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / "db")
    assert (done.count, done.skipped) == (1, [])
    with open_database(tmp_path / "db") as database:
        (key, datum), *_ = database.datums()
        assert datum.label == 3 and key.endswith(f"{slash}a.png")


LINES = "I1121 02:06:46.000000 1 solver.cpp:239] Iteration {i}, loss = {i}\n" \
        "I1121 02:06:46.000000 1 solver.cpp:258]     Train net output #0: 损失 = {i}\n"  # fmt: skip


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_logs(tmp_path, encode):
    data = encode("".join(LINES.format(i=i) for i in range(3)).replace("\n", "\r\n"))
    (tmp_path / "train.log").write_bytes(data)
    whole = read_log(tmp_path / "train.log").segments[0]
    by_bytes = LogReader("train.log")
    for i in range(len(data)):
        by_bytes.feed(data[i : i + 1])
    for segment in (whole, by_bytes.finish().segments[0]):
        assert list(segment.loss.iterations) == [0, 1, 2]
        assert list(segment.train.curves) == ["损失"]
