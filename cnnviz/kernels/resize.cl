// y[i, j] = mix over the rows low_h[i], low_h[i] + 1 and the columns low_w[j], low_w[j] + 1 of x, with the
// weights 1 - part and part of each axis: bilinear, or nearest where every part is 0.
// Host: engine/ops/resize.py, which makes the tables. Work items: forward one per output, backward one per
// input, as (column, row, plane); with CHANNELS_LAST a column has `inner` neighbours, its channels. Backward
// gathers over the outputs [from, to) that may read its row and column, so results repeat. Not in place.

#ifndef Dtype
#define Dtype float
#endif

#define TABLES __global const int *low_h, __global const Dtype *part_h, __global const int *low_w, \
               __global const Dtype *part_w
#define SIZES const int height, const int width, const int out_h, const int out_w, const int inner
#ifdef CHANNELS_LAST
#define INNER inner
#define COLUMN(name) const int name = get_global_id(0) / inner, c = get_global_id(0) % inner;
#else
#define INNER 1
#define COLUMN(name) const int name = get_global_id(0), c = 0;
#endif
#define AT(row, column, columns) (((row) * (columns) + (column)) * INNER + c)

__kernel void resize_forward(SIZES, TABLES, __global const Dtype *x, __global Dtype *y)
{
    COLUMN(j)
    const int i = get_global_id(1), plane = get_global_id(2);
    if (j >= out_w || i >= out_h) return;
    const int h0 = low_h[i], h1 = min(h0 + 1, height - 1), w0 = low_w[j], w1 = min(w0 + 1, width - 1);
    const Dtype h = part_h[i], w = part_w[j];
    x += (size_t)plane * height * width * INNER;
    // A part of 0 must not let a NaN beside it in.
    Dtype above = x[AT(h0, w0, width)], below = x[AT(h1, w0, width)];
    if (w > 0) {
        above = (1 - w) * above + w * x[AT(h0, w1, width)];
        below = (1 - w) * below + w * x[AT(h1, w1, width)];
    }
    y[(size_t)plane * out_h * out_w * INNER + AT(i, j, out_w)] = h > 0 ? (1 - h) * above + h * below : above;
}

// How much the output with the given low and part reads of position k; the last one has no neighbour.
inline Dtype share(const int low, const Dtype part, const int k, const int size)
{
    return (low == k ? 1 - part : 0) + (min(low + 1, size - 1) == k ? part : 0);
}

__kernel void resize_backward(SIZES, TABLES, __global const int *from_h, __global const int *to_h,
                              __global const int *from_w, __global const int *to_w,
                              __global const Dtype *dy, __global Dtype *dx)
{
    COLUMN(w)
    const int h = get_global_id(1), plane = get_global_id(2);
    if (w >= width || h >= height) return;
    dy += (size_t)plane * out_h * out_w * INNER;
    Dtype sum = 0;
    for (int i = from_h[h]; i < to_h[h]; ++i) {
        const Dtype row = share(low_h[i], part_h[i], h, height);
        for (int j = from_w[w]; j < to_w[w]; ++j)
            sum += row * share(low_w[j], part_w[j], w, width) * dy[AT(i, j, out_w)];
    }
    dx[(size_t)plane * height * width * INNER + AT(h, w, width)] = sum;
}
