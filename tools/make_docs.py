"""Makes the generated pages and all pictures of docs/ again: python3 dev.py docs [NAME ...]

NAME is a module of make_pages/ or make_pictures/, e.g. "commands" or "plot"; without one, every module runs.
Makers of pictures train small nets, which takes a few minutes on two CPU cores. A picture whose maker needs a
program that is not installed (Chromium, pdftoppm, Graphviz) stays as it is.
"""

from __future__ import annotations

import pkgutil
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

from make_pictures._workspace import TrainedNets, Workspace

TOOLS = Path(__file__).resolve().parent
DOCS = TOOLS.parent / "docs"
PICTURES = DOCS / "pictures"


def makers(folder: str) -> dict[str, ModuleType]:
    """Returns the makers in a folder of tools/ by name: its modules without a leading underscore."""
    names = [module.name for module in pkgutil.iter_modules([str(TOOLS / folder)])]
    return {name: import_module(f"{folder}.{name}") for name in names if not name.startswith("_")}


def make_page(name: str, maker: ModuleType) -> None:
    (DOCS / f"{name}.md").write_text(maker.page(), encoding="utf-8")
    print(f"docs/{name}.md", flush=True)


def make_pictures(maker: ModuleType, workspace: Workspace) -> None:
    """Runs a maker of pictures and copies what it has made to docs/pictures."""
    maker.make(workspace)
    made = {path.name: path for path in workspace.out.iterdir()}
    assert made.keys() <= maker.PICTURES.keys(), made.keys() - maker.PICTURES.keys()
    for name in maker.PICTURES:
        if name not in made:
            print(f"docs/pictures/{name} stays as it is: the program it needs is not installed")
            continue
        shutil.move(made[name], PICTURES / name)
        print(f"docs/pictures/{name}: {(PICTURES / name).stat().st_size / 1000:.0f} kB", flush=True)


def main(chosen: list[str]) -> str | None:
    """Runs the chosen makers, or all; returns the error message, if any."""
    sys.path.insert(0, str(TOOLS.parent / "tests"))  # some pictures show the tests' big nets
    pages, pictures = makers("make_pages"), makers("make_pictures")
    unknown = [name for name in chosen if name not in (*pages, *pictures)]
    if unknown:
        return f"Error: no maker is called {unknown[0]!r}. There are: {', '.join((*pages, *pictures))}."
    for name, maker in pages.items():
        if not chosen or name in chosen:
            make_page(name, maker)
    with tempfile.TemporaryDirectory() as folder:
        nets = TrainedNets(Path(folder))
        for name, maker in pictures.items():
            if not chosen or name in chosen:
                make_pictures(maker, Workspace(nets, Path(folder) / name))
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
