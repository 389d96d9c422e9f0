// A blob seen as (outer, dim, inner): sums over all but the middle axis ("channel" c), and maps with one
// set of constants per channel.
//   channel_moments:  mean[c] = E x,  variance[c] = E (x - mean[c])^2
//   channel_sums:     sums[c] = keep sums[c] + scale sum TERM, with TERM of a, b one of those below
//   channel_affine:   y = (x - shift[c]) factor[c] + bias[c], each of the three if HAS_... is defined
//   channel_leak:     y = a where x > 0, else a slope[c]
//   channel_normalize_backward:  dx = inverse[c] (dy - sum_dy[c] / m - (x - mean[c]) inverse[c] sum_dyx[c] / m)
// Host: engine/ops/channels.py.
// Sums: one work group of LOCAL items per channel, neighbours read neighbouring elements, partial sums are
// joined in a fixed order. With BY_COLUMN (inner is 1) one work item per channel instead, so that
// neighbours again read neighbouring elements. Maps: one work item (column, row) per element of the rows
// of length inner, or with BY_COLUMN of the rows of length dim; groups may reach beyond. Maps work in
// place: y may be x, dx may be dy.

#ifndef Dtype
#define Dtype float
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
#define PRODUCT_BELOW_ZERO(a, b) ((b) <= 0 ? (a) * (b) : 0)

#ifdef BY_COLUMN
#define FOR_CHANNEL \
    const int c = get_global_id(0), item = 0; \
    if (c >= dim) return;
#define EACH(i) for (int i = c; i < outer * dim; i += dim)
#define JOIN(sum) (sum)
#else
#define FOR_CHANNEL \
    __local Dtype partial[LOCAL]; \
    const int c = get_group_id(0), item = get_local_id(0);
#define EACH(i) \
    for (int start = c * inner; start < outer * dim * inner; start += dim * inner) \
        for (int i = start + item; i < start + inner; i += LOCAL)
#define JOIN(sum) join(sum, partial)

Dtype join(const Dtype mine, __local Dtype *partial)
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

__kernel void channel_moments(const int outer, const int dim, const int inner, __global const Dtype *x,
                              __global Dtype *mean, __global Dtype *variance)
{
    FOR_CHANNEL
    const Dtype m = (Dtype)outer * inner;
    Dtype sum = 0;
    EACH(i) sum += x[i];
    const Dtype center = JOIN(sum) / m;
    sum = 0;
    EACH(i) sum += (x[i] - center) * (x[i] - center);
    const Dtype spread = JOIN(sum) / m;
    if (item == 0) {
        mean[c] = center;
        variance[c] = spread;
    }
}

__kernel void channel_sums(const int outer, const int dim, const int inner, __global const Dtype *a,
                           __global const Dtype *b, const Dtype scale, const int keep, __global Dtype *sums)
{
    FOR_CHANNEL
    Dtype sum = 0;
    EACH(i) sum += TERM(a[i], b[i]);
    const Dtype total = JOIN(sum);
    if (item == 0) sums[c] = (keep ? sums[c] : 0) + scale * total;
}

__kernel void channel_normalized_sums(const int outer, const int dim, const int inner,
                                      __global const Dtype *x, __global const Dtype *mean,
                                      __global const Dtype *inverse, __global const Dtype *dy,
                                      __global Dtype *sum_dy, __global Dtype *sum_dyx)
{
    FOR_CHANNEL
    const Dtype center = mean[c];
    Dtype sum = 0, sum_x = 0;
    EACH(i)
    {
        sum += dy[i];
        sum_x += dy[i] * (x[i] - center);
    }
    const Dtype total = JOIN(sum);
    const Dtype total_x = JOIN(sum_x) * inverse[c];
    if (item == 0) {
        sum_dy[c] = total;
        sum_dyx[c] = total_x;
    }
}

#ifdef BY_COLUMN
#define FOR_ELEMENT \
    const size_t c = get_global_id(0), row = get_global_id(1); \
    if (c >= dim || row >= outer) return; \
    const size_t i = row * dim + c;
#else
#define FOR_ELEMENT \
    const size_t column = get_global_id(0), row = get_global_id(1); \
    if (column >= inner || row >= outer * dim) return; \
    const size_t i = row * inner + column, c = row % dim;
#endif

__kernel void channel_affine(const int outer, const int dim, const int inner, __global const Dtype *x,
                             __global const Dtype *shift, __global const Dtype *factor,
                             __global const Dtype *bias, __global Dtype *y)
{
    FOR_ELEMENT
    Dtype value = x[i];
#ifdef HAS_SHIFT
    value -= shift[c];
#endif
#ifdef HAS_FACTOR
    value *= factor[c];
#endif
#ifdef HAS_BIAS
    value += bias[c];
#endif
    y[i] = value;
}

__kernel void channel_leak(const int outer, const int dim, const int inner, __global const Dtype *a,
                           __global const Dtype *x, __global const Dtype *slope, __global Dtype *y)
{
    FOR_ELEMENT
    y[i] = x[i] > 0 ? a[i] : slope[c] * a[i];
}

__kernel void channel_normalize_backward(const int outer, const int dim, const int inner,
                                         __global const Dtype *x, __global const Dtype *mean,
                                         __global const Dtype *inverse, __global const Dtype *sum_dy,
                                         __global const Dtype *sum_dyx, __global const Dtype *dy,
                                         __global Dtype *dx)
{
    FOR_ELEMENT
    const Dtype m = (Dtype)outer * inner;
    const Dtype normal = (x[i] - mean[c]) * inverse[c];
    dx[i] = inverse[c] * (dy[i] - sum_dy[c] / m - normal * sum_dyx[c] / m);
}
