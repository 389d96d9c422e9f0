// pooling.cl for CPUs: one work item per plane, which stays in the cache. Forward takes 16 neighbouring
// outputs at a time, one pixel of their windows after the other; backward scatters each dy inside its own
// plane, in the order of the outputs: results repeat. Host: engine/ops/pooling.py. Same windows, ties and
// results as in pooling.cl.

#include "pooling.h"

#define PLANE_ITEM \
    const size_t plane = get_global_id(0); \
    const size_t in = plane * height * width, out = plane * pooled_h * pooled_w;

#define JOIN(a, b) a##b
#define VECTOR(type) JOIN(type, 16)
#define Dtype16 VECTOR(Dtype)

// For each 16 outputs from pw0 on in row ph: START, then for each pixel of their windows, in row order, TAKE
// with `value`, the 16 pixels, and `at`, the position of the first; then END. Lanes after the row's end
// compute with what lies there, and `missing` stands for pixels outside of the row. Where a vector would reach
// beyond the buffer, or the stride is above 2, pixels are fetched one by one.
#define FOR_WINDOWS(START, TAKE, END, missing) \
    const long size = get_global_size(0) * height * width; \
    const Dtype16 columns = (Dtype16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) * stride_w; \
    for (int ph = 0; ph < pooled_h; ++ph) \
        for (int pw0 = 0; pw0 < pooled_w; pw0 += 16) { \
            const int lanes = min(16, pooled_w - pw0), h0 = ph * stride_h - pad_h; \
            START \
            for (int h = max(h0, 0); h < min(h0 + kernel_h, height); ++h) \
                for (int j = 0; j < kernel_w; ++j) { \
                    const int w = pw0 * stride_w - pad_w + j, at = h * width + w; \
                    const long from = (long)in + at; \
                    Dtype16 value; \
                    if (stride_w <= 2 && from >= 0 && from + 16 * stride_w <= size) { \
                        if (stride_w == 1) value = vload16(0, x + from); \
                        else value = (Dtype16)(vload16(0, x + from).even, vload16(0, x + from + 16).even); \
                        if (w < 0 || w + (lanes - 1) * stride_w >= width) \
                            value = select((Dtype16)(missing), value, \
                                           columns >= -(Dtype)w && columns < (Dtype)(width - w)); \
                    } else { \
                        Dtype pixels[16]; \
                        for (int k = 0; k < 16; ++k) { \
                            const int column = w + k * stride_w; \
                            pixels[k] = k < lanes && column >= 0 && column < width \
                                ? x[in + h * width + column] : (missing); \
                        } \
                        value = vload16(0, pixels); \
                    } \
                    TAKE \
                } \
            __global Dtype *target = y + out + ph * pooled_w + pw0; \
            END \
        }

// Writes the lanes that are outputs. Those after them may run over into the next row, which is written later.
#define STORE(vector, type, to) \
    if (ph * pooled_w + pw0 + 16 <= pooled_h * pooled_w) vstore16(vector, 0, to); \
    else { \
        type parts[16]; \
        vstore16(vector, 0, parts); \
        for (int k = 0; k < lanes; ++k) (to)[k] = parts[k]; \
    }

__kernel void max_forward(WINDOW, __global const Dtype *x, __global Dtype *y, __global int *index)
{
    PLANE_ITEM
    const int16 steps = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) * stride_w;
    FOR_WINDOWS(
        Dtype16 best = -FLT_MAX;
        int16 winner = -1;,
        const int16 wins = convert_int16(value > best);
        winner = select(winner, at + steps, wins);
        best = select(best, value, value > best);,
        STORE(best, Dtype, target)
        STORE(winner, int, index + out + ph * pooled_w + pw0),
        -FLT_MAX)
}

__kernel void ave_forward(WINDOW, __global const Dtype *x, __global Dtype *y, const int padding_counts)
{
    PLANE_ITEM
    FOR_WINDOWS(
        Dtype16 sum = 0;,
        sum += value;,
        STORE(sum, Dtype, target)
        for (int k = 0; k < lanes; ++k) target[k] /= area(ph, pw0 + k, SIZES, padding_counts);,
        0)
}

__kernel void index_backward(WINDOW, __global const int *restrict index, __global const Dtype *restrict dy,
                             __global Dtype *restrict dx, const int add)
{
    PLANE_ITEM
    if (!add)
        for (int i = 0; i < height * width; ++i) dx[in + i] = 0;
    for (int i = 0; i < pooled_h * pooled_w; ++i)
        if (index[out + i] >= 0) dx[in + index[out + i]] += dy[out + i];
}

__kernel void ave_backward(WINDOW, __global const Dtype *restrict dy, __global Dtype *restrict dx,
                           const int padding_counts, const int add)
{
    PLANE_ITEM
    if (!add)
        for (int i = 0; i < height * width; ++i) dx[in + i] = 0;
    for (int ph = 0; ph < pooled_h; ++ph) {
        const int h0 = ph * stride_h - pad_h;
        for (int pw = 0; pw < pooled_w; ++pw) {
            const Dtype part = dy[out + ph * pooled_w + pw] / area(ph, pw, SIZES, padding_counts);
            const int w0 = pw * stride_w - pad_w;
            for (int h = max(h0, 0); h < min(h0 + kernel_h, height); ++h)
                for (int w = max(w0, 0); w < min(w0 + kernel_w, width); ++w) dx[in + h * width + w] += part;
        }
    }
}
