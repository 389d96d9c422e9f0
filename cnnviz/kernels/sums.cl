// Sums of rows: y[r] = scale sum over i of f(x[r, i]), f = identity, |x|, x^2 or x z.
// Host: engine/ops/reduction.py, which calls it with ever shorter rows until one number is left.
// Work items: one per (chunk of CHUNK neighbours, row). A chunk is always summed in the same order, so
// results repeat, and 16 running sums keep the rounding error small. In place: no.

#ifndef Dtype
#define Dtype float
#endif
#ifndef CHUNK
#define CHUNK 2048
#endif

#define ABSOLUTE 1
#define SQUARE 2
#define PRODUCT 3

inline Dtype term(const int what, const Dtype x, const Dtype z)
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
    Dtype sums[16];
    for (int k = 0; k < 16; ++k) sums[k] = 0;
    int i = 0;
    for (; i + 16 <= size; i += 16)
        for (int k = 0; k < 16; ++k)
            sums[k] += term(what, x[begin + i + k], what == PRODUCT ? z[begin + i + k] : 0);
    for (; i < size; ++i) sums[i % 16] += term(what, x[begin + i], what == PRODUCT ? z[begin + i] : 0);
    for (int step = 8; step > 0; step /= 2)
        for (int k = 0; k < step; ++k) sums[k] += sums[k + step];
    y[y_start + row * chunks + chunk] = scale * sums[0];
}
