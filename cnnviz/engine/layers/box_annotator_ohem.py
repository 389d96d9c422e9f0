"""BoxAnnotatorOHEM: only the hardest regions keep their labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._choosing import Choosing
from cnnviz.errors import NetError


class BoxAnnotatorOHEM(Choosing):
    """y = the labels of the regions with the largest losses, ignore_label for all others; z = their weights

    In each image the roi_per_img regions with the largest losses keep their labels and weights. Runs on the
    host.

    box_annotator_ohem_param:
        roi_per_img: how many regions of each image keep their labels; must be given.
        ignore_label: the label of the others; default -1.

    Bottom: regions (R, 5, H, W), of which only the item is used; losses, R H W of them; labels, as many;
        weights (R, B, H, W). H and W are 1 in R-FCN, and may be omitted.
    Top: y of the shape of the labels; z of the shape of the weights, 0 for the others.
    Raises: NetError if the bottoms do not fit together, or roi_per_img is missing.
    Source: Shrivastava et al. 2016, in R-FCN (daijifeng001/caffe-rfcn). There is no gradient.
    Checked: against that fork.
    """

    type = "BoxAnnotatorOHEM"
    kind = "loss"
    num_bottom = (4, 4)
    num_top = (2, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if self.param.box_annotator_ohem_param.roi_per_img < 1:
            raise NetError("has no roi_per_img; give it in box_annotator_ohem_param")
        rois, losses, labels, weights = bottom
        if len(rois) < 2 or rois[1] != 5 or len(weights) < 2:
            raise NetError(f"bottom 0 is {rois} and bottom 3 is {weights}, expected (R, 5) and (R, B)")
        places = math.prod(rois[2:])
        counts = math.prod(losses), math.prod(labels), weights[0] * math.prod(weights[2:])
        if any(count != rois[0] * places for count in counts):
            raise NetError(f"has {counts} losses, labels and rows of weights for {rois[0] * places} regions")
        self._sizes = rois[0], places, weights[1]
        return [labels, weights]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        regions, places, channels = self._sizes
        options = self.param.box_annotator_ohem_param
        items = bottom[0].read_data().reshape(regions, 5, places)[:, 0].ravel().astype(int)
        order = np.argsort(-bottom[1].read_data().ravel(), kind="stable")
        keep: np.ndarray = np.zeros(regions * places, bool)
        for item in np.unique(items):
            keep[order[items[order] == item][: options.roi_per_img]] = True
        labels = np.where(keep, bottom[2].read_data().ravel(), options.ignore_label)
        top[0].data[...] = labels.reshape(top[0].shape)
        weights = bottom[3].read_data().reshape(regions, channels, places)
        kept = np.where(keep.reshape(regions, 1, places), weights, 0)
        top[1].data[...] = kept.reshape(top[1].shape)
