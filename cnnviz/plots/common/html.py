"""What all our pages share: the head, what the browser may do with them, colours, and safe text and data.

Nothing of a user's file becomes markup, script or an address: names go through ``escape``, data through
``json_element``, and the page's own policy lets no script run but the one it was made with.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from cnnviz.formats.text import printable
from cnnviz.plots.common.theme import Theme, get_theme

GENERATOR = '<meta name="generator" content="cnnviz">'
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'"


def escape(value: object) -> str:
    """Returns a name as harmless text: markup escaped, control and direction marks made visible."""
    return html.escape(printable(str(value)))


def data_uri(data: bytes, type: str = "png") -> str:
    """Returns bytes as an address that holds them."""
    return f"data:image/{type};base64,{base64.b64encode(data).decode('ascii')}"


def json_element(data: Any, attributes: str = "") -> str:
    """Returns data as an element for the page's script; "<" and the like are escaped, so it cannot end early.

    Args:
        data: anything JSON can hold, so neither nan nor infinities.
        attributes: of the element, such as an id.
    """
    packed = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    packed = packed.encode("utf-8", "replace").decode("utf-8")  # lone surrogates, from damaged names
    for letter in "<>&":
        packed = packed.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json"{attributes}>{packed}</script>'


def document(title: str, css: str, body: str, script: str = "") -> str:
    """Returns a whole page that fetches nothing and runs nothing but ``script``.

    Args:
        title: plain text.
        css, script: ours; nothing of a user's file may be in them.
        body: markup; names in it have gone through ``escape``.
    """
    policy = _POLICY
    if script:
        # The browser compares what stands between the tags, byte by byte.
        digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
        script = f"<script>{script}</script>\n"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{GENERATOR}
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>
{css}
</style>
</head>
<body>
{body}
{script}</body>
</html>
"""


def theme_css(selector: str, style: str, variables: Callable[[Theme], Mapping[str, str]]) -> str:
    """Returns CSS that sets ``variables`` of a theme where ``selector`` matches.

    Args:
        style: "light", "dark", or "auto": light, and dark on the screen of a viewer who prefers it.
    """

    def rule(name: str) -> str:
        values = "".join(f"--{key}:{value};" for key, value in variables(get_theme(name)).items())
        return f"{selector}{{{values}}}"

    if style != "auto":
        return rule(style)
    return f"{rule('light')}@media screen and (prefers-color-scheme:dark){{{rule('dark')}}}"


@functools.cache
def template(name: str, package: str = "cnnviz.plots") -> str:
    """Returns a file of the package's templates folder."""
    return (resources.files(package) / "templates" / name).read_text(encoding="utf-8")
