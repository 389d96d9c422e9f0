"""Reports of long work while it runs; imports nothing, as every command does at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

Track = Callable[[Iterable], Iterable]


class Report:
    """Prints nothing; the command line overrides its methods."""

    def say(self, text: object) -> None:
        """Takes a line of results."""

    def announce(self, what: str) -> None:
        """Takes what is being done, such as "occlusion of cat.jpg"."""

    def steps(self, items: Sequence, noun: str) -> Iterable:
        """Returns ``items``; may show how many have been taken."""
        return items

    def bar(self, label: str) -> Track:
        """Returns what wraps an iterable; may show a progress bar."""
        return iter

    def skipped(self, reasons: Sequence[str]) -> None:
        """Takes why images were skipped."""
