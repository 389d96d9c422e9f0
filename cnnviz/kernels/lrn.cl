// scale = k + rate sum of x^2 over the window;  y = x scale^-beta
// dx = dy scale^-beta - 2 rate beta x sum over the window of dy y / scale
// Host: engine/layers/lrn.py. The window is a line of 2 radius + 1 elements, clipped at the ends: of
// channels, or, for a square of pixels, of columns made of sums over rows (lrn_row_sums). A blob is seen as
// (outer, dim, inner) with the line along dim. With LANES > 1, for processors, each work item takes its share
// of the rows (outer, dim), by vectors of LANES; otherwise one work item per element as (inner, dim, outer). In
// place: not; the host keeps a copy of x.

#ifndef Dtype
#define Dtype float
#endif

#ifndef LANES
#define LANES 1
#endif

#define SHAPE const int outer, const int dim, const int inner, const int radius

// EACH(STEPS): the steps for each element `at`, of row d: STEPS(Value, load, store) with Value one number or
// LANES neighbours.
#if LANES > 1
#define JOIN_NAMES(a, b) a##b
#define NAME(a, b) JOIN_NAMES(a, b)
#define LOAD_MANY(from) NAME(vload, LANES)(0, from)
#define STORE_MANY(value, to) NAME(vstore, LANES)(value, 0, to)
#define EACH(STEPS)                                                                            \
    const size_t worker = get_global_id(0), workers = get_global_size(0);                      \
    const size_t rows = (size_t)outer * dim, last = rows * (worker + 1) / workers;             \
    for (size_t row = rows * worker / workers; row < last; row++) {                            \
        const int d = row % dim;                                                               \
        const size_t end = (row + 1) * inner;                                                  \
        size_t at = row * inner;                                                               \
        for (; at + LANES <= end; at += LANES) STEPS(NAME(Dtype, LANES), LOAD_MANY, STORE_MANY) \
        for (; at < end; at++) STEPS(Dtype, LOAD_ONE, STORE_ONE)                               \
    }
#else
#define EACH(STEPS)                                                                            \
    const size_t i = get_global_id(0);                                                         \
    const int d = get_global_id(1);                                                            \
    if (i >= inner || d >= dim) return;                                                        \
    const size_t at = ((size_t)get_global_id(2) * dim + d) * inner + i;                        \
    STEPS(Dtype, LOAD_ONE, STORE_ONE)
#endif
#define LOAD_ONE(from) *(from)
#define STORE_ONE(value, to) *(to) = value

#define EACH_IN_WINDOW                                                                         \
    for (int k = max(d - radius, 0); k <= min(d + radius, dim - 1); ++k)
#define NEIGHBOUR (at + (long)(k - d) * inner)

// scale^-beta; the usual beta needs no logarithm.
#define SHRINK(Value, scale)                                                                   \
    (beta == (Dtype)0.75 ? 1 / (sqrt(scale) * sqrt(sqrt(scale))) : pow(scale, (Value)(-beta)))

// Sums over windows along rows, of x or of its squares. One work item per element as (column, row).
__kernel void lrn_row_sums(const int rows, const int width, const int radius, const int squared,
                           __global const Dtype *x, __global Dtype *sums)
{
    const size_t w = get_global_id(0), row = get_global_id(1);
    if (w >= width || row >= rows) return;
    x += row * width;
    Dtype sum = 0;
    // The same steps for all work items, so that neighbours run in the lanes of a vector.
    for (int k = (int)w - radius; k <= (int)w + radius; ++k) {
        const Dtype value = x[clamp(k, 0, width - 1)];
        sum += k < 0 || k >= width ? 0 : squared ? value * value : value;
    }
    sums[row * width + w] = sum;
}

// source: x, which is squared, or sums of squares over rows.
#define FORWARD(Value, load, store)                                                            \
    {                                                                                          \
        Value sum = 0;                                                                         \
        EACH_IN_WINDOW {                                                                       \
            const Value value = load(source + NEIGHBOUR);                                      \
            sum += squared ? value * value : value;                                            \
        }                                                                                      \
        const Value whole = k_start + rate * sum;                                              \
        store(whole, scale + at);                                                              \
        store(load(x + at) * SHRINK(Value, whole), y + at);                                    \
    }

__kernel void lrn_forward(SHAPE, const Dtype k_start, const Dtype rate, const Dtype beta,
                          const int squared, __global const Dtype *source, __global const Dtype *x,
                          __global Dtype *scale, __global Dtype *y)
{
    EACH(FORWARD)
}

// ratio = dy y / scale, for the window's sum of lrn_backward.
__kernel void lrn_ratio(const int count, const Dtype beta, __global const Dtype *x,
                        __global const Dtype *scale, __global const Dtype *dy, __global Dtype *ratio)
{
    const size_t i = get_global_id(0);
    if (i < count) ratio[i] = dy[i] * x[i] * SHRINK(Dtype, scale[i]) / scale[i];
}

// ratio: of lrn_ratio, or its sums over rows.
#define BACKWARD(Value, load, store)                                                           \
    {                                                                                          \
        Value sum = 0;                                                                         \
        EACH_IN_WINDOW sum += load(ratio + NEIGHBOUR);                                         \
        const Value whole = load(scale + at);                                                  \
        store(load(dy + at) * SHRINK(Value, whole) - 2 * rate * beta * load(x + at) * sum, dx + at); \
    }

__kernel void lrn_backward(SHAPE, const Dtype rate, const Dtype beta, __global const Dtype *x,
                           __global const Dtype *scale, __global const Dtype *ratio, __global const Dtype *dy,
                           __global Dtype *dx)
{
    EACH(BACKWARD)
}
