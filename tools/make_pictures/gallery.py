"""Makes the pictures of gallery.md. They need Chromium."""

from __future__ import annotations

import shutil

from make_pictures._workspace import Workspace, run

PICTURES = {
    # Other parts of the page have pictures of their own.
    "gallery-page.png": {
        "page": "features.html",
        "hidden": ["graph", "filters", "training"],
        "size": [900, 860],
    },
    "gallery-index.png": {"page": "index.html", "size": [1080, 760]},
}


def make(workspace: Workspace) -> None:
    pages, rows = workspace.folder / "pages", workspace.nets.rows
    pages.mkdir()
    shutil.copy(workspace.nets.lenet.folder / "index.html", pages / "lenet.html")
    run("gallery", rows.net, rows.weights, "--out", pages / "rows.html")
    run("gallery", "--index", pages)
    hidden = ", ".join(f"#{part}" for part in PICTURES["gallery-page.png"]["hidden"])
    text = (pages / "lenet.html").read_text(encoding="utf-8")
    style = f"<style>{hidden} {{ display: none }}</style></head>"
    (pages / "features.html").write_text(text.replace("</head>", style, 1), encoding="utf-8")
    for name, settings in PICTURES.items():
        shot = workspace.screenshot(f"{pages.as_uri()}/{settings['page']}", name, *settings["size"])
        if shot:
            workspace.save(shot, name, settings, colors=256)
