"""What a file is by its first bytes, for errors about files that are not what their name says."""

from __future__ import annotations

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_STARTS = (
    (HDF5_MAGIC, "an HDF5 file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for: run git lfs pull"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"BZh", "a bzip2 archive: unpack it first"),
    (b"\xfd7zXZ", "an xz archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"PK\x03\x04", "a ZIP archive (perhaps an .npz or a PyTorch file): unpack or convert it first"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
)


def other_kind(head: bytes) -> str | None:
    """Returns what a file with these first bytes is, if that is plainly no Caffe file; else None.

    Args:
        head: the first bytes, some hundred at least.
    """
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "a web page, not the file it should show: download the file itself"
    return None
