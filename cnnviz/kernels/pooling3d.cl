// y = maximum, or mean, of x over the window of the output;  dx = sum of dy (or dy / window) over the windows
// that hold the pixel, of MAX those whose maximum it is
// Host: engine/layers/pooling3d.py. Window (l, h, w) starts at frame l * frames_step, row h * step - pad and
// column w * step - pad. Work items: forward one per output, backward one per input. Not in place.

#include "window_range.h"

#ifndef Dtype
#define Dtype float
#endif

#define SIZES const int total, const int length, const int height, const int width, const int out_l, \
              const int out_h, const int out_w, const int frames, const int side, const int frames_step, \
              const int step, const int pad

// Splits the index of an element of a volume of the given sizes.
#define ELEMENT(lengths, heights, widths) \
    const size_t index = get_global_id(0); \
    if (index >= total) return; \
    const int w = (int)index % (widths), h = (int)index / (widths) % (heights); \
    const int l = (int)index / (widths) / (heights) % (lengths); \
    const size_t volume = (int)index / (widths) / (heights) / (lengths);

#define EACH_PIXEL(WORK) \
    const int l0 = l * frames_step, h0 = h * step - pad, w0 = w * step - pad; \
    x += volume * length * height * width; \
    for (int a = l0; a < min(l0 + frames, length); ++a) \
        for (int b = max(h0, 0); b < min(h0 + side, height); ++b) \
            for (int c = max(w0, 0); c < min(w0 + side, width); ++c) { \
                const Dtype value = x[((size_t)a * height + b) * width + c]; \
                WORK \
            }

#define EACH_WINDOW \
    for (int a = first_window(l, frames, frames_step); a < end_of_windows(l, frames_step, out_l); ++a) \
        for (int b = first_window(h + pad, side, step); b < end_of_windows(h + pad, step, out_h); ++b) \
            for (int c = first_window(w + pad, side, step); c < end_of_windows(w + pad, step, out_w); ++c)

#define WINDOW_AT ((((volume * out_l + a) * out_h + b) * out_w) + c)

// What window number n covers of an axis with its padding; 1 where that is nothing.
inline int covered(const int n, const int size, const int window, const int stride, const int pad)
{
    return max(min(window, size + 2 * pad - n * stride), 1);
}

#define AREA(l, h, w) ((Dtype)covered(l, length, frames, frames_step, 0) * covered(h, height, side, step, pad) \
                       * covered(w, width, side, step, pad))

__kernel void max_forward(SIZES, __global const Dtype *x, __global Dtype *y)
{
    ELEMENT(out_l, out_h, out_w)
    Dtype best = -FLT_MAX;
    EACH_PIXEL(if (value > best) best = value;)
    y[index] = best;
}

__kernel void ave_forward(SIZES, __global const Dtype *x, __global Dtype *y)
{
    ELEMENT(out_l, out_h, out_w)
    Dtype sum = 0;
    EACH_PIXEL(sum += value;)
    y[index] = sum / AREA(l, h, w);
}

__kernel void max_backward(SIZES, __global const Dtype *x, __global const Dtype *y, __global const Dtype *dy,
                           __global Dtype *dx)
{
    ELEMENT(length, height, width)
    Dtype sum = 0;
    EACH_WINDOW
        if (y[WINDOW_AT] == x[index]) sum += dy[WINDOW_AT];
    dx[index] = sum;
}

__kernel void ave_backward(SIZES, __global const Dtype *dy, __global Dtype *dx)
{
    ELEMENT(length, height, width)
    Dtype sum = 0;
    EACH_WINDOW
        sum += dy[WINDOW_AT] / AREA(a, b, c);
    dx[index] = sum;
}
