"""Progress of long work: a line on stderr that rewrites itself, on terminals only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import click

from cnnviz.api.report import Report
from cnnviz.errors import escaped

Item = TypeVar("Item")


def say(text: object) -> None:
    """Prints ``text``, which may hold names from files, without what could control the terminal."""
    click.echo("\n".join(escaped(line, keep="\t") for line in str(text).split("\n")))


def show(done: int, total: int, noun: str) -> None:
    """Writes "3 of 10 images" over the previous line; silent when stderr is not a terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {total} {noun}", nl=done == total, err=True)


def steps(items: Sequence[Item], noun: str) -> Iterator[Item]:
    """Yields ``items``, showing how many are done; silent for a single one."""
    for done, item in enumerate(items, 1):
        yield item
        if len(items) > 1:
            show(done, len(items), noun)


def announce(what: str) -> None:
    """Writes what is being done over the previous line; silent when stderr is not a terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{escaped(what)} ...", nl=False, err=True)


def clear() -> None:
    """Erases what ``announce`` wrote last."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)


def bar(label: str) -> Callable[[Iterable], Iterable]:
    """Returns a wrapper of iterables that shows a bar on stderr, if that is a terminal."""

    def track(items: Iterable) -> Iterable:
        if not sys.stderr.isatty():
            yield from items
            return
        with click.progressbar(items, label=label, file=sys.stderr) as shown:
            yield from shown

    return track


def report_skipped(skipped: Sequence[str]) -> None:
    """Prints on stderr why images were skipped: the first few, and how many."""
    for reason in skipped[:5]:
        click.echo(f"Skipped: {escaped(reason)}", err=True)
    if len(skipped) > 5:
        click.echo(f"Skipped: {len(skipped) - 5} more.", err=True)


class TerminalReport(Report):
    """Prints results, and on terminals what is being done."""

    def say(self, text: object) -> None:
        clear()
        say(text)

    def announce(self, what: str) -> None:
        announce(what)

    def steps(self, items: Sequence[Item], noun: str) -> Iterator[Item]:
        return steps(items, noun)

    def bar(self, label: str) -> Callable[[Iterable], Iterable]:
        return bar(label)

    def skipped(self, reasons: Sequence[str]) -> None:
        report_skipped(reasons)
