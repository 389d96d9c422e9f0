// Sums of rows: y[r] = scale sum over i of f(x[r, i]), f = identity, |x|, x^2 or x z.
// Host: engine/ops/sums.py, which calls it with ever shorter rows until one number is left.
// Work items: one per (chunk of CHUNK neighbours, row). A chunk is always summed in the same order, so
// results repeat, and LANES running sums keep the rounding error small. In place: no.

#include "register_tile.h"

#ifndef CHUNK
#define CHUNK 2048
#endif

#define ABSOLUTE 1
#define SQUARE 2
#define PRODUCT 3

inline Vector term(const int what, const Vector x, const Vector z)
{
    return what == SQUARE ? x * x : what == PRODUCT ? x * z : what == ABSOLUTE ? fabs(x) : x;
}

__kernel void sum_chunks(const int chunks, const int rows, const int count, const int what, const Dtype scale,
                         __global const Dtype *restrict x, __global const Dtype *restrict z,
                         __global Dtype *restrict y, const int y_start)
{
    const int chunk = get_global_id(0), row = get_global_id(1);
    if (chunk >= chunks || row >= rows) return;
    const size_t begin = (size_t)row * count + (size_t)chunk * CHUNK;
    const int size = min(CHUNK, count - chunk * CHUNK);
    x += begin;
    z += begin;
    Vector sum = 0;
    int i = 0;
    for (; i + LANES <= size; i += LANES)
        sum += term(what, load(0, x + i), what == PRODUCT ? load(0, z + i) : (Vector)0);
    if (i < size)
        sum += term(what, load_some(x + i, size - i), what == PRODUCT ? load_some(z + i, size - i) : (Vector)0);
    y[y_start + row * chunks + chunk] = scale * sum_lanes(sum);
}
