"""Training logs by columns: which lines matter, and the values of many lines at once.

Each step is one NumPy expression over a whole piece of a log, because a Python statement for each line
would cost more than all the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Lines without any of these words are skipped. A line is read by the first of its words.
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

# What a line holds: the loss or the rate of an iteration, the start of a test, a value of a net's output.
OTHER, LOSS, RATE, TEST, TRAIN_OUTPUT, TEST_OUTPUT = range(6)
# Where test nets are counted from 0.
TRAIN_NET = -1

_ITERATION, _TRAIN_LINE, _TEST_LINE = 0, 1, 2
_LOSS, _RATE, _TESTING = b"loss = ", b", lr = ", b", Testing net (#"
_OUTPUT = re.compile(rb"T\w+ net output(?: mAP)? (#\d+: .+?) = (?=\S+( \(\* \S+ = \S+ loss\))?)")
# Outputs of one piece of a log, and bytes before their numbers; all else is read line by line.
_MOST_OUTPUTS, _LONGEST_KEY = 128, 256
# The longest number that is read in bulk.
_NUMBER = 24
_MOST_DIGITS = 15  # of an iteration
_ENDS_NUMBER = np.isin(np.arange(256), list(b" \t\n\r\f\v,"))
# Other characters belong to names, or to what only C++ reads: 1.#QNAN.
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
class Output:
    """An output of which a piece of a log has values.

    Attributes:
        key: what stands before the "=", "#1: loss".
        is_loss: whether its first number counts in the loss.
        net: the number of the test net, or TRAIN_NET.
        lines: numbers of its lines in Lines, ascending.
    """

    key: bytes
    is_loss: bool
    net: int
    lines: np.ndarray


@dataclass
class Columns:
    """What each line of Lines holds: arrays of the same length, and the outputs in the order of the log.

    Whatever is not entirely regular is OTHER and has to be read by itself. Of the rest it is certain that,
    from one OTHER to the next, iterations do not fall and an output has one number for an iteration.

    Attributes:
        kind: LOSS, RATE ... or OTHER.
        iteration: of the line, or of the loss or test line that an output belongs to.
        value: the loss, the rate, the number of the test net, or that of the output.
    """

    kind: np.ndarray
    iteration: np.ndarray
    value: np.ndarray
    outputs: list[Output]

    def runs(self, least: int) -> Iterator[tuple[int, int]]:
        """Yields (from, to) of ``least`` or more lines without an OTHER that begin with no output."""
        edges = np.flatnonzero(np.diff(self.kind == OTHER, prepend=True, append=True))
        for begin, end in edges.reshape(-1, 2).tolist():
            heads = self.kind[begin:end] < TRAIN_OUTPUT
            begin += int(heads.argmax()) if heads.any() else end
            if end - begin >= least:
                yield begin, end

    def outputs_in(self, run: slice) -> list[tuple[Output, np.ndarray]]:
        """Returns the outputs that ``run`` has lines of, by the first of them, and which they are."""
        found = []
        for output in self.outputs:
            begin, end = np.searchsorted(output.lines, (run.start, run.stop))
            if begin < end:
                found.append((output, output.lines[begin:end] - run.start))
        return sorted(found, key=lambda item: item[1][0])


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
        places = places[bytes_at(data, places, len(word)) == word]
        lines = np.searchsorted(ends, places)
        word_of[lines] = number
        # Of several values for one item the last stays: here that of the first place in the line.
        at_of[lines[::-1]] = places[::-1]
    found = np.flatnonzero(word_of != _NO_WORD)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    columns = starts[found], word_of[found], at_of[found], ends[found]
    return Lines(data, *columns, count=len(ends), capitals=initials[ord("I")])


def read_columns(lines: Lines) -> Columns:
    """Returns what each of ``lines`` holds, if it is as regular as nearly all are."""
    text = _Text(lines.data)
    kind = np.full(len(lines.start), OTHER, np.uint8)
    iteration = np.full(len(kind), -1.0)
    numbers = np.zeros(len(kind), np.int64)
    _find_heads(text, lines, (kind, iteration, numbers))
    groups = _find_outputs(text, lines, kind, numbers)
    kind[lines.end - lines.start > LONGEST_LINE] = OTHER
    value = _values(text, kind, numbers)
    kind[_falls(kind, iteration)] = OTHER
    return Columns(kind, iteration, value, _owned(lines, groups, kind, iteration, value))


def _find_heads(text: _Text, lines: Lines, columns: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Finds losses, rates and tests: sets their kind, their iteration and where their number begins."""
    kind, iteration, numbers = columns
    heads = np.flatnonzero(lines.word == _ITERATION)
    begin = lines.at[heads] + len(WORDS[_ITERATION])
    end = text.digits_end(begin)
    iteration[heads], good = text.numbers(begin, end)
    good &= end - begin <= _MOST_DIGITS
    # A loss is the next one in the line, as a word of its own, with no other "Iteration" before it.
    loss = text.next_loss(end)
    has_loss = loss < lines.end[heads]
    is_loss = has_loss & (text.codes[loss - 1] == ord(" "))
    is_loss &= _next(lines.capitals, end, len(lines.data)) > loss
    is_rate = ~has_loss & text.have(end, _RATE)
    is_test = ~has_loss & text.have(end, _TESTING) & (text.codes[end + len(_TESTING) + 1] == ord(")"))
    for mask, sort in ((is_loss, LOSS), (is_rate, RATE), (is_test, TEST)):
        kind[heads[good & mask]] = sort
    numbers[heads] = np.where(is_loss, loss + len(_LOSS), end + np.where(is_rate, len(_RATE), len(_TESTING)))


def _find_outputs(
    text: _Text, lines: Lines, kind: np.ndarray, numbers: np.ndarray
) -> dict[tuple[int, bytes], np.ndarray]:
    """Finds outputs: sets their kind and where their number begins; returns lines by kind and key."""
    groups: dict[tuple[int, bytes], np.ndarray] = {}
    for word, sort in ((_TRAIN_LINE, TRAIN_OUTPUT), (_TEST_LINE, TEST_OUTPUT)):
        left = np.flatnonzero(lines.word == word)
        while len(left) and len(groups) < _MOST_OUTPUTS:
            at, end = int(lines.at[left[0]]), int(lines.end[left[0]])
            match = _OUTPUT.match(lines.data, at, min(end, at + LONGEST_LINE))
            if match is None or len(match[0]) > _LONGEST_KEY:
                left = left[1:]
                continue
            same = text.have(lines.at[left], match[0])
            alike, left = left[same], left[~same]
            if (sort, match[1]) not in groups:  # else what stands before the key is another
                kind[alike] = sort
                numbers[alike] = lines.at[alike] + len(match[0])
                groups[sort, match[1]] = alike
    return groups


def _values(text: _Text, kind: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Returns the number of each line; lines where there is none become OTHER."""
    value = np.zeros(len(kind))
    tests = np.flatnonzero(kind == TEST)
    digits = text.codes[numbers[tests]] - np.uint8(ord("0"))  # what is below "0" wraps to a great number
    value[tests] = digits
    kind[tests[digits > 9]] = OTHER
    is_rate = kind == RATE
    for found in (np.flatnonzero(is_rate), np.flatnonzero((kind != OTHER) & (kind != TEST) & ~is_rate)):
        end = text.number_end(numbers[found])
        value[found], good = text.numbers(numbers[found], end)
        after = text.codes[end]
        good &= _ENDS_NUMBER[after] & ((kind[found] < TRAIN_OUTPUT) | (after != ord(",")))
        kind[found[~good]] = OTHER
    return value


def _falls(kind: np.ndarray, iteration: np.ndarray) -> np.ndarray:
    """Returns the lines whose iteration is less than that of a loss, rate or test before them."""
    heads = np.flatnonzero((kind != OTHER) & (kind < TRAIN_OUTPUT))
    number, is_rate = iteration[heads], kind[heads] == RATE
    padded = np.concatenate(([-1.0], number))
    before = padded[:-1]
    shown = held(padded, np.concatenate(([True], ~is_rate)))[:-1]
    # Some forks count the rate's line from one less than the loss line before it.
    one_less = is_rate & (number == shown - 1) & (before == shown)
    return heads[(number < np.maximum(before, shown)) & ~one_less]


def _owned(
    lines: Lines,
    groups: dict[tuple[int, bytes], np.ndarray],
    kind: np.ndarray,
    iteration: np.ndarray,
    value: np.ndarray,
) -> list[Output]:
    """Gives outputs the iteration of the line that they belong to; what has none of it becomes OTHER."""
    owner = held(np.arange(len(kind)), kind < TRAIN_OUTPUT)
    is_train, is_test = kind == TRAIN_OUTPUT, kind == TEST_OUTPUT
    lost = (is_train & (kind[owner] != LOSS)) | (is_test & (kind[owner] != TEST))
    np.copyto(iteration, iteration[owner], where=is_train | is_test)
    kind[lost] = OTHER
    outputs = []
    for (_, key), found in groups.items():
        found = found[kind[found] != OTHER]
        nets = np.where(is_test[found], value[owner[found]], TRAIN_NET).astype(np.int64)
        for net in np.flatnonzero(np.bincount(nets - TRAIN_NET)) + TRAIN_NET:
            own = found[nets == net]
            # A second solver of the same process prints the same outputs again.
            again = np.diff(iteration[own], prepend=-1.0) == 0
            kind[own[again]] = OTHER
            first = _OUTPUT.match(lines.data, int(lines.at[own[0]]))
            outputs.append(Output(key, first is not None and first[2] is not None, int(net), own))
    return outputs


class _Text:
    """A piece of a log that can be read at many places at once."""

    def __init__(self, data: bytes) -> None:
        # So that looking a little past the last line stays inside.
        self.data = data + b"\n" * 2 * _LONGEST_KEY
        self.codes = np.frombuffer(self.data, np.uint8)

    def have(self, places: np.ndarray, text: bytes) -> np.ndarray:
        """Returns for each of ``places`` whether ``text`` stands there."""
        return bytes_at(self.data, places, len(text)) == text

    def digits_end(self, begins: np.ndarray) -> np.ndarray:
        """Returns where each row of digits ends; its beginning if it is longer than any number."""
        # What is below "0" wraps to a great number.
        return begins + (self._windows(begins) - np.uint8(ord("0")) > 9).argmax(axis=1)

    def number_end(self, begins: np.ndarray) -> np.ndarray:
        """Returns where each number ends: at a space, a comma or a control character."""
        windows = self._windows(begins)
        return begins + ((windows <= ord(" ")) | (windows == ord(","))).argmax(axis=1)

    def _windows(self, begins: np.ndarray) -> np.ndarray:
        return bytes_at(self.data, begins, _NUMBER).view(np.uint8).reshape(-1, _NUMBER)

    def numbers(self, begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the number from each of ``begins`` to its end, and whether one can be read there."""
        sizes = ends - begins
        good = (sizes > 0) & (sizes < _NUMBER)
        words = bytes_at(self.data, begins, _NUMBER)
        words.view(np.uint8).reshape(-1, _NUMBER)[:] *= np.arange(_NUMBER) < sizes[:, None]
        words[~good] = b"0"
        # Rates and iterations are printed again and again.
        new = np.concatenate(([True], words[1:] != words[:-1]))[: len(words)]
        values, spelled = _floats(words[new])
        again = np.cumsum(new) - 1
        return values[again], good & spelled[again]

    def next_loss(self, places: np.ndarray) -> np.ndarray:
        """Returns where the first "loss = " after each of ``places`` begins, or the end if there is none."""
        begins = np.flatnonzero(self.codes == ord("=")) - _LOSS.index(b"=")
        begins = begins[begins >= 0]
        return _next(begins[self.have(begins, _LOSS)], places, len(self.codes) - 1)


def held(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns ``values`` where ``mask``, elsewhere the last one before; the first counts in any case."""
    return values[np.maximum.accumulate(np.where(mask, np.arange(len(values)), 0))]


def _floats(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns ``words`` as numbers, and which of them are numbers as Python spells them."""
    try:
        return words.astype(float), np.ones(len(words), bool)
    except ValueError:
        good = np.all(_SPELLS[words.view(np.uint8)].reshape(-1, words.itemsize), axis=1)
    try:
        return np.where(good, words, b"0").astype(float), good
    except ValueError:
        return np.zeros(len(words)), np.zeros(len(words), bool)


def _next(found: np.ndarray, places: np.ndarray, end: int) -> np.ndarray:
    """Returns the first of ``found`` from each of ``places`` on; ``end`` if there is none."""
    return np.append(found, end)[np.searchsorted(found, places)]


def bytes_at(data: bytes, places: np.ndarray, length: int) -> np.ndarray:
    """Returns the ``length`` bytes at each of ``places`` as byte strings; they end where ``data`` does."""
    count = max(len(data) - length + 1, 0)
    return np.ndarray((count,), f"S{length}", data, strides=(1,))[places]
