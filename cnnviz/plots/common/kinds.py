"""Which kind of layer a type is, and so its colour, also of types that cnnviz has no class for."""

from __future__ import annotations

import functools

from cnnviz.engine.layer import layer_types

# Types without a class of their own by kind, in lower case without underscores.
_FOREIGN_TYPES = {
    "data": "randvec bernoullisample",
    "convolution": "bilinearpatch locallyconnected local",
    "pooling": "treepoolmaxave gatedmaxave",
    "activation": "selu gelu apl maxout",
    "normalization": "lrnmap",
    "loss": "topk confusionmatrix evaldetection",
    "arithmetic": "add mul gradientscaler",
    "shape": "simplecrop padding transpose unstack depthtospace",
}
# Parts of names by which fork types are recognised, the most specific first.
_KIND_BY_PART = (
    ("loss", "loss"),
    ("accuracy", "loss"),
    ("deconv", "convolution"),
    ("conv", "convolution"),
    ("pool", "pooling"),
    ("unpool", "pooling"),
    ("upsample", "pooling"),
    ("norm", "normalization"),
    ("innerproduct", "inner product"),
    ("fullyconnected", "inner product"),
    ("lstm", "recurrent"),
    ("rnn", "recurrent"),
    ("gru", "recurrent"),
    ("softmax", "activation"),
    ("sigmoid", "activation"),
    ("tanh", "activation"),
    ("relu", "activation"),
    ("swish", "activation"),
    ("dropout", "activation"),
    ("data", "data"),
    ("reshape", "shape"),
    ("concat", "shape"),
    ("slice", "shape"),
    ("crop", "shape"),
)


def kind_of(type: str) -> str:
    """Returns the kind (a key of KIND_COLORS) of the layer type ``type`` in any of Caffe's spellings.

    Types of forks are recognised by parts of their names, e.g. "SmoothL1LossOHEM" is a loss; unknown ones
    are "other".
    """
    plain = _plain(type)
    kind = _kind_by_type().get(plain)
    if kind is not None:
        return kind
    return next((kind for part, kind in _KIND_BY_PART if part in plain), "other")


def _plain(type: str) -> str:
    """The name in lower case without underscores, so that V0, V1 and V2 spellings meet."""
    return type.lower().replace("_", "").replace(" ", "")


@functools.cache
def _kind_by_type() -> dict[str, str]:
    foreign = {name: kind for kind, names in _FOREIGN_TYPES.items() for name in names.split()}
    return foreign | {_plain(name): layer.kind for name, layer in layer_types().items()}
