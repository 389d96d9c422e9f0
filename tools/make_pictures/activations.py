"""Makes the picture of activation functions in layers.md."""

from __future__ import annotations

from cnnviz.api.activation_functions import plot_activation_functions
from make_pictures._workspace import Workspace

PICTURES = {"activations.png": {"dpi": 75}}


def make(workspace: Workspace) -> None:
    for name, settings in PICTURES.items():
        path = workspace.folder / name
        plot_activation_functions(path, **settings)
        workspace.save(path, name, settings)
