// y[n, d, i, j] = sum over c, k, l of f(a[n, c, i s + top + k, j s + left + l], b[.. + row(d), .. + column(d)])
//                 / (kernel^2 channels),  f(a, b) = a b, or |a - b| with SUBTRACT
// Host: engine/layers/correlation.py. Positions beyond the planes hold 0; `top` and `left` are where the first
// window starts, pads taken off. Displacement d is ((d / grid_w) * step_h + first_h, (d % grid_w) * step_w +
// first_w) pixels. Work items: forward one per element of y; backward one per element of the bottom, which
// gathers over all displacements and the windows that hold it. Sizes fit int.

#include "window_range.h"

#ifndef Dtype
#define Dtype float
#endif

#define SIZES const int total, const int channels, const int height, const int width, const int displacements, \
              const int out_h, const int out_w, const int window, const int stride, const int top, \
              const int left, const int grid_w, const int first_h, const int step_h, const int first_w, \
              const int step_w
#define ROW(d) ((d) / grid_w * step_h + first_h)
#define COLUMN(d) ((d) % grid_w * step_w + first_w)

inline Dtype at(__global const Dtype *plane, const int h, const int w, const int height, const int width)
{
    return h >= 0 && h < height && w >= 0 && w < width ? plane[(size_t)h * width + w] : 0;
}

__kernel void correlation_forward(SIZES, __global const Dtype *a, __global const Dtype *b, __global Dtype *y)
{
    const size_t index = get_global_id(0);
    if (index >= total) return;
    const int j = (int)index % out_w, i = (int)index / out_w % out_h;
    const int d = (int)index / out_w / out_h % displacements;
    const size_t plane = (size_t)height * width, item = (int)index / out_w / out_h / displacements;
    const int h = i * stride + top, w = j * stride + left, down = ROW(d), right = COLUMN(d);
    Dtype sum = 0;
    for (int k = 0; k < window; ++k)
        for (int l = 0; l < window; ++l)
            for (int c = 0; c < channels; ++c) {
                const size_t from = (item * channels + c) * plane;
                const Dtype first = at(a + from, h + k, w + l, height, width);
                const Dtype second = at(b + from, h + k + down, w + l + right, height, width);
#ifdef SUBTRACT
                sum += fabs(first - second);
#else
                sum += first * second;
#endif
            }
    y[index] = sum / ((Dtype)window * window * channels);
}

// dx of bottom a (side 1) or b (side -1), `own` its values and `other` those of the other bottom.
__kernel void correlation_backward(SIZES, const int side, __global const Dtype *own, __global const Dtype *other,
                                   __global const Dtype *dy, __global Dtype *dx)
{
    const size_t index = get_global_id(0);
    if (index >= total) return;
    const int w = (int)index % width, h = (int)index / width % height;
    const size_t plane = (size_t)height * width, image = (int)index / width / height;
    const size_t item = image / channels;
    Dtype sum = 0;
    for (int d = 0; d < displacements; ++d) {
        const int down = ROW(d), right = COLUMN(d);
        // The windows lie over bottom a: b's pixel meets them where it is displaced from.
        const int p = (side > 0 ? h : h - down) - top, q = (side > 0 ? w : w - right) - left;
        const int end_i = end_of_windows(p, stride, out_h), end_j = end_of_windows(q, stride, out_w);
        __global const Dtype *part = dy + (item * displacements + d) * out_h * out_w;
        Dtype slopes = 0;
        for (int i = first_window(p, window, stride); i < end_i; ++i)
            for (int j = first_window(q, window, stride); j < end_j; ++j) slopes += part[i * out_w + j];
        const Dtype value = at(other + image * plane, h + side * down, w + side * right, height, width);
#ifdef SUBTRACT
        const Dtype difference = side * (own[index] - value);
        sum += slopes * side * (difference >= 0 ? 1 : -1);
#else
        sum += slopes * value;
#endif
    }
    dx[index] = sum / ((Dtype)window * window * channels);
}
