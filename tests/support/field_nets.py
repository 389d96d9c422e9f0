"""Small whole nets of the kinds whose receptive fields are compared with gradients."""

from __future__ import annotations

from support.big_nets import alexnet, conv, densenet, image_input, layer, norm, relu_conv, resnet, ssd


def pool(name: str, bottom: str, window: str = "kernel_size: 2 stride: 2") -> str:
    return layer(name, "Pooling", [bottom], name, f"pooling_param {{ {window} }}")


def up(name: str, bottom: str, window: str = "kernel_size: 4 stride: 2 pad: 1") -> str:
    return layer(name, "Deconvolution", [bottom], name, f"convolution_param {{ num_output: 16 {window} }}")


def cut(name: str, bottom: str, size: str, offset: int) -> str:
    return layer(name, "Crop", [bottom, size], name, f"crop_param {{ axis: 2 offset: {offset} }}")


def fcn() -> str:
    """Padded by 100, scores of two depths added, cropped to the image."""
    text = image_input() + relu_conv("c1", "data", 16, 3, "pad: 20") + pool("p1", "c1")
    text += relu_conv("c2", "p1", 16) + pool("p2", "c2") + relu_conv("c3", "p2", 16, 3)
    text += up("u2", "c3") + cut("k1", "p1", "u2", 3) + layer("sum", "Eltwise", ["u2", "k1"], "sum")
    return text + up("u1", "sum") + cut("score", "u1", "data", 15)


def unet() -> str:
    text = image_input() + relu_conv("a1", "data", 16) + pool("p1", "a1") + relu_conv("a2", "p1", 16)
    text += pool("p2", "a2") + relu_conv("a3", "p2", 16) + up("u2", "a3", "kernel_size: 2 stride: 2")
    text += layer("j2", "Concat", ["a2", "u2"], "j2") + relu_conv("b2", "j2", 16)
    text += up("u1", "b2", "kernel_size: 2 stride: 2") + layer("j1", "Concat", ["a1", "u1"], "j1")
    return text + relu_conv("b1", "j1", 16)


def deeplab() -> str:
    text = image_input() + relu_conv("c1", "data", 16) + pool("p1", "c1", "kernel_size: 3 stride: 2 pad: 1")
    rates = (1, 2, 4)
    for rate in rates:
        text += relu_conv(f"h{rate}", "p1", 16, 3, f"pad: {rate} dilation: {rate}")
    text += layer("sum", "Eltwise", [f"h{rate}" for rate in rates], "sum")
    return text + layer("y", "Interp", ["sum"], "y", "interp_param { zoom_factor: 2 }")


def depthwise(name: str, bottom: str, stride: int) -> str:
    window = f"num_output: 64 kernel_size: 3 pad: 1 stride: {stride} group: 64"
    return layer(name, "DepthwiseConvolution", [bottom], name, f"convolution_param {{ {window} }}")


def mobilenet() -> str:
    text, bottom = image_input() + conv("c", "data", 64, 3, 2, 1) + norm("c", "c"), "c"
    for i, stride in enumerate((1, 2, 1, 2)):
        text += depthwise(f"d{i}", bottom, stride) + norm(f"d{i}", f"d{i}")
        text += conv(f"s{i}", f"d{i}", 64, 1) + norm(f"s{i}", f"s{i}")
        bottom = f"s{i}"
    return text


def shufflenet() -> str:
    text, bottom = image_input() + conv("c", "data", 64, 3, 2, 1), "c"
    for i in range(3):
        text += layer(f"m{i}", "ShuffleChannel", [bottom], f"m{i}", "shuffle_channel_param { group: 2 }")
        text += depthwise(f"d{i}", f"m{i}", 1) + layer(f"e{i}", "Eltwise", [bottom, f"d{i}"], f"e{i}")
        text += layer(f"r{i}", "HardSwish", [f"e{i}"], f"r{i}")
        bottom = f"r{i}"
    return text


def senet() -> str:
    """Blocks whose channels are weighed by what the whole plane says, which counts for no field."""
    text, bottom = image_input() + relu_conv("c", "data", 16), "c"
    for i in range(3):
        text += relu_conv(f"b{i}", bottom, 16) + pool(f"g{i}", f"b{i}", "pool: AVE global_pooling: true")
        text += conv(f"w{i}", f"g{i}", 16, 1) + layer(f"w{i}/s", "Sigmoid", [f"w{i}"], f"w{i}")
        text += layer(f"y{i}", "Axpy", [f"w{i}", f"b{i}", bottom], f"y{i}")
        bottom = f"y{i}"
    return text


def yolo() -> str:
    text = image_input() + relu_conv("c1", "data", 16) + relu_conv("c2", "c1", 16, 3, "stride: 2 pad: 1")
    text += relu_conv("c3", "c2", 16, 3, "stride: 2 pad: 1")
    text += layer("u", "UpsampleDarknet", ["c3"], "u", "upsample_darknet_param { stride: 2 }")
    return text + layer("j", "Concat", ["u", "c2"], "j") + relu_conv("y", "j", 16)


def inception() -> str:
    text, bottom = image_input() + relu_conv("c", "data", 16, 7, "stride: 2 pad: 3"), "c"
    for i in range(2):
        text += relu_conv(f"a{i}", bottom, 16, 1) + relu_conv(f"b{i}", bottom, 16, 5)
        text += pool(f"p{i}", bottom, "kernel_size: 3 stride: 1 pad: 1")
        text += layer(f"j{i}", "Concat", [f"a{i}", f"b{i}", f"p{i}"], f"j{i}")
        bottom = f"j{i}"
    return text


def factorized() -> str:
    """Windows of 1 x 7 and 7 x 1, as in Inception v3."""
    text, bottom = image_input() + relu_conv("c", "data", 16), "c"
    sizes = (
        "kernel_h: 1 kernel_w: 7 pad_h: 0 pad_w: 3",
        "kernel_h: 7 kernel_w: 1 pad_h: 3 pad_w: 0",
        "kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 1",
    )
    for i, size in enumerate(sizes):
        body = f"convolution_param {{ num_output: 16 {size} }}"
        text += layer(f"f{i}", "Convolution", [bottom], f"f{i}", body)
        bottom = f"f{i}"
    return text


def waifu() -> str:
    """Without padding, cropped to fit a shortcut, made larger by a transposed convolution."""
    text = image_input() + relu_conv("a", "data", 16, 3, "pad: 0") + relu_conv("b", "a", 16, 3, "pad: 0")
    crops = "crop_center_param { crop_size: 0 crop_size: 0 crop_size: 1 crop_size: 1 }"
    text += layer("k", "CropCenter", ["a"], "k", crops) + layer("s", "Eltwise", ["k", "b"], "s")
    return text + up("y", "s", "kernel_size: 4 stride: 2 pad: 3")


def flownet() -> str:
    text = image_input() + relu_conv("a", "data", 16, 5, "stride: 2 pad: 2") + relu_conv("b", "a", 16)
    options = "correlation_param { pad: 4 kernel_size: 1 max_displacement: 4 stride_2: 2 }"
    return text + layer("y", "Correlation", ["a", "b"], "y", options) + relu_conv("z", "y", 16)


def within() -> str:
    """Normalized over neighbouring pixels, as in the nets for CIFAR-10."""
    text, options = image_input(), "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }"
    text += conv("c", "data", 32, 5, 1, 2) + pool("p", "c", "pool: AVE kernel_size: 3 stride: 2")
    return text + layer("n", "LRN", ["p"], "n", options) + conv("d", "n", 32, 5, 1, 2)


NETS = {
    "AlexNet": alexnet,
    "ResNet": lambda: resnet((2, 1, 1, 1)),
    "DenseNet": lambda: densenet((2, 2, 2, 2), 32),
    "SSD": ssd,
    "FCN": fcn,
    "U-Net": unet,
    "DeepLab": deeplab,
    "MobileNet": mobilenet,
    "ShuffleNet": shufflenet,
    "SENet": senet,
    "YOLO": yolo,
    "Inception": inception,
    "factorized": factorized,
    "waifu2x": waifu,
    "FlowNet": flownet,
    "normalized within channels": within,
}
