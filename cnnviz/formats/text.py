"""The one reader of text files: whatever encoding and line ends they were saved with."""

from __future__ import annotations

import codecs
import json
import os
import re
from typing import Any

from cnnviz.errors import FileError
from cnnviz.formats.files import check_size, open_to_read
from cnnviz.formats.sniff import looks_like_text, reject_other_kinds, wide_encoding

_HEAD = 4096
_ADVICE = "Give the file in text."
_NOT_ASCII = re.compile(rb"[\x80-\xff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?")


def read_text(
    path: str | os.PathLike, expected: str = "a text file", perhaps: str = "", advice: str = _ADVICE
) -> str:
    r"""Returns the text of a file with "\n" at the ends of lines.

    Args:
        path: a file in UTF-8, UTF-16 or UTF-32, with a byte order mark or without; in GB18030 (and so in
            GBK and GB2312), if all its other bytes make sense there; otherwise in Latin-1. Lines end in LF,
            CR LF or CR.
        expected: what the file should be, for errors: "a list of images".
        perhaps: what a binary file in its place may be: ", perhaps a caffemodel".
        advice: the way out then, a sentence.

    Raises:
        FileError: the file cannot be read, is binary, or has more than 1 GiB.
    """
    with open_to_read(path) as file:
        head = file.read(_HEAD)
        checked_text(head, path, expected, perhaps, advice)
        check_size(path, file)
        data = head + file.read()
    return checked_text(data, path, expected, perhaps, advice)


def checked_text(
    data: bytes, path: str | os.PathLike, expected: str, perhaps: str = "", advice: str = _ADVICE
) -> str:
    """Returns ``data``, the content of ``path``, as read_text does; raises FileError if it is binary."""
    head = data[:_HEAD]
    reject_other_kinds(head, path, expected)
    is_binary = bool(head) and not looks_like_text(head)
    if is_binary or (wide_encoding(head) is None and b"\0" in data):
        raise FileError(f"{path}: is a binary file{perhaps}, not {expected}. {advice}")
    return decode_text(data)


def is_text(path: str | os.PathLike) -> bool:
    """Returns whether the file begins like a text; an empty one does not.

    Raises FileError if it cannot be read.
    """
    with open_to_read(path) as file:
        return looks_like_text(file.read(_HEAD))


def read_lines(path: str | os.PathLike, expected: str = "a text file") -> list[str]:
    """Returns the lines of a text file without the white space around them.

    Raises FileError as read_text does.
    """
    return [line.strip() for line in read_text(path, expected).split("\n")]


def decode_text(data: bytes) -> str:
    r"""Returns ``data``, in any encoding that read_text knows, as text with "\n" at the ends of lines."""
    wide = wide_encoding(data[:_HEAD])
    if wide is not None:
        text = data.decode(wide, errors="replace").removeprefix("\ufeff")
    else:
        text = decode_name(data.removeprefix(codecs.BOM_UTF8))
    return _LINE_END.sub("\n", text) if "\r" in text else text


def decode_name(raw: bytes) -> str:
    """Returns ``raw`` decoded from UTF-8, GB18030 or, as any bytes can be, Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("gb18030" if _is_chinese(raw) else "latin-1")


def json_for_terminals(data: Any, indent: int) -> str:
    """Returns ``data`` as JSON with the characters of any script, but nothing that could steer a terminal."""
    text = json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)
    if text.replace("\n", "").isprintable():
        return text + "\n"
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text) + "\n"


def printable(text: str) -> str:
    """Returns ``text`` with "�" for each control character, which could steer a terminal or break a line.

    No-break spaces, which keep words together in figures, stay.
    """
    return "".join(c if c.isprintable() or c == "\N{NO-BREAK SPACE}" else "�" for c in text)


def without_surrogates(text: str) -> str:
    """Returns ``text`` with a sign in place of each unpaired surrogate, which no file can store."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _is_chinese(raw: bytes) -> bool:
    """Returns whether ``raw`` is GB18030 rather than a European text with accents.

    It is if each run of bytes above 127 is valid by itself. Second bytes of rarer characters are ASCII:
    then the whole must be valid, and most characters have four bytes or be among the common ones of GB2312
    (0xA1 to 0xD7 lead; the accented small letters of Latin-1 come after).
    """
    runs = _NOT_ASCII.findall(raw)
    if all(_is_valid(run) for run in runs):
        return True
    if not _is_valid(raw):
        return False
    chars = [char.encode("gb18030") for char in raw.decode("gb18030") if not char.isascii()]
    return 2 * sum(len(each) == 4 or 0xA1 <= each[0] <= 0xD7 for each in chars) > len(chars)


def _is_valid(raw: bytes) -> bool:
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True
