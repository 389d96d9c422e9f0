"""Damage to files for the fuzzing harness: cuts, flipped bits, wrong sizes, huge axes, deep nesting."""

from __future__ import annotations

import random
import re

TOKENS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"<",
    b">",
    b":",
    b"-",
    b'"',
    b"'",
    b"\\",
    b"#",
    b"\n",
    b",",
    b"nan",
    b"1e999",
]
TOKENS += [b"0x", b"99999999999999999999", b"-1", b"layer {", b"layers { layer {", b"\\x", b"\xff", b"\0"]


def damaged(seed: bytes, others: list[bytes], chance: random.Random, is_text: bool) -> bytes:
    """Returns ``seed`` with one to four pieces of damage."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(TEXT_DAMAGE + BYTE_DAMAGE if is_text else BYTE_DAMAGE)(data, others, chance)
    return bytes(data)


def place(data: bytearray, chance: random.Random) -> int:
    """Returns an offset, more often near the beginning, where the structure is."""
    return chance.randrange(min(len(data), chance.choice((16, 256, len(data) or 1))) or 1) if data else 0


def cut(data, others, chance):
    del data[chance.randrange(len(data) + 1) :]


def flip_bit(data, others, chance):
    if data:
        data[place(data, chance)] ^= 1 << chance.randrange(8)


def set_byte(data, others, chance):
    if data:
        data[place(data, chance)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def remove(data, others, chance):
    start = place(data, chance)
    del data[start : start + chance.choice((1, 4, 64))]


def repeat(data, others, chance):
    start = place(data, chance)
    data[start:start] = data[start : start + chance.choice((1, 16, 256))] * chance.choice((1, 2, 8))


def put_huge_number(data, others, chance):
    huge = chance.choice((b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x0f", b"\xff" * 12, b"\xff\x7f"))
    start = place(data, chance)
    data[start : start + chance.choice((0, 1, len(huge)))] = huge


def put_size(data, others, chance):
    size = chance.choice((0, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, len(data)))
    start = place(data, chance)
    data[start : start + 8] = size.to_bytes(8, chance.choice(("little", "big")))


def splice(data, others, chance):
    other = chance.choice(others)
    start = chance.randrange(len(other) + 1)
    at = place(data, chance)
    data[at : at + chance.choice((0, 16))] = other[start : start + chance.choice((8, 64, 1024))]


def put_token(data, others, chance):
    token = chance.choice(TOKENS)
    start = place(data, chance)
    data[start:start] = b" " + token + b" "


def change_number(data, others, chance):
    numbers = list(re.finditer(rb"\d+", data))
    if numbers:
        match = chance.choice(numbers)
        data[match.start() : match.end()] = chance.choice(
            (b"0", b"-1", b"4294967296", b"9" * 400, b"1.5", b"0777")
        )


def nest(data, others, chance):
    start = place(data, chance)
    depth = chance.choice((50, 200, 5000))
    data[start:start] = chance.choice((b"a {", b"layer { ", b"blobs < shape {", b"a: [")) * depth


BYTE_DAMAGE = [cut, flip_bit, flip_bit, set_byte, remove, repeat, put_huge_number, put_size, splice]
TEXT_DAMAGE = [put_token, put_token, change_number, nest]
