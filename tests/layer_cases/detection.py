"""Layers of detectors: Normalize, regions, boxes."""

from __future__ import annotations

import itertools

import numpy as np

from support.layer_harness import Case, apart, given, uniform


def normalize(across, eps=1e-10):
    def reference(x, scale):
        axes = tuple(range(1, x.ndim)) if across else 1
        norm = np.sqrt((x**2).sum(axis=axes, keepdims=True) + eps)
        return x / norm * scale.reshape(-1, *[1] * (x.ndim - 2))

    return reference


def half_up(value):
    """C's round for what is not negative."""
    return int(np.floor(value + 0.5))


def roi_pooling(pooled, scale):
    def reference(x, rois):
        y = np.zeros((len(rois), x.shape[1], *pooled))
        for r, (item, x1, y1, x2, y2) in enumerate(rois):
            x1, y1, x2, y2 = (half_up(v * scale) for v in (x1, y1, x2, y2))
            bins = max(y2 - y1 + 1, 1) / pooled[0], max(x2 - x1 + 1, 1) / pooled[1]
            for i, j in np.ndindex(*pooled):
                rows = slice(y1 + int(np.floor(i * bins[0])), y1 + int(np.ceil((i + 1) * bins[0])))
                columns = slice(x1 + int(np.floor(j * bins[1])), x1 + int(np.ceil((j + 1) * bins[1])))
                part = x[int(item), :, rows, columns]
                y[r, :, i, j] = part.max(axis=(1, 2)) if part.size else 0
        return y

    return reference


def psroi_pooling(dim, k, scale):
    def reference(x, rois):
        y = np.zeros((len(rois), dim, k, k))
        for r, (item, x1, y1, x2, y2) in enumerate(rois):
            left, top = half_up(x1) * scale, half_up(y1) * scale
            bins = ((half_up(y2) + 1) * scale - top) / k, ((half_up(x2) + 1) * scale - left) / k
            for c, i, j in np.ndindex(dim, k, k):
                rows = slice(int(np.floor(top + i * bins[0])), int(np.ceil(top + (i + 1) * bins[0])))
                columns = slice(int(np.floor(left + j * bins[1])), int(np.ceil(left + (j + 1) * bins[1])))
                part = x[int(item), (c * k + i) * k + j, rows, columns]
                y[r, c, i, j] = part.mean() if part.size else 0
        return y

    return reference


def roi_align(pooled, scale, points):
    """``points`` along each side of a bin; None: one for each pixel begun."""

    def at(plane, y, x):
        height, width = plane.shape[1:]
        if not (-1 <= y <= height and -1 <= x <= width):
            return 0
        y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        upper = plane[:, top, left] * (left + 1 - x) + plane[:, top, right] * (x - left)
        lower = plane[:, bottom, left] * (left + 1 - x) + plane[:, bottom, right] * (x - left)
        return upper * (top + 1 - y) + lower * (y - top)

    def reference(x, rois):
        result = np.zeros((len(rois), x.shape[1], *pooled))
        for r, (item, *corners) in enumerate(rois):
            left, top, right, low = np.array(corners) * scale
            bins = max(low - top, 1) / pooled[0], max(right - left, 1) / pooled[1]
            counts = [points or int(np.ceil(size)) for size in bins]
            for i, j, v, u in np.ndindex(*pooled, *counts):
                y = top + (i + (v + 0.5) / counts[0]) * bins[0]
                x_at = left + (j + (u + 0.5) / counts[1]) * bins[1]
                result[r, :, i, j] += at(x[int(item)], y, x_at) / (counts[0] * counts[1])
        return result

    return reference


def proposals(scores, deltas, image):
    """Anchors of base 16: a square, and one twice as high as wide; at most six regions of an item."""
    anchors = [(16, 16), (11, 22)]
    rows = []
    for item in range(len(scores)):
        found = []
        for (j, i), n in itertools.product(np.ndindex(*scores.shape[2:]), range(2)):
            dx, dy, dw, dh = deltas[item, 4 * n : 4 * n + 4, j, i]
            width, height = anchors[n]
            x, y = i * 8 + 8 + dx * width, j * 8 + 8 + dy * height
            half = np.exp(dw) * width / 2, np.exp(dh) * height / 2
            box = [x - half[0], y - half[1], x + half[0], y + half[1]]
            box = [min(max(v, 0), (image[0, 1], image[0, 0])[k % 2] - 1) for k, v in enumerate(box)]
            if min(box[2] - box[0] + 1, box[3] - box[1] + 1) >= 4 * image[0, 2]:
                found.append([item, *box, scores[item, 2 + n, j, i]])
        kept = []
        for row in sorted(found, key=lambda row: -row[5]):
            grown = [[*other[1:3], other[3] + 1, other[4] + 1] for other in [row, *kept]]
            if all(iou(grown[0], other) <= 0.4 for other in grown[1:]):
                kept.append(row)
        rows += kept[:6]
    return [np.array(rows)[:, :5], np.array(rows)[:, 5]]


def prior_boxes(sizes, image, variances, clip=False):
    """Boxes of the given (width, height) around the middle of each of 2 x 3 cells."""

    def reference(x, data):
        rows = []
        for i, j in np.ndindex(2, 3):
            y, x = (i + 0.5) * image[0] / 2, (j + 0.5) * image[1] / 3
            for width, height in sizes:
                box = [(x - width / 2) / image[1], (y - height / 2) / image[0],
                       (x + width / 2) / image[1], (y + height / 2) / image[0]]  # fmt: skip
                rows.append(np.clip(box, 0, 1) if clip else box)
        return np.stack([np.ravel(rows), np.tile(variances, len(rows))])[None]

    return reference


# Four priors, of which the first two overlap by 0.6.
PRIORS = [[0, 0, 0.4, 0.4], [0.1, 0, 0.5, 0.4], [0.5, 0.5, 0.9, 0.9], [0.1, 0.6, 0.4, 0.9]]
VARIANCES = [[0.1, 0.1, 0.2, 0.2]] * 4
SSD_PRIORS = given([PRIORS, VARIANCES])
SCORES = given([[0.1, 0.9, 0.0, 0.2, 0.8, 0.0, 0.3, 0.1, 0.6, 0.9, 0.05, 0.05]])
DETECTED = [[0, 1, 0.9, *PRIORS[0]], [0, 2, 0.6, *PRIORS[2]]]


def center_size(codes):
    """Boxes of codes relative to PRIORS."""
    p = np.array(PRIORS)
    size, center = p[:, 2:] - p[:, :2], (p[:, 2:] + p[:, :2]) / 2
    codes = np.reshape(codes, (4, 4)) * VARIANCES
    middle, half = center + codes[:, :2] * size, np.exp(codes[:, 2:]) * size / 2
    return np.hstack([middle - half, middle + half])


def first_boxes(codes, scores, priors):
    """All three boxes of class 1 and 2 above 0.5 when boxes move little."""
    boxes = center_size(codes)
    return np.array([[0, 1, 0.9, *boxes[0]], [0, 1, 0.8, *boxes[1]], [0, 2, 0.6, *boxes[2]]])[None, None]


def multi_box_loss(codes, scores, priors, truth):
    """One true box, the same as prior 2, of class 1: one match and two negatives of three classes."""
    target = np.zeros(4)
    difference = codes.reshape(2, 4, 4)[0, 2] - target
    near = np.abs(difference) < 1
    boxes = np.where(near, difference**2 / 2, np.abs(difference) - 0.5).sum()
    s = scores.reshape(2, 4, 3)[0]
    loss = np.log(np.exp(s).sum(axis=1, keepdims=True)) - s
    negatives = np.sort(loss[[0, 1, 3], 0])[-2:].sum()
    return boxes + loss[2, 1] + negatives


TRUTH = given([[0, 1, 0, 0.5, 0.5, 0.9, 0.9, 0], [-1, 0, 0, 0, 0, 0, 0, 0]])
TRUTHS = given(
    [[0, 1, 0, 0.5, 0.5, 0.9, 0.9, 0], [0, 2, 1, 0.02, 0, 0.45, 0.4, 1], [1, 1, 0, 0, 0.5, 0.4, 1, 0]]
)
SSD = [(2, 16), (2, 12), (1, 2, 16)]


def hardest(number):
    """Labels and weights of the regions with the largest losses, ``number`` for each item."""

    def reference(rois, losses, labels, weights):
        y, z = np.full_like(labels, -1), np.zeros_like(weights)
        for item in set(rois[:, 0]):
            mine = [r for r in range(len(rois)) if rois[r, 0] == item]
            for r in sorted(mine, key=lambda r: -losses[r])[:number]:
                y[r], z[r] = labels[r], weights[r]
        return [y, z]

    return reference


def evaluated(found, truth):
    """Two classes: of three boxes on one true box the best is right; one finds none."""
    rows = [[-1, 1, 1, -1, -1], [-1, 2, 1, -1, -1]]
    rows += [[0, 1, 0.9, 1, 0], [0, 1, 0.5, 0, 1], [0, 1, 0.2, 0, 1], [0, 2, 0.7, 0, 1]]
    return np.array(rows)[None, None]


FOUND = given([[0, 1, 0.5, 0, 0, 0.4, 0.4], [0, 1, 0.9, 0.01, 0, 0.4, 0.4], [0, 1, 0.2, 0.5, 0.5, 0.9, 0.9],
               [0, 2, 0.7, 0, 0, 0.1, 0.1]])  # fmt: skip
ON_THEM = given([[0, 1, 0, 0, 0, 0.4, 0.4, 0], [0, 2, 0, 0.5, 0.5, 0.9, 0.9, 0], [-1] + [0] * 7])


def logistic(x):
    return 1 / (1 + np.exp(-x))


def yolo_boxes(x, anchors, classes, units):
    """(box, to, scores) of each position and anchor; ``units``: the image's (width, height) for anchors."""
    _, _, height, width = x.shape
    parts = x[0].reshape(len(anchors), 5 + classes, height, width)
    for j, i, n in np.ndindex(height, width, len(anchors)):
        tx, ty, tw, th, to, *scores = parts[n, :, j, i]
        cx, cy = (i + logistic(tx)) / width, (j + logistic(ty)) / height
        w, h = np.exp(tw) * anchors[n][0] / units[0], np.exp(th) * anchors[n][1] / units[1]
        yield [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], to, np.array(scores)


def iou(a, b):
    sides = [min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    return shared / (sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - shared)


def surest(rows, threshold):
    kept = []
    for row in sorted(rows, key=lambda row: -row[2]):
        if all(iou(row[3:], other[3:]) < threshold for other in kept):
            kept.append(row)
    return np.array(kept)[None, None]


def yolo_output(x):
    rows = []
    for box, to, scores in yolo_boxes(x, [(1, 1.5), (2, 0.5)], 3, (4, 3)):
        chances = np.exp(scores) / np.exp(scores).sum()
        sure = logistic(to) * chances.max()
        rows += [[0, chances.argmax() + 1, sure, *box]] if sure >= 0.2 else []
    return surest(rows, 0.45)


def yolov3_output(*bottoms):
    rows = []
    for x, anchors in zip(bottoms, ([(30, 30), (10, 20)], [(8, 8), (10, 20)]), strict=True):
        scale = {2: 16, 4: 8}[x.shape[2]]
        units = x.shape[3] * scale, x.shape[2] * scale
        for box, to, scores in yolo_boxes(x, anchors, 2, units):
            sure = logistic(to) * logistic(scores)
            rows += [[0, c + 1, sure[c], *box] for c in range(2) if sure[c] > 0.3]
    return surest(rows, 0.3)


def region_loss(x, truth):
    """One true box in the middle of position (1, 0), of the first anchor's size, in a map of 2 x 2."""
    parts = x[0].reshape(2, 7, 2, 2)
    chance = logistic(parts[:, 4])
    deltas = np.zeros_like(parts)
    deltas[:, 4] = 0.5 * chance**2 * (1 - chance)
    tx, ty, tw, th, to, *scores = parts[0, :, 0, 1]
    slopes = logistic(np.array([tx, ty, to])) * (1 - logistic(np.array([tx, ty, to])))
    powers = np.exp(scores) / np.exp(scores).sum()
    deltas[0, :, 0, 1] = [
        (logistic(tx) - 0.5) * slopes[0] * 5 * (2 - 0.3), (logistic(ty) - 0.5) * slopes[1] * 5 * (2 - 0.3),
        tw * 5 * (2 - 0.3), th * 5 * (2 - 0.3), 3 * (logistic(to) - 1) * slopes[2], powers[0], powers[1] - 1,
    ]  # fmt: skip
    return (deltas**2).sum()


ONE_OBJECT = given([[1, 0.75, 0.25, 0.5, 0.6], [0, 0, 0, 0, 0]])
YOLO = "num_classes: 3 num_box: 2 confidence_threshold: 0.2 biases: [1, 1.5, 2, 0.5]"
YOLOV3 = (
    "num_classes: 2 num_box: 2 confidence_threshold: 0.3 nms_threshold: 0.3 biases: [30, 30, 10, 20, 8, 8] "
    "mask: [0, 1, 2, 1] anchors_scale: [16, 8]"
)

ROIS = {1: given([[0, 0, 0, 11, 9], [1, 2, 4, 7, 6], [1, 5, 1, 5, 1], [0, 9, 8, 20, 20]])}

CASES = [
    Case("Normalize", "each position", [(2, 5, 3, 4)],
         "norm_param { across_spatial: false channel_shared: false }", reference=normalize(False),
         in_place=True),
    Case("Normalize", "whole item", [(2, 5, 3, 4)], "norm_param { eps: 0.1 }", reference=normalize(True, 0.1),
         in_place=True),
    Case("Normalize", "whole item, scale per channel", [(3, 4, 2)], "norm_param { channel_shared: false }",
         reference=normalize(True)),
    Case("Normalize", "two axes", [(3, 4)], "norm_param { across_spatial: false }",
         weights={0: uniform(2, 3)}, reference=normalize(False)),
    Case("ROIPooling", "default scale", [(2, 3, 10, 12), (4, 5)],
         "roi_pooling_param { pooled_h: 3 pooled_w: 2 }", fills=ROIS | {0: apart()},
         reference=roi_pooling((3, 2), 1)),
    Case("ROIPooling", "half scale", [(2, 3, 6, 7), (4, 5)],
         "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 }", fills=ROIS | {0: apart()},
         reference=roi_pooling((2, 3), 0.5)),
    Case("ROIPooling", "an item that does not exist", [(1, 2, 4, 4), (2, 5)],
         "roi_pooling_param { pooled_h: 1 pooled_w: 1 }", gradient=False,
         fills={1: given([[3, 0, 0, 3, 3], [-1, 0, 0, 3, 3]])},
         reference=lambda x, rois: np.zeros((2, 2, 1, 1))),
    Case("PSROIPooling", "half scale", [(2, 18, 6, 7), (4, 5)],
         "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.5 }", fills=ROIS,
         reference=psroi_pooling(2, 3, 0.5)),
    Case("PriorBox", "squares and ratios", [(1, 4, 2, 3), (1, 3, 40, 60)],
         "prior_box_param { min_size: 10 max_size: 22.5 aspect_ratio: 4 variance: 0.1 variance: 0.1 "
         "variance: 0.2 variance: 0.2 }", gradient=False,
         reference=prior_boxes([(10, 10), (220**0.5,) * 2, (20, 5), (5, 20)], (40, 60),
                               [0.1, 0.1, 0.2, 0.2])),
    Case("PriorBox", "clipped, no flip, image size given", [(1, 4, 2, 3), (1, 3, 5, 5)],
         "prior_box_param { min_size: 30 min_size: 8 aspect_ratio: 4 aspect_ratio: 1 flip: false clip: true "
         "img_h: 40 img_w: 60 }", gradient=False,
         reference=prior_boxes([(30, 30), (60, 15), (8, 8), (16, 4)], (40, 60), [0.1] * 4, clip=True)),
    Case("DetectionOutput", "suppressed", [(1, 16), (1, 12), (1, 2, 16)],
         "detection_output_param { num_classes: 3 nms_param { nms_threshold: 0.5 } "
         "confidence_threshold: 0.2 }", gradient=False, takes_nan=False,
         fills={0: given(np.zeros(16)), 1: SCORES, 2: SSD_PRIORS},
         reference=lambda *bottoms: np.array(DETECTED)[None, None]),
    Case("DetectionOutput", "moved boxes", [(1, 16), (1, 12), (1, 2, 16)],
         "detection_output_param { num_classes: 3 code_type: CENTER_SIZE keep_top_k: 3 "
         "nms_param { nms_threshold: 0.95 top_k: 2 } confidence_threshold: 0.5 }", gradient=False,
         fills={1: SCORES, 2: SSD_PRIORS}, reference=first_boxes),
    Case("DetectionOutput", "nothing found", [(2, 16), (2, 12), (1, 2, 16)],
         "detection_output_param { num_classes: 3 confidence_threshold: 2 }", gradient=False,
         fills={2: SSD_PRIORS},
         reference=lambda *bottoms: np.array([[0] + [-1] * 6, [1] + [-1] * 6])[None, None]),
    Case("MultiBoxLoss", "one match", [*SSD, (1, 1, 2, 8)],
         "multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE neg_pos_ratio: 2 }",
         fills={2: SSD_PRIORS, 3: TRUTH}, reference=multi_box_loss),
    Case("MultiBoxLoss", "logistic, L2, corners", [*SSD, (1, 1, 3, 8)],
         "multibox_loss_param { num_classes: 3 conf_loss_type: LOGISTIC loc_loss_type: L2 loc_weight: 2 }",
         fills={2: SSD_PRIORS, 3: TRUTHS}),
    Case("MultiBoxLoss", "no mining, bipartite, easy boxes", [*SSD, (1, 1, 3, 8)],
         "multibox_loss_param { num_classes: 3 mining_type: NONE match_type: BIPARTITE "
         "use_difficult_gt: false code_type: CORNER_SIZE } loss_param { normalization: BATCH_SIZE }",
         fills={2: SSD_PRIORS, 3: TRUTHS}),
    Case("MultiBoxLoss", "codes of each class", [(2, 48), (2, 12), (1, 2, 16), (1, 1, 3, 8)],
         "multibox_loss_param { num_classes: 3 share_location: false mining_type: NONE }",
         fills={2: SSD_PRIORS, 3: TRUTHS}),
    Case("MultiBoxLoss", "hard examples beside others, variances in the loss", [*SSD, (1, 1, 3, 8)],
         "multibox_loss_param { num_classes: 3 mining_type: HARD_EXAMPLE sample_size: 2 "
         "use_prior_for_nms: true nms_param { nms_threshold: 0.5 top_k: 4 } "
         "encode_variance_in_target: true }",
         fills={2: SSD_PRIORS, 3: TRUTHS}),
    Case("MultiBoxLoss", "predictions matched, inside only", [*SSD, (1, 1, 3, 8)],
         "multibox_loss_param { num_classes: 3 use_prior_for_matching: false bp_inside: true }",
         fills={0: uniform(-0.1, 0.1), 2: SSD_PRIORS, 3: TRUTHS}),
    Case("MultiBoxLoss", "logistic without mining", [*SSD, (1, 1, 3, 8)],
         "multibox_loss_param { num_classes: 3 conf_loss_type: LOGISTIC mining_type: NONE }",
         fills={2: SSD_PRIORS, 3: TRUTHS}),
    Case("MultiBoxLoss", "classes that scores lack, all as one", [(2, 16), (2, 8), (1, 2, 16), (1, 1, 3, 8)],
         "multibox_loss_param { num_classes: 2 map_object_to_agnostic: true }",
         fills={2: SSD_PRIORS, 3: TRUTHS}),
    Case("BoxAnnotatorOHEM", "two items", [(7, 5), (7,), (7,), (7, 8)],
         "box_annotator_ohem_param { roi_per_img: 2 }", tops=2, gradient=False, takes_nan=False,
         fills={0: given([[n] * 5 for n in (0, 1, 0, 0, 1, 1, 1)])}, reference=hardest(2)),
    Case("DetectionEvaluate", "right and wrong", [(1, 1, 4, 7), (1, 1, 3, 8)],
         "detection_evaluate_param { num_classes: 3 }", gradient=False, takes_nan=False,
         fills={0: FOUND, 1: ON_THEM}, reference=evaluated),
    Case("YoloDetectionOutput", "not square", [(1, 16, 3, 4)], f"yolo_detection_output_param {{ {YOLO} }}",
         gradient=False, reference=yolo_output),
    Case("Yolov3DetectionOutput", "two sizes", [(1, 14, 2, 3), (1, 14, 4, 6)],
         f"yolov3_detection_output_param {{ {YOLOV3} }}", gradient=False, reference=yolov3_output),
    Case("RegionLoss", "one object", [(1, 14, 2, 2), (1, 1, 2, 5)],
         "region_loss_param { num_class: 2 num: 2 rescore: 0 object_scale: 3 biases: [1, 1.2, 2, 0.2] "
         "thresh: 2 }", gradient=False, fills={1: ONE_OBJECT}, reference=region_loss),
    Case("ROIAlign", "as many points as pixels", [(2, 3, 6, 7), (4, 5)],
         "roi_align_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 }", fills=ROIS,
         reference=roi_align((2, 3), 0.5, None)),
    Case("ROIAlign", "two points", [(2, 2, 9, 10), (4, 5)],
         "roi_align_param { pooled_h: 3 pooled_w: 2 sampling_ratio: 2 }",
         fills={1: given([[0, -3, 1.5, 5.25, 9], [1, 2, 4, 7, 6], [1, 5, 1, 4, 0], [0, 7, 6, 14, 15]])},
         reference=roi_align((3, 2), 1, 2)),
    Case("ROIAlign", "an item that does not exist", [(1, 2, 4, 4), (2, 5)],
         "roi_align_param { pooled_h: 1 pooled_w: 1 }", gradient=False,
         fills={1: given([[3, 0, 0, 3, 3], [-1, 0, 0, 3, 3]])},
         reference=lambda x, rois: np.zeros((2, 2, 1, 1))),
    Case("Proposal", "two items, two tops", [(2, 4, 3, 4), (2, 8, 3, 4), (1, 3)],
         "proposal_param { feat_stride: 8 ratio: [1, 2] scale: 1 min_size: 4 nms_thresh: 0.4 "
         "post_nms_topn: 6 }", tops=2, gradient=False, fills={2: given([[30, 35, 1.5]])},
         reference=proposals),
]  # fmt: skip
