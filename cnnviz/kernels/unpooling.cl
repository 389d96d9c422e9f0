// By mask:    y[plane, mask[plane, i]] = x[plane, i], 0 elsewhere;  dx[plane, i] = dy[plane, mask[plane, i]]
// By windows: y[plane, h, w] = sum of the x whose windows hold (h, w), each divided by its window's size in the
//             plane if `averages`;  dx = sum of dy over the window, divided likewise
// Host: engine/layers/_by_mask.py, unpooling.py. Work items: unpooling_forward one per plane, which writes in
// the order of the inputs: where several have one place, the last stays; the others one per element that they
// write. A mask outside of the plane (-1: no maximum) is passed over. Not in place.

#include "window_range.h"

#ifndef Dtype
#define Dtype float
#endif

// Masks of planes lie mask_step elements apart: `count`, or 0 where one serves all planes.
__kernel void unpooling_forward(const int planes, const int count, const int mask_step, const int out_count,
                                __global const Dtype *x, __global const Dtype *mask, __global Dtype *y)
{
    const size_t plane = get_global_id(0);
    if (plane >= planes) return;
    const size_t in = plane * count, out = plane * out_count;
    mask += plane * mask_step;
    for (int i = 0; i < out_count; ++i) y[out + i] = 0;
    for (int i = 0; i < count; ++i)
        if (mask[i] >= 0 && mask[i] < out_count) y[out + (int)mask[i]] = x[in + i];
}

__kernel void unpooling_backward(const int total, const int count, const int mask_step, const int out_count,
                                 __global const Dtype *mask, __global const Dtype *dy, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i >= total) return;
    const int plane = (int)i / count;
    const Dtype place = mask[(size_t)plane * mask_step + (int)i % count];
    dx[i] = place >= 0 && place < out_count ? dy[(size_t)plane * out_count + (int)place] : 0;
}

#define WINDOWS const int height, const int width, const int in_h, const int in_w, const int kernel_h, \
                const int kernel_w, const int stride_h, const int stride_w, const int averages

// Splits the index of an element into (plane, row, column).
#define ELEMENT(rows, columns) \
    const size_t i = get_global_id(0); \
    if (i >= total) return; \
    const int column = (int)i % (columns), row = (int)i / (columns) % (rows); \
    const size_t plane = (int)i / (columns) / (rows);

// What of the window that starts at `from` lies in the plane.
inline int part(const int from, const int window, const int size)
{
    return min(window, size - from);
}

__kernel void windows_forward(const int total, WINDOWS, __global const Dtype *x, __global Dtype *y)
{
    ELEMENT(height, width)
    x += plane * in_h * in_w;
    const int end_h = end_of_windows(row, stride_h, in_h), end_w = end_of_windows(column, stride_w, in_w);
    Dtype sum = 0;
    for (int h = first_window(row, kernel_h, stride_h); h < end_h; ++h)
        for (int w = first_window(column, kernel_w, stride_w); w < end_w; ++w)
            sum += averages ? x[h * in_w + w] / ((Dtype)part(h * stride_h, kernel_h, height)
                                                 * part(w * stride_w, kernel_w, width))
                            : x[h * in_w + w];
    y[i] = sum;
}

__kernel void windows_backward(const int total, WINDOWS, __global const Dtype *dy, __global Dtype *dx)
{
    ELEMENT(in_h, in_w)
    // A window that lies beyond the plane takes nothing; beyond int, its start must not be computed.
    const long from_h = (long)row * stride_h, from_w = (long)column * stride_w;
    Dtype sum = 0;
    if (from_h < height && from_w < width) {
        const int h = from_h, w = from_w;
        const int rows = part(h, kernel_h, height), columns = part(w, kernel_w, width);
        dy += (plane * height + h) * width + w;
        for (int k = 0; k < rows; ++k)
            for (int j = 0; j < columns; ++j) sum += dy[(size_t)k * width + j];
        if (averages) sum /= (Dtype)rows * columns;
    }
    dx[i] = sum;
}
