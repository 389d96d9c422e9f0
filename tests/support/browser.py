"""Pages as a browser shows them, and their content as a screen reader finds it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium is installed")


class Page(HTMLParser):
    """Collects what a screen reader meets."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.tags, self.alts, self.labels, self.headings = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.alts += [found.get("alt", "")] if tag == "img" else []
        if found.get("role") == "img":
            self.labels.append(found.get("aria-label", "") or found.get("aria-labelledby", ""))
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        assert not any(name.startswith("on") for name in found), found


def title_after(page: str, script: str, folder) -> str:
    """Shows a page in a browser and returns the title that ``script`` gives it.

    The script stands before the page's own policy, which would not let it run.
    """
    copy = folder / "probed.html"
    copy.write_text(page.replace("<head>", f"<head><script>{script}</script>", 1), encoding="utf-8")
    return re.search("<title>(.*?)</title>", dump_dom(copy, folder / "profile", 1280))[1]


def dump_dom(page, profile, width: int) -> str:
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={profile}", f"--window-size={width},900", "--virtual-time-budget=3000",
        "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
