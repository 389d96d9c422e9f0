"""The time stamps of log lines as seconds since the start of the training."""

from __future__ import annotations

import math
import re

import numpy as np

from cnnviz.formats.log_columns import bytes_at

_STAMP = re.compile(rb"[IWEF](\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6})")
_STAMP_LENGTH = 21  # of "I1121 02:06:46.488291"
# Where the seconds are in a stamp without year, "I1121 02:06:46.488291", and what each digit counts.
_SECOND_DIGITS = [12, 13, 15, 16, 17, 18, 19, 20]
_DOT = 14
_DIGIT_MICROSECONDS = 10 ** np.arange(7, -1, -1)


class Clock:
    """Turns time stamps into seconds since the start; a line without one has the time of the last."""

    def __init__(self) -> None:
        self.timed = False
        self._zero: int | None = None
        self._last = 0
        self._shift = 0
        self._minute = (b"", 0)
        self._year = 0
        self._month = 0
        self._started = False

    def start(self, line: bytes) -> None:
        """Makes the time of ``line`` zero, the first time it is called."""
        seconds = self.seconds(line)
        if not self._started and not math.isnan(seconds):
            self._started = True
            self._zero = self._last

    def new_segment(self) -> None:
        """Takes the next stamp as it is, even if an earlier run was appended later."""
        self._shift = 0
        self._last = -(1 << 62)

    def seconds(self, data: bytes, at: int = 0) -> float:
        """Returns the seconds from zero to the stamp at ``data[at]``; nan before any stamp.

        Inside a run time never goes back: jitter between threads is held, a clock that was set back
        (summer time) is undone.
        """
        second, dot, micro = data[at + 12 : at + 14], data[at + 14 : at + 15], data[at + 15 : at + 21]
        if data[at : at + 12] == self._minute[0] and second.isdigit() and dot == b"." and micro.isdigit():
            now = self._minute[1] + int(second) * 1_000_000 + int(micro)
        else:
            match = _STAMP.match(data, at)
            now = self._parse(match) if match is not None else self._last - self._shift
            if match is not None and match[1] is None:
                self._minute = (data[at : at + 12], now - int(match[6]) * 1_000_000 - int(match[7]))
        return self._held(now) if self.timed else math.nan

    def seconds_of(self, data: bytes, places: np.ndarray) -> np.ndarray | None:
        """Returns what ``seconds`` would for each of ``places``; None if not all stamps have one form."""
        first = _STAMP.match(data, int(places[0]))
        year = len(first[1] or b"") if first is not None else 0
        if first is None or places[-1] + _STAMP_LENGTH + year > len(data):
            return None
        stamps = bytes_at(data, places, _STAMP_LENGTH + year)
        codes = stamps.view(np.uint8).reshape(len(stamps), -1)[:, year:]
        digits = codes[:, _SECOND_DIGITS] - np.uint8(ord("0"))
        minutes = stamps.astype(f"S{12 + year}")
        changes = np.concatenate(([0], np.flatnonzero(minutes[1:] != minutes[:-1]) + 1))
        matches = (_STAMP.match(stamp) for stamp in stamps[changes].tolist())
        heads = [match for match in matches if match is not None and len(match[1] or b"") == year]
        if (digits > 9).any() or (codes[:, _DOT] != ord(".")).any() or len(heads) < len(changes):
            return None
        self._minute = (b"", 0)  # months may have passed since
        within = digits @ _DIGIT_MICROSECONDS
        starts = np.array([self._parse(match) for match in heads]) - within[changes]
        now = within + np.repeat(starts, np.diff(changes, append=len(stamps)))
        if now[0] + self._shift < self._last or (np.diff(now) < 0).any():
            return np.array([self._held(moment) for moment in now.tolist()])
        self._held(int(now[0]))
        now += self._shift
        self._last = int(now[-1])
        return (now - self._zero) / 1e6

    def _held(self, now: int) -> float:
        """Returns the seconds from zero to ``now``, held where it goes back."""
        now += self._shift
        if now < self._last:
            if self._last - now > 1_000_000:
                self._shift += self._last - now
            now = self._last
        self._last = now
        if self._zero is None:
            self._zero = now
        return (now - self._zero) / 1e6

    def _parse(self, match: re.Match) -> int:
        """Returns microseconds since the year 0 (of the first stamp, where stamps have no year)."""
        year, month, day, hour, minute, second, micro = (int(group or 0) for group in match.groups())
        if match[1] is None:
            self._year += month < self._month
            year = self._year
        self.timed = True
        self._month = month
        days = _days(year, month, day)
        return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micro


def _days(year: int, month: int, day: int) -> int:
    """Returns the days since the start of year 0, for any digits; years without a number have 365 days."""
    lengths = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) and year > 1900
    leaps = year // 4 - year // 100 + year // 400 if year > 1900 else 0
    return year * 365 + leaps - (leap and month <= 2) + lengths[min(max(month, 1), 12) - 1] + day
