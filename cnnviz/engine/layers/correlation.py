"""Correlation: how well the windows of two images match at each of several displacements."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import MAX_COUNT, Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes, joined
from cnnviz.errors import NetError
from cnnviz.formats.schema import CorrelationParameter, LayerParameter


class Correlation(Layer):
    """y[d, p] = mean over channels and window of a[p + k] b[p + d + k]; the d step over a square

    correlation_param:
        kernel_size: side of the window, odd.
        max_displacement: of d along either axis, in pixels; also, together with half a window, what is
            omitted at the borders.
        pad: zeros around both bottoms; default 0.
        stride_1: pixels from one p to the next; default 1.
        stride_2: pixels from one d to the next; default 1.
        correlation_type: MULTIPLY (default), or SUBTRACT: |a - b| instead of the product.
        single_direction: for Correlation1D; otherwise 0.
        do_abs: accepted; the original reads it and makes no use of it.

    Bottom: a and b (N, C, H, W).
    Top: y (N, D^2, H', W') with D = 2 (max_displacement / stride_2) + 1, d rising from top left in rows, and
        H' = (H + 2 pad - 2 max_displacement - kernel_size + 1) / stride_1, rounded up.
    Raises: NetError if the bottoms differ in shape, kernel_size is even or nothing remains of the top.
    Source: Dosovitskiy et al. 2015, FlowNet. Forward of MULTIPLY checked against Synopsys' fork; the
        gradients are the derivatives (FlowNet2's of SUBTRACT is not), not checked against an original.
    """

    type = "Correlation"
    kind = "convolution"
    num_bottom = (2, 2)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._options = options = param.correlation_param
        if options.kernel_size % 2 == 0:
            raise NetError(f"kernel_size is {options.kernel_size}; give an odd number")
        if not options.HasField("max_displacement"):
            raise NetError("has no max_displacement; give it in correlation_param")
        if not options.stride_1 or not options.stride_2:
            raise NetError("stride_1 and stride_2 must be at least 1")
        if max(options.stride_1, options.stride_2, options.kernel_size) > MAX_COUNT // 4:
            raise NetError(f"stride_1, stride_2 and kernel_size can be {MAX_COUNT // 4} at most")
        self._check_direction(options.single_direction)

    def _check_direction(self, direction: int) -> None:
        if direction:
            raise NetError("single_direction is for Correlation1D; omit it")

    def _columns(self) -> tuple[int, int]:
        """Returns the first displacement along a row, in steps of stride_2, and how many there are."""
        radius = self._options.max_displacement // self._options.stride_2
        return -radius, 2 * radius + 1

    def _rows(self) -> tuple[int, int]:
        """Returns the same along a column."""
        return self._columns()

    def _border(self) -> tuple[int, int]:
        """Returns rows and columns of pad less those omitted for displacements."""
        border = self._options.pad - self._options.max_displacement
        return border, border

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        a, options = bottom[0], self._options
        if len(a) != 4 or bottom[1] != a:
            raise NetError(f"expects two bottoms of one shape (N, C, H, W), not {a} and {bottom[1]}")
        border, reach = self._border(), options.kernel_size - 1
        out_h, out_w = (
            -(-(size + 2 * b - reach) // options.stride_1) for size, b in zip(a[2:], border, strict=True)
        )
        if min(out_h, out_w) < 1:
            raise NetError(
                f"displacements and window leave nothing of a bottom of {a[2]} x {a[3]}; give more pad"
            )
        (first_h, rows), (first_w, columns) = self._rows(), self._columns()
        spans = (*a[2:], options.pad, options.max_displacement, options.kernel_size)
        if sum(spans) > MAX_COUNT // 4:
            raise NetError(f"pad, max_displacement and kernel_size can span {MAX_COUNT // 4} pixels at most")
        step = options.stride_2
        top = (rows * columns, out_h, out_w)
        window = (options.kernel_size, options.stride_1, -border[0], -border[1])
        self._sizes = (*a[1:], *top, *window, columns, first_h * step, step, first_w * step, step)
        return [(a[0], rows * columns, out_h, out_w)]

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        num, displacements, height, width = top[0]
        return num * displacements * height * width * bottom[0][1] * self._options.kernel_size**2

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        """A window of both bottoms, the second one moved by all displacements."""
        both, options = joined(fields), self._options
        if both is None:
            return None
        reach = [_reach(first, count, options.stride_2) for first, count in (self._rows(), self._columns())]
        extent = [options.kernel_size + high - low for low, high in reach]
        pad = [border - low for border, (low, _) in zip(self._border(), reach, strict=True)]
        return both.through_window(extent, [options.stride_1] * 2, pad)

    @property
    def _defines(self) -> tuple[tuple[str, int], ...]:
        subtracts = self._options.correlation_type == CorrelationParameter.SUBTRACT
        return (("SUBTRACT", 1),) if subtracts else ()

    def _run(self, kernel: str, count: int, *args: object) -> None:
        self.device.launch("correlation", kernel, count, count, *self._sizes, *args, defines=self._defines)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        data = (bottom[0].device_data, bottom[1].device_data, top[0].mutable_device_data)
        self._run("correlation_forward", top[0].count, *data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for index, side in ((0, 1), (1, -1)):
            if propagate_down[index]:
                own, other = bottom[index], bottom[1 - index]
                data = (own.device_data, other.device_data, top[0].device_diff, own.mutable_device_diff)
                self._run("correlation_backward", own.count, side, *data)


def _reach(first: int, count: int, step: int) -> tuple[int, int]:
    """Returns the smallest and the largest displacement, 0 included."""
    return min(first * step, 0), max((first + count - 1) * step, 0)


class Correlation1D(Correlation):
    """y[d, p] = mean over channels and window of a[p + k] b[p + d + k]; the d step along rows only

    correlation_param:
        as of Correlation, but pad and max_displacement are of columns only, and
        single_direction: 0 (default), -1 for displacements to the left only, without 0, or 1 for those to the
            right, with 0.

    Bottom: a and b (N, C, H, W).
    Top: y (N, D, H', W') with H' = (H - kernel_size + 1) / stride_1, rounded up; D is max_displacement /
        stride_2 + 1 in a single direction.
    Source: Mayer et al. 2016, DispNet, after the sources of FlowNet2's fork; not checked against its numbers.
    """

    type = "Correlation1D"

    def _check_direction(self, direction: int) -> None:
        if direction not in (-1, 0, 1):
            raise NetError(f"single_direction is {direction}; give -1, 0 or 1")

    def _columns(self) -> tuple[int, int]:
        direction = self._options.single_direction
        first, count = super()._columns()
        if not direction:
            return first, count
        return (first - 1 if direction < 0 else 0), -first + 1

    def _rows(self) -> tuple[int, int]:
        return 0, 1

    def _border(self) -> tuple[int, int]:
        return 0, super()._border()[1]
