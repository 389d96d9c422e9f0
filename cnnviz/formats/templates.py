"""Texts that are not definitions: templates, unfinished merges, links, and answers of web servers."""

from __future__ import annotations

import re

from cnnviz.errors import FileError, NetError

_MOST_NAMED = 4
_PLACE = re.compile(
    r"\$\{[^{}\n]{1,60}\}|\$\([^()\n]{1,60}\)|\$[A-Za-z_]\w*"  # shells, Make, CMake
    r"|\{\{.{0,60}?\}\}|\{%.{0,60}?%\}|<%.{0,60}?%>"  # Jinja, ERB
    r"|@[A-Za-z_]\w*@|#[A-Z_]\w*#|<[A-Za-z_]\w*>|\[[A-Za-z_]\w*\]|\{[A-Za-z_]?\w*\}"
    r"|%\([^()\n]{1,60}\)[sdifg]|%\d*[sdifg]\b|\b__[A-Za-z]\w*__\b"
)
# A word in capitals where a value stands: NUM_LABELS; Caffe's own enums are known to the parser.
_WORD = re.compile(r":\s*([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{1,3}|X{2,}|\?{1,3}|TODO)(?=[\s};]|$)")
_LITERAL = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|(?<!\S)#(?![A-Z_]\w*#)[^\n]*")
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?=\s|$)", re.MULTILINE)
_LINK = re.compile(r"\s*[^\s:{}\"']+\.(?:prototxt|pbtxt|pt)\s*")  # of Git, where no symbolic links are made
_SERVER = re.compile(r"\s*(?:HTTP/\d\S* )?[345]\d\d[: ]")


def explain(text: str, path: str, error: NetError) -> Exception:
    """Returns the error to raise for a text that could not be parsed: a better one where it is a template,
    an unfinished merge, a link or a web server's answer, otherwise ``error``.

    Args:
        error: what the parser said; its message starts with "path:line:".
    """
    if _SERVER.match(text) and text.count("\n") < 3:
        return FileError(
            f"{path}: holds a web server's answer, {text.strip()[:60]!r}, not a definition. "
            "Download the file again."
        )
    if _LINK.fullmatch(text):
        return FileError(
            f"{path}: holds only the path {text.strip()!r}, as symbolic links do that were copied as text. "
            "Give the file at that path."
        )
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return NetError(
            f"{path}:{line}: holds both sides of an unfinished merge, marked {conflict[0]!r}. "
            "Keep one side and delete the marks."
        )
    found = _placeholders(text, path, str(error))
    if not found:
        return error
    listed = ", ".join(f"{word} (line {line})" for word, line in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return NetError(f"{path}: is a template, with placeholders to fill in first: {listed}{more}.")


def placeholder_hint(name: str) -> str:
    """Returns the way out for a path that is not there and holds a placeholder, or ""."""
    place = _PLACE.search(name)
    return f" {place[0]} is a placeholder of a template; fill it in first." if place else ""


def _placeholders(text: str, path: str, said: str) -> list[tuple[str, int]]:
    """The different placeholders with their first lines, if the line of the error holds one."""
    place = re.match(r":(\d+)", said.removeprefix(path))
    wrong = int(place[1]) if place else 0
    first: dict[str, int] = {}
    is_there = False
    for number, line in enumerate(text.splitlines(), 1):
        bare = _LITERAL.sub(lambda match: " " * len(match[0]), line)
        words = [match[0] for match in _PLACE.finditer(bare)]
        if number == wrong:
            words += [match[1] for match in _WORD.finditer(bare)]
        ends_line = any(word.startswith("#") for word in words)  # a comment to the parser, which continues
        is_there |= bool(words) and (number == wrong or (ends_line and number < wrong))
        for word in words:
            first.setdefault(word, number)
    return list(first.items()) if is_there else []
