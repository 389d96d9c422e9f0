"""Training logs by columns: which lines matter, and the numbers of many displays at once.

Each step is one NumPy expression over a whole piece of a log, because a Python statement for each line
would cost more than all the rest.

A display is what the solver prints at one iteration: the line of the loss, one for each train output, the
line of the rate. Lines between them that say nothing to us may be there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

# A line that has none of these words says nothing to us. A line is read by the first of its words.
WORDS = (
    b"Iteration ",
    b"Train net output",
    b"Test ",
    b"Solving",
    b"Snapshotting ",
    b"Optimization ",
    b"Check failed",
    b"Resuming from ",
    b"Finetuning from ",
    b"*** Aborted",
)
# No number of ours stands further right; a file without newlines must not fill the memory.
LONGEST_LINE = 1 << 13
STAMP_LENGTH = 21  # of "I1121 02:06:46.488291"

_ITERATION, _TRAIN_OUTPUT = 0, 1
_LOSS, _RATE = b" loss = ", b", lr = "
_OUTPUT = re.compile(rb"Train net output (#\d+: .+?) = (?=\S+( \(\* \S+ = \S+ loss\))?)")
# The longest number that is read in bulk.
_NUMBER = 24
_MOST_DIGITS = 15  # of an iteration
_ENDS_NUMBER = np.isin(np.arange(256), list(b" \t\n\r\f\v,"))
# Other letters are names, or what only C++ reads: 1.#QNAN.
_SPELLS = np.isin(np.arange(256), [0, *b"0123456789.e+-nainf"])
_NO_WORD = 255


@dataclass
class Lines:
    """The lines of ``data`` that have one of WORDS, in order: arrays of the same length.

    Attributes:
        start, end: of the line, without its newline.
        word: number of its first word in WORDS.
        at: where that word is.
        count: how many lines there are, with or without a word.
        capitals: where every "I" is, the first letter of "Iteration".
    """

    data: bytes
    start: np.ndarray
    word: np.ndarray
    at: np.ndarray
    end: np.ndarray
    count: int
    capitals: np.ndarray


@dataclass
class Displays:
    """Displays of one form, in order: one item of each array for each display.

    Attributes:
        first: number of the display's first line in Lines.
        length: how many lines a display has.
        columns: float64 of iteration, loss, rate, and each train output.
        stamps: (n, 2) time stamps of the loss line and of the line after it, as byte strings.
        outputs: "#number: name" of each train output, and whether it counts in the loss.
    """

    first: np.ndarray
    length: int
    columns: list[np.ndarray]
    stamps: np.ndarray
    outputs: list[tuple[bytes, bool]]

    def runs(self, least: int) -> list[tuple[int, int]]:
        """Returns (from, to) of ``least`` or more displays that follow each other without a line between."""
        breaks = np.flatnonzero(np.diff(self.first) != self.length) + 1
        edges = [0, *breaks.tolist(), len(self.first)]
        return [(begin, end) for begin, end in pairwise(edges) if end - begin >= least]

    def lines(self, begin: int, end: int) -> tuple[int, int]:
        """Returns (from, to) of the lines of the displays ``begin`` to ``end``."""
        return int(self.first[begin]), int(self.first[end - 1]) + self.length


def find_lines(data: bytes) -> Lines:
    """Returns the lines of ``data`` that matter; ``data`` ends with a newline."""
    codes = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    word_of = np.full(len(ends), _NO_WORD, np.uint8)
    at_of = np.zeros(len(ends), np.int64)
    initials = {initial: np.flatnonzero(codes == initial) for initial in {word[0] for word in WORDS}}
    for number, word in reversed(list(enumerate(WORDS))):
        places = initials[word[0]]
        places = places[: np.searchsorted(places, len(data) - len(word), "right")]
        places = places[_texts(data, places, len(word)) == word]
        lines = np.searchsorted(ends, places)
        word_of[lines] = number
        # Of several values for one item the last stays: here that of the first place in the line.
        at_of[lines[::-1]] = places[::-1]
    found = np.flatnonzero(word_of != _NO_WORD)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    columns = starts[found], word_of[found], at_of[found], ends[found]
    return Lines(data, *columns, count=len(ends), capitals=initials[ord("I")])


def find_displays(lines: Lines) -> Displays | None:
    """Returns the displays that have the usual number of lines and the form of the first of these.

    They need not be all: what is less regular, also in its spelling, is left to be read line by line.
    None if there is none at all, or a number among them that Python does not read.
    """
    text = _Text(lines.data, lines.capitals)
    numbers = np.flatnonzero(lines.word == _ITERATION)
    begin = lines.at[numbers] + len(WORDS[_ITERATION])
    end = text.digits_end(begin)
    is_rate = text.have(end, _RATE)
    pairs = np.flatnonzero(is_rate[1:] & ~is_rate[:-1])
    if not len(pairs):
        return None
    lengths = np.diff(numbers)[pairs] + 1
    length = int(np.bincount(lengths).argmax())
    pairs = pairs[lengths == length]
    first = numbers[pairs]

    good = (end - begin)[pairs] <= _MOST_DIGITS
    iterations = text.numbers(begin, end)
    good &= iterations[pairs] == iterations[pairs + 1]
    loss, is_loss = text.loss_after(end[pairs], lines.end[first])
    good &= is_loss
    begins = [begin[pairs], loss, end[pairs + 1] + len(_RATE)]
    outputs = []
    for step in range(1, length - 1):
        at, word = lines.at[first + step], lines.word[first + step]
        match = _OUTPUT.match(lines.data, at[0], lines.end[first[0] + step])
        if match is None:
            return None
        good &= (word == _TRAIN_OUTPUT) & text.have(at, match[0])
        begins.append(at + len(match[0]))
        outputs.append((match[1], match[2] is not None))
    ends = [end[pairs], *(text.number_end(column) for column in begins[1:])]
    texts = [iterations[pairs], *map(text.numbers, begins[1:], ends[1:])]
    for size in np.subtract(ends, begins):
        good &= (size > 0) & (size < _NUMBER)
    for column_end in ends[1:]:
        good &= _ENDS_NUMBER[text.codes[column_end]]
    for column_end in ends[3:]:
        good &= text.codes[column_end] != ord(",")  # outputs alone may not end so
    for step in range(length):
        good &= lines.end[first + step] - lines.start[first + step] <= LONGEST_LINE
    columns = _floats(texts, good)
    if columns is None:
        for column in texts:
            good &= _SPELLS[column.view(np.uint8)].reshape(len(column), -1).all(axis=1)
        columns = _floats(texts, good)
    if columns is None or not good.any():
        return None
    first = first[good]
    stamps = np.stack([_texts(text.data, lines.start[first + i], STAMP_LENGTH) for i in (0, 1)], axis=1)
    return Displays(first, length, columns, stamps, outputs)


def _floats(texts: list[np.ndarray], good: np.ndarray) -> list[np.ndarray] | None:
    """Returns the numbers of each column where ``good``; None if Python does not read one of them."""
    try:
        return [column[good].astype(float) for column in texts]
    except ValueError:
        return None


class _Text:
    """A piece of a log that can be looked at in many places at once."""

    def __init__(self, data: bytes, capitals: np.ndarray) -> None:
        self._capitals = capitals
        # So that looking a little past the last line stays inside.
        self.data = data + b"\n" * LONGEST_LINE
        self.codes = np.frombuffer(self.data, np.uint8)

    def have(self, places: np.ndarray, text: bytes) -> np.ndarray:
        """Tells for each of ``places`` whether ``text`` stands there."""
        return _texts(self.data, places, len(text)) == text

    def digits_end(self, begins: np.ndarray) -> np.ndarray:
        """Returns where each row of digits ends; its beginning if it is longer than any number."""
        # What is below "0" wraps to a great number.
        return begins + (self._windows(begins) - np.uint8(ord("0")) > 9).argmax(axis=1)

    def number_end(self, begins: np.ndarray) -> np.ndarray:
        """Returns where each number ends: at a space, a comma or a control character."""
        windows = self._windows(begins)
        return begins + ((windows <= ord(" ")) | (windows == ord(","))).argmax(axis=1)

    def _windows(self, begins: np.ndarray) -> np.ndarray:
        return _texts(self.data, begins, _NUMBER).view(np.uint8).reshape(-1, _NUMBER)

    def numbers(self, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Returns what stands from each of ``begins`` to its end, shorter than the longest number."""
        texts = _texts(self.data, begins, _NUMBER)
        windows = texts.view(np.uint8).reshape(-1, _NUMBER)
        windows *= np.arange(_NUMBER) < (ends - begins)[:, None]
        return texts

    def loss_after(self, places: np.ndarray, line_ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns where the loss begins behind each of ``places``, and whether there is one in that line.

        The first "=" must be the one of the loss, and no other "Iteration" may come before it.
        """
        equals = _next(np.flatnonzero(self.codes == ord("=")), places, len(self.codes))
        before = np.maximum(equals - _LOSS.index(b"="), 0)
        good = equals < line_ends
        good &= self.have(np.where(good, before, 0), _LOSS)
        good &= _next(self._capitals, places, len(self.codes)) > equals
        return np.where(good, equals + 2, 0), good


def _next(found: np.ndarray, places: np.ndarray, end: int) -> np.ndarray:
    """Returns the first of ``found`` from each of ``places`` on; ``end`` if there is none."""
    return np.append(found, end)[np.searchsorted(found, places)]


def _texts(data: bytes, places: np.ndarray, length: int) -> np.ndarray:
    """Returns the ``length`` bytes at each of ``places`` as byte strings; they end where ``data`` does."""
    count = max(len(data) - length + 1, 0)
    return np.ndarray((count,), f"S{length}", data, strides=(1,))[places]
