"""Every case of reference/forks: layers that Caffe's forks add, computed by the forks' own code."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SHARED
from layer_harness import run_reference_case

TOLERANCE = 2e-5  # of the largest number, as for Caffe's own cases in single precision
FORKS = SHARED / "reference" / "forks"
CASES = sorted(path for path in FORKS.glob("*/*.prototxt") if path.with_suffix(".npz").exists())
# What does not agree yet; a case that agrees must leave this list.
DISAGREEING: set[str] = {
    "BoxAnnotatorOHEM/ignore_255",
    "BoxAnnotatorOHEM/more_than_there_are",
    "BoxAnnotatorOHEM/one_image",
    "BoxAnnotatorOHEM/two_images",
    "Convolution3D/c3d_like",
    "Convolution3D/no_bias_filter_group",
    "Convolution3D/strides",
    "Correlation/basic",
    "Correlation/flownetc_like",
    "Correlation/kernel_3",
    "DetectionEvaluate/basic",
    "DetectionEvaluate/no_difficult",
    "FlowWarp/basic",
    "MarginInnerProduct/double",
    "MarginInnerProduct/quadruple",
    "MarginInnerProduct/single",
    "MultiBoxLoss/bp_inside",
    "MultiBoxLoss/corner_variance_in_target",
    "MultiBoxLoss/hard_example",
    "MultiBoxLoss/hard_example_logistic_no_nms",
    "MultiBoxLoss/hard_example_prior_nms",
    "MultiBoxLoss/logistic_mining_none_one_item",
    "MultiBoxLoss/not_shared",
    "MultiBoxLoss/not_shared_bipartite",
    "MultiBoxLoss/prediction_matching",
    "MultiBoxLoss/variance_in_target",
    "Normalize/normalize_param_l2",
    "Normalize/normalize_param_l2_spatial",
    "Pooling3D/ave",
    "Pooling3D/max",
    "Pooling3D/max_first",
    "PriorBox/clip",
    "PriorBox/default_variance_clip",
    "PriorBox/fractional_sizes",
    "PriorBox/img_h_w",
    "PriorBox/img_size",
    "PriorBox/min_and_max_one_ratio",
    "PriorBox/no_flip",
    "PriorBox/offset_zero",
    "PriorBox/ratio_one_named",
    "PriorBox/several_min_and_max_sizes",
    "PriorBox/ssd300_like",
    "PriorBox/step_h_w_offset",
    "RegionLoss/no_rescore",
    "RegionLoss/yolo_v2_like",
    "SmoothL1Loss/rfcn_per_item_loss",
    "SmoothL1Loss/rfcn_pre_fixed",
    "SmoothL1Loss/rfcn_valid_spatial",
    "SmoothL1LossOHEM/batch_size_spatial",
    "SmoothL1LossOHEM/no_weights",
    "SmoothL1LossOHEM/per_item_loss",
    "SmoothL1LossOHEM/rfcn_like",
    "SoftmaxWithLoss/rfcn_per_item_loss",
    "SoftmaxWithLoss/segnet_class_weighting",
    "SoftmaxWithLoss/segnet_class_weighting_ignore",
    "SoftmaxWithLossOHEM/ignore",
    "SoftmaxWithLossOHEM/per_item_loss",
    "SoftmaxWithLossOHEM/plain",
    "YoloDetectionOutput/basic",
    "YoloDetectionOutput/low_nms",
    "YoloDetectionOutput/nothing",
    "Yolov3DetectionOutput/tiny_like",
}


def case_id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", CASES, ids=case_id)
def test_agrees_with_the_fork(path, monkeypatch, request):
    if case_id(path) in DISAGREEING:
        request.applymarker(pytest.mark.xfail(strict=True, reason="does not agree yet"))
    monkeypatch.chdir(path.parent)
    assert not run_reference_case(path, TOLERANCE, of_fork=True)


def test_what_disagrees_is_among_the_cases():
    if not CASES:
        pytest.skip(f"{FORKS} is absent")
    assert {case_id(path) for path in CASES} >= DISAGREEING
