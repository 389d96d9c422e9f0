"""Prototxt of big nets, written by programs: for tests and the docs' pictures of drawing."""

from __future__ import annotations


def layer(name: str, type: str, bottoms: list[str], top: str, body: str = "") -> str:
    """Returns one layer as text."""
    reads = "".join(f'bottom: "{bottom}" ' for bottom in bottoms)
    return f'layer {{ name: "{name}" type: "{type}" {reads}top: "{top}" {body} }}\n'


def image_input(side: int = 224) -> str:
    shape = f"input_param {{ shape {{ dim: 1 dim: 3 dim: {side} dim: {side} }} }}"
    return layer("data", "Input", [], "data", shape)


def conv(name: str, bottom: str, outputs: int, kernel: int, stride: int = 1, pad: int = 0) -> str:
    """Returns a convolution without bias."""
    body = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad} bias_term: false"
    return layer(name, "Convolution", [bottom], name, f"convolution_param {{ {body} }}")


def norm(name: str, bottom: str, top: str | None = None, relu: bool = True) -> str:
    """Returns BatchNorm, Scale and ReLU; in place unless ``top`` is another blob."""
    top = top or bottom
    text = layer(f"{name}/bn", "BatchNorm", [bottom], top)
    text += layer(f"{name}/scale", "Scale", [top], top, "scale_param { bias_term: true }")
    return text + (layer(f"{name}/relu", "ReLU", [top], top) if relu else "")


def classifier(bottom: str) -> str:
    """Returns global pooling, 1000 outputs and their softmax."""
    text = layer("pool5", "Pooling", [bottom], "pool5", "pooling_param { pool: AVE global_pooling: true }")
    text += layer("fc1000", "InnerProduct", ["pool5"], "fc1000", "inner_product_param { num_output: 1000 }")
    return text + layer("prob", "Softmax", ["fc1000"], "prob")


def resnet(blocks: tuple[int, ...] = (3, 4, 6, 3)) -> str:
    """Returns a residual net of bottleneck blocks: (3, 4, 6, 3) is ResNet-50, (3, 8, 36, 3) ResNet-152.

    The stride of a stage is in the first 1x1 convolution, as in the nets first published.
    """
    text = f'name: "ResNet-{3 * sum(blocks) + 2}"\n' + image_input()
    text += conv("conv1", "data", 64, 7, 2, 3) + norm("conv1", "conv1")
    text += layer("pool1", "Pooling", ["conv1"], "pool1", "pooling_param { kernel_size: 3 stride: 2 }")
    bottom = "pool1"
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for i in range(count):
            name, stride = f"res{stage + 2}_{i + 1}", 2 if stage and not i else 1
            shortcut = bottom
            if not i:
                shortcut = f"{name}/shortcut"
                text += conv(shortcut, bottom, 4 * width, 1, stride) + norm(shortcut, shortcut, relu=False)
            text += conv(f"{name}/a", bottom, width, 1, stride) + norm(f"{name}/a", f"{name}/a")
            text += conv(f"{name}/b", f"{name}/a", width, 3, 1, 1) + norm(f"{name}/b", f"{name}/b")
            text += conv(f"{name}/c", f"{name}/b", 4 * width, 1) + norm(f"{name}/c", f"{name}/c", relu=False)
            text += layer(f"{name}/sum", "Eltwise", [shortcut, f"{name}/c"], name)
            text += layer(f"{name}/relu", "ReLU", [name], name)
            bottom = name
    return text + classifier(bottom)


def densenet(blocks: tuple[int, ...] = (6, 12, 48, 32), growth: int = 32) -> str:
    """Returns a densely connected net: (6, 12, 48, 32) is DenseNet-201."""
    text = f'name: "DenseNet-{2 * sum(blocks) + 5}"\n' + image_input()
    text += conv("conv1", "data", 2 * growth, 7, 2, 3) + norm("conv1", "conv1")
    text += layer("pool1", "Pooling", ["conv1"], "pool1", "pooling_param { kernel_size: 3 stride: 2 }")
    bottom, channels = "pool1", 2 * growth
    for stage, count in enumerate(blocks):
        for i in range(count):
            name = f"dense{stage + 1}_{i + 1}"
            text += norm(f"{name}/a", bottom, f"{name}/a/in") + conv(
                f"{name}/a", f"{name}/a/in", 4 * growth, 1
            )
            text += norm(f"{name}/b", f"{name}/a") + conv(f"{name}/b", f"{name}/a", growth, 3, 1, 1)
            text += layer(f"{name}/join", "Concat", [bottom, f"{name}/b"], name)
            bottom, channels = name, channels + growth
        text += norm(f"end{stage + 1}", bottom, f"end{stage + 1}")
        bottom = f"end{stage + 1}"
        if stage + 1 < len(blocks):
            channels //= 2
            text += conv(f"shrink{stage + 1}", bottom, channels, 1)
            pooling = "pooling_param { pool: AVE kernel_size: 2 stride: 2 }"
            bottom = f"pool{stage + 2}_half"
            text += layer(bottom, "Pooling", [f"shrink{stage + 1}"], bottom, pooling)
    return text + classifier(bottom)


def relu_conv(name: str, bottom: str, outputs: int, kernel: int = 3, more: str = "") -> str:
    """Returns a convolution with bias and a ReLU in place; padded to keep the size unless ``more`` says."""
    body = f"num_output: {outputs} kernel_size: {kernel} {more or f'pad: {kernel // 2}'}"
    text = layer(name, "Convolution", [bottom], name, f"convolution_param {{ {body} }}")
    return text + layer(f"{name}_relu", "ReLU", [name], name)


def detection_head(source: str, priors: int, sizes: tuple[int, int], classes: int = 21) -> str:
    """Returns what one feature map of a single shot detector says: boxes, scores and where it looks."""
    text = ""
    for what, outputs in (("loc", 4 * priors), ("conf", classes * priors)):
        name = f"{source}_{what}"
        body = f"convolution_param {{ num_output: {outputs} kernel_size: 3 pad: 1 }}"
        text += layer(name, "Convolution", [source], name, body)
        order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
        text += layer(f"{name}_perm", "Permute", [name], f"{name}_perm", order)
        text += layer(f"{name}_flat", "Flatten", [f"{name}_perm"], f"{name}_flat")
    ratios = "aspect_ratio: 2 aspect_ratio: 3" if priors == 6 else "aspect_ratio: 2"
    body = f"prior_box_param {{ min_size: {sizes[0]} max_size: {sizes[1]} {ratios} flip: true }}"
    return text + layer(f"{source}_prior", "PriorBox", [source, "data"], f"{source}_prior", body)


def ssd(classes: int = 21) -> str:
    """Returns the single shot detector SSD300 on the convolutions of VGG-16."""
    text, bottom = 'name: "SSD300"\n' + image_input(300), "data"
    for stage, (count, width) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        for i in range(count):
            text += relu_conv(f"conv{stage}_{i + 1}", bottom, width)
            bottom = f"conv{stage}_{i + 1}"
        window = "kernel_size: 2 stride: 2" if stage < 5 else "kernel_size: 3 stride: 1 pad: 1"
        text += layer(f"pool{stage}", "Pooling", [bottom], f"pool{stage}", f"pooling_param {{ {window} }}")
        bottom = f"pool{stage}"
    text += relu_conv("fc6", bottom, 1024, 3, "pad: 6 dilation: 6") + relu_conv("fc7", "fc6", 1024, 1)
    bottom = "fc7"
    for stage, width, more in ((6, 512, "pad: 1 stride: 2"), (7, 256, "pad: 1 stride: 2"), (8, 256, "pad: 0"),
                               (9, 256, "pad: 0")):  # fmt: skip
        text += relu_conv(f"conv{stage}_1", bottom, width // 2, 1)
        text += relu_conv(f"conv{stage}_2", f"conv{stage}_1", width, 3, more)
        bottom = f"conv{stage}_2"
    text += layer("norm4_3", "Normalize", ["conv4_3"], "norm4_3", "norm_param { across_spatial: false }")
    sources = ["norm4_3", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2"]
    sizes = ((30, 60), (60, 111), (111, 162), (162, 213), (213, 264), (264, 315))
    for source, priors, size in zip(sources, (4, 6, 6, 6, 4, 4), sizes, strict=True):
        text += detection_head(source, priors, size, classes)
    for what in ("loc", "conf", "prior"):
        ends = [f"{source}_{what}" + ("" if what == "prior" else "_flat") for source in sources]
        axis = f"concat_param {{ axis: {2 if what == 'prior' else 1} }}"
        text += layer(what, "Concat", ends, what, axis)
    shape = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {classes} }} }}"
    text += layer("conf_reshape", "Reshape", ["conf"], "conf_reshape", shape)
    text += layer("scores", "Softmax", ["conf_reshape"], "scores", "softmax_param { axis: 2 }")
    text += layer("scores_flat", "Flatten", ["scores"], "scores_flat")
    body = f"detection_output_param {{ num_classes: {classes} nms_param {{ nms_threshold: 0.45 }} }}"
    return text + layer("detection", "DetectionOutput", ["loc", "scores_flat", "prior"], "detection", body)


def alexnet() -> str:
    """Returns AlexNet as published: two groups, 227 x 227 pixels, normalized before pooling."""
    text, bottom = 'name: "AlexNet"\n' + image_input(227), "data"
    convolutions = (
        ("conv1", 96, "kernel_size: 11 stride: 4", True, True),
        ("conv2", 256, "kernel_size: 5 pad: 2 group: 2", True, True),
        ("conv3", 384, "kernel_size: 3 pad: 1", False, False),
        ("conv4", 384, "kernel_size: 3 pad: 1 group: 2", False, False),
        ("conv5", 256, "kernel_size: 3 pad: 1 group: 2", False, True),
    )
    for name, outputs, window, normalized, pooled in convolutions:
        body = f"convolution_param {{ num_output: {outputs} {window} }}"
        text += layer(name, "Convolution", [bottom], name, body) + layer(f"relu_{name}", "ReLU", [name], name)
        bottom = name
        if normalized:
            text += layer(f"norm_{name}", "LRN", [bottom], f"norm_{name}", "lrn_param { alpha: 1e-4 }")
            bottom = f"norm_{name}"
        if pooled:
            window = "pooling_param { kernel_size: 3 stride: 2 }"
            text += layer(f"pool_{name}", "Pooling", [bottom], f"pool_{name}", window)
            bottom = f"pool_{name}"
    for name, outputs in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        text += layer(
            name, "InnerProduct", [bottom], name, f"inner_product_param {{ num_output: {outputs} }}"
        )
        if name != "fc8":
            text += layer(f"relu_{name}", "ReLU", [name], name) + layer(
                f"drop_{name}", "Dropout", [name], name
            )
        bottom = name
    return text + layer("prob", "Softmax", ["fc8"], "prob")
