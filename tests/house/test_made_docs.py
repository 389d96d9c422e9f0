"""The generated pages and the pictures of docs/ are what tools/ makes of the code as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

import make_docs
from make_pictures import activations, draw, house
from make_pictures._workspace import TrainedNets, Workspace, as_text
from support.files import ROOT
from support.rooms import ROOMS

PICTURES = ROOT / "docs" / "pictures"
PAGES = make_docs.makers("make_pages")
MAKERS = make_docs.makers("make_pictures")
SETTINGS = {name: settings for maker in MAKERS.values() for name, settings in maker.PICTURES.items()}


def again(maker: str) -> str:
    return f"made by an older version; python3 dev.py docs {maker}"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name):
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert page == PAGES[name].page(), again(name)


def test_each_picture_has_one_maker():
    names = [name for maker in MAKERS.values() for name in maker.PICTURES]
    assert len(names) == len(set(names))
    assert {path.name for path in PICTURES.iterdir()} == set(names)


def test_each_picture_is_shown():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {
        name for page in pages for name in re.findall(r"\]\([a-z/]*pictures/([^)]+)\)", page.read_text())
    }
    assert shown == set(SETTINGS)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name.endswith(".png")])
def test_the_picture_was_made_with_the_settings_of_its_maker(name):
    maker = next(maker for maker in MAKERS if name in MAKERS[maker].PICTURES)
    assert Image.open(PICTURES / name).info.get("Settings") == as_text(SETTINGS[name]), again(maker)


# Graphviz's places depend on its version.
OURS = [name for name, settings in draw.SCALABLE.items() if settings.get("layout") != "dot"]


@pytest.mark.parametrize("name", OURS)
def test_the_scalable_picture_is_current(tmp_path, name):
    draw.draw(tmp_path / name, **draw.SCALABLE[name])
    assert (tmp_path / name).read_bytes() == (PICTURES / name).read_bytes(), again("draw")


def test_the_picture_of_activation_functions_is_current(tmp_path):
    workspace = Workspace(TrainedNets(tmp_path), tmp_path)
    activations.make(workspace)
    for name in activations.PICTURES:
        kept, made = Image.open(PICTURES / name), Image.open(workspace.out / name)
        if kept.info["Software"] != made.info["Software"]:
            pytest.skip(f"drawn with {kept.info['Software']}, here is {made.info['Software']}")
        assert kept.convert("RGB").tobytes() == made.convert("RGB").tobytes(), again("activations")


def test_the_picture_of_the_house_is_current():
    assert (PICTURES / "house.svg").read_text(encoding="utf-8") == house.house(), again("house")


def test_the_picture_shows_the_rooms_in_their_order():
    floors = [[Path(room.name).stem for room in floor] for floor in reversed(house.FLOORS)]
    assert [name for floor in floors for name in sorted(floor, key=ROOMS.index)] == ROOMS
