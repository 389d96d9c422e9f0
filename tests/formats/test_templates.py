"""Texts that are not definitions: templates and answers of web servers are recognized."""

from __future__ import annotations

import pytest

from cnnviz.errors import CnnvizError, FileError, NetError
from cnnviz.formats.prototxt import parse_net, parse_solver

LAYER = """layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: %s } }"""


@pytest.mark.parametrize(
    "place",
    ["${NUM_CLASSES}", "$(N)", "$N", "{{ n }}", "{% if n %}", "<% n %>", "@NUM@", "<N_OUT>", "__N__", "{n}",
     "%(n)d", "%d", "NUM_LABELS", "XX", "???", "[N]", "%(classes)s", "<NUM>"],
)  # fmt: skip
def test_placeholders_are_named(place):
    with pytest.raises(NetError) as error:
        parse_net(LAYER.replace("%s", place), "t.prototxt")
    assert str(error.value) == (
        f"t.prototxt: is a template, with placeholders to fill in first: {place} (line 2)."
    )


def test_all_placeholders_are_listed_once():
    text = 'name: "a" # ${comment}\n' + "\n".join(LAYER.replace("%s", p) for p in ("${B}", "${B}", "${C}"))
    with pytest.raises(NetError, match=r"first: \$\{B\} \(line 3\), \$\{C\} \(line 7\)\."):
        parse_net(text, "t.prototxt")


def test_solvers_are_templates_too():
    with pytest.raises(NetError, match=r"s.prototxt: is a template, .* \$\{LR\} \(line 1\)"):
        parse_solver("base_lr: ${LR}", "s.prototxt")


@pytest.mark.parametrize(
    "text", [LAYER.replace("%s", "abc"), 'layer { name: "${x}" num: }', "layer { name: 3 }"]
)
def test_other_mistakes_keep_their_message(text):
    with pytest.raises(CnnvizError) as error:
        parse_net(text)
    assert "template" not in str(error.value) and "expected" in str(error.value)


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", ">>>>>>> 8bea48c (a change)"])
def test_an_unfinished_merge_is_recognized(mark):
    with pytest.raises(NetError) as error:
        parse_net(f'name: "a"\n{mark}\nname: "b"\n', "n.prototxt")
    assert str(error.value) == (
        f"n.prototxt:2: holds both sides of an unfinished merge, marked {mark[:7]!r}. "
        "Keep one side and delete the marks."
    )


def test_marks_of_a_merge_in_a_comment_or_a_text_are_none():
    assert parse_net('# =======\nname: "<<<<<<< HEAD"').name == "<<<<<<< HEAD"


@pytest.mark.parametrize("parse", [parse_net, parse_solver])
def test_a_link_copied_as_text_names_its_target(parse):
    with pytest.raises(
        FileError, match=r"l\.prototxt: holds only the path '\.\./v1\.0/net\.prototxt', as .* links"
    ):
        parse("../v1.0/net.prototxt\n", "l.prototxt")


@pytest.mark.parametrize("text", ["404: Not Found", "HTTP/1.1 404 Not Found\n", "403 Forbidden"])
def test_answers_of_servers(text):
    with pytest.raises(FileError, match="holds a web server's answer"):
        parse_net(text, "n.prototxt")


def test_a_placeholder_that_a_comment_hides_is_recognized():
    with pytest.raises(NetError, match=r"t.prototxt: is a template, .* #NUM# \(line 1\)"):
        parse_net("name: #NUM#\nlayer { }", "t.prototxt")


@pytest.mark.parametrize("place", ["${DATA}", "@DATA@", "{{ data }}", "#DATA#", "<DATA>", "%(data)s"])
@pytest.mark.parametrize("kind, param", [("Data", "data_param"), ("ImageData", "image_data_param"),
                                         ("HDF5Data", "hdf5_data_param")])  # fmt: skip
def test_placeholders_in_names_of_absent_files_are_recognized(place, kind, param):
    import cnnviz

    text = f'layer {{ name: "d" type: "{kind}" top: "d" {param} {{ source: "{place}/x" batch_size: 1 }} }}'
    with pytest.raises(FileError) as error:
        cnnviz.Net(parse_net(text))
    assert f"{place} is a placeholder of a template; fill it in first." in str(error.value)
