// A blob seen as (outer, dim, inner): sums over all but the middle axis ("channel" c), and maps with one
// set of constants per channel.
//   channel_moments:  mean[c] = E x,  variance[c] = E (x - mean[c])^2
//   channel_sums:     sums[c] = keep sums[c] + scale sum TERM, with TERM of a, b one of those below
//   channel_normalized_sums:  sum_dy[c] = sum dy,  sum_dyx[c] = sum dy (x - mean[c]) inverse[c]
//   channel_affine:   y = (x - shift[c]) factor[c] + bias[c], each of the three if HAS_... is defined
//   channel_leak:     y = a where x > 0, else a slope[c]
//   channel_normalize_backward:  dx = inverse[c] (dy - sum_dy[c] / m - (x - mean[c]) inverse[c] sum_dyx[c] / m)
// Host: engine/ops/channels.py.
// Sums, three ways that each read neighbouring elements together and add in a fixed order: LANES > 1, for
// processors: one work item per channel that adds vectors of LANES; otherwise a work group of LOCAL items per
// channel; BY_COLUMN, for inner = 1: one work item per channel, whose neighbour is the next channel.
// Maps, in three ways too: LANES > 1: each work item takes its share of the rows (o, c), by vectors of LANES;
// otherwise one work item (i, c, o), or with BY_COLUMN (c, o), where groups may reach beyond. Maps work in place:
// y may be x, dx may be dy.

#ifndef Dtype
#define Dtype float
#endif
#ifndef LANES
#define LANES 1
#endif
#ifndef LOCAL
#define LOCAL 16
#endif
#ifndef TERM
#define TERM PLAIN
#endif

#define PLAIN(a, b) (a)
#define ABSOLUTE(a, b) fabs(a)
#define PRODUCT(a, b) ((a) * (b))
#define PRODUCT_BELOW_ZERO(a, b) ((b) <= 0 ? (a) * (b) : 0 * (a))

// ADD_UP(sum, WHAT): sum = the sum over the channel of WHAT(AT), where AT(p) is p's element.
#define ONE(p) p[i]
#if defined(BY_COLUMN)

#define FOR_CHANNEL                                                                            \
    const size_t c = get_global_id(0), item = 0;                                               \
    if (c >= dim) return;
#define ADD_UP(sum, WHAT)                                                                      \
    for (int o = 0; o < outer; o++) {                                                          \
        const size_t i = (size_t)o * dim + c;                                                  \
        sum += WHAT(ONE);                                                                      \
    }

#elif LANES > 1

#define JOIN_NAMES(a, b) a##b
#define NAME(a, b) JOIN_NAMES(a, b)
#define Lanes NAME(Dtype, LANES)
#define MANY(p) NAME(vload, LANES)(0, p + i)
#define FOR_CHANNEL const size_t c = get_global_id(0), item = 0;
#define ADD_UP(sum, WHAT)                                                                      \
    {                                                                                          \
        Lanes many = 0;                                                                        \
        for (int o = 0; o < outer; o++) {                                                      \
            size_t i = ((size_t)o * dim + c) * inner;                                          \
            const size_t end = i + inner;                                                      \
            for (; i + LANES <= end; i += LANES) many += WHAT(MANY);                           \
            for (; i < end; i++) sum += WHAT(ONE);                                             \
        }                                                                                      \
        Dtype parts[LANES];                                                                    \
        NAME(vstore, LANES)(many, 0, parts);                                                   \
        for (int lane = 0; lane < LANES; lane++) sum += parts[lane];                           \
    }

#else

#define GROUP __attribute__((reqd_work_group_size(LOCAL, 1, 1)))
#define FOR_CHANNEL                                                                            \
    __local Dtype partial[LOCAL];                                                              \
    const size_t c = get_group_id(0), item = get_local_id(0);
#define ADD_UP(sum, WHAT)                                                                      \
    {                                                                                          \
        for (int o = 0; o < outer; o++) {                                                      \
            const size_t start = ((size_t)o * dim + c) * inner;                                \
            for (size_t i = start + item; i < start + inner; i += LOCAL) sum += WHAT(ONE);     \
        }                                                                                      \
        sum = joined(sum, partial);                                                            \
    }

Dtype joined(const Dtype mine, __local Dtype *partial)
{
    const int item = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    partial[item] = mine;
    for (int reach = LOCAL / 2; reach > 0; reach /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < reach) partial[item] += partial[item + reach];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return partial[0];
}

#endif

#ifndef GROUP
#define GROUP
#endif
#define VALUE(AT) AT(x)
#define SQUARE(AT) ((AT(x) - center) * (AT(x) - center))

__kernel GROUP void channel_moments(const int outer, const int dim, const int inner, __global const Dtype *x,
                                    __global Dtype *mean, __global Dtype *variance)
{
    FOR_CHANNEL
    const Dtype m = (Dtype)outer * inner;
    Dtype sum = 0, squares = 0;
    ADD_UP(sum, VALUE)
    const Dtype center = sum / m;
    ADD_UP(squares, SQUARE)
    if (item == 0) {
        mean[c] = center;
        variance[c] = squares / m;
    }
}

#define TERM_OF(AT) TERM(AT(a), AT(b))

__kernel GROUP void channel_sums(const int outer, const int dim, const int inner, __global const Dtype *a,
                                 __global const Dtype *b, const Dtype scale, const int keep, __global Dtype *sums)
{
    FOR_CHANNEL
    Dtype sum = 0;
    ADD_UP(sum, TERM_OF)
    if (item == 0) sums[c] = (keep ? sums[c] : 0) + scale * sum;
}

#define SLOPE(AT) AT(dy)
#define SLOPE_TIMES_X(AT) (AT(dy) * (AT(x) - center))

__kernel GROUP void channel_normalized_sums(const int outer, const int dim, const int inner,
                                            __global const Dtype *x, __global const Dtype *mean,
                                            __global const Dtype *inverse, __global const Dtype *dy,
                                            __global Dtype *sum_dy, __global Dtype *sum_dyx)
{
    FOR_CHANNEL
    const Dtype center = mean[c];
    Dtype sum = 0, sum_x = 0;
    ADD_UP(sum, SLOPE)
    ADD_UP(sum_x, SLOPE_TIMES_X)
    if (item == 0) {
        sum_dy[c] = sum;
        sum_dyx[c] = sum_x * inverse[c];
    }
}

// MAP(y, WHAT): y = WHAT(AT) for each element, where AT(p) is p's element and c the channel.
#if defined(BY_COLUMN)
#define MAP(y, WHAT)                                                                           \
    const size_t c = get_global_id(0), o = get_global_id(1);                                   \
    if (c >= dim || o >= outer) return;                                                        \
    const size_t i = o * dim + c;                                                              \
    ONE(y) = WHAT(ONE);
#elif LANES > 1
#define MAP(y, WHAT)                                                                           \
    const size_t worker = get_global_id(0), workers = get_global_size(0);                      \
    const size_t rows = (size_t)outer * dim, last = rows * (worker + 1) / workers;             \
    for (size_t row = rows * worker / workers; row < last; row++) {                            \
        const size_t c = row % dim, end = (row + 1) * inner;                                   \
        size_t i = row * inner;                                                                \
        for (; i + LANES <= end; i += LANES) NAME(vstore, LANES)(WHAT(MANY), 0, y + i);        \
        for (; i < end; i++) ONE(y) = WHAT(ONE);                                               \
    }
#else
#define MAP(y, WHAT)                                                                           \
    const size_t column = get_global_id(0), c = get_global_id(1), o = get_global_id(2);        \
    if (column >= inner || c >= dim) return;                                                   \
    const size_t i = (o * dim + c) * inner + column;                                           \
    ONE(y) = WHAT(ONE);
#endif

#ifdef HAS_SHIFT
#define SHIFTED(AT) (AT(x) - shift[c])
#else
#define SHIFTED(AT) AT(x)
#endif
#ifdef HAS_FACTOR
#define SCALED(AT) (SHIFTED(AT) * factor[c])
#else
#define SCALED(AT) SHIFTED(AT)
#endif
#ifdef HAS_BIAS
#define AFFINE(AT) (SCALED(AT) + bias[c])
#else
#define AFFINE(AT) SCALED(AT)
#endif

__kernel void channel_affine(const int outer, const int dim, const int inner, __global const Dtype *x,
                             __global const Dtype *shift, __global const Dtype *factor,
                             __global const Dtype *bias, __global Dtype *y)
{
    MAP(y, AFFINE)
}

#define LEAK(AT) (AT(x) > 0 ? AT(a) : slope[c] * AT(a))

__kernel void channel_leak(const int outer, const int dim, const int inner, __global const Dtype *a,
                           __global const Dtype *x, __global const Dtype *slope, __global Dtype *y)
{
    MAP(y, LEAK)
}

#define NORMAL(AT) ((AT(x) - mean[c]) * inverse[c])
#define NORMALIZE_BACKWARD(AT) (inverse[c] * (AT(dy) - sum_dy[c] / m - NORMAL(AT) * (sum_dyx[c] / m)))

__kernel void channel_normalize_backward(const int outer, const int dim, const int inner,
                                         __global const Dtype *x, __global const Dtype *mean,
                                         __global const Dtype *inverse, __global const Dtype *sum_dy,
                                         __global const Dtype *sum_dyx, __global const Dtype *dy,
                                         __global Dtype *dx)
{
    const Dtype m = (Dtype)outer * inner;
    MAP(dx, NORMALIZE_BACKWARD)
}
