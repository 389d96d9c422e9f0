// d = a - b, 0 where that is NaN (b is 0 where it is null)
// loss = 1/D sum over places of the sum over c of |d|; -DPER_LOCATION: of sqrt(factor sum of d^2 + epsilon)
// Below the plateau |d|, or the square root without epsilon, is 0. Host: engine/layers/l1_loss.py. One work
// item per (i, n). totals: the sum of the losses, and the number of d that are not NaN. da or db may be null.

#include "items.h"

#ifndef Dtype
#define Dtype float
#endif

#define ARGS const int outer, const int channels, const int inner, const Dtype epsilon, const Dtype plateau, \
             const Dtype factor, __global const Dtype *a, __global const Dtype *b

// NaN where it is not known.
Dtype difference(__global const Dtype *a, __global const Dtype *b, const size_t at)
{
    return b ? a[at] - b[at] : a[at];
}

Dtype length(const size_t at, const int channels, const int inner, const Dtype plateau, const Dtype factor,
             __global const Dtype *a, __global const Dtype *b)
{
    Dtype sum = 0;
    for (int c = 0; c < channels; ++c) {
        const Dtype d = difference(a, b, C(c));
        sum += isnan(d) ? 0 : factor * d * d;
    }
    return sum < plateau * plateau ? 0 : sum;
}

__kernel void l1_forward(ARGS, __global Dtype *losses)
{
    ITEM(channels)
    Dtype loss = 0, known = 0;
    for (int c = 0; c < channels; ++c) {
        const Dtype d = fabs(difference(a, b, C(c)));
        loss += isnan(d) || d < plateau ? 0 : d;
        known += !isnan(d);
    }
#ifdef PER_LOCATION
    loss = sqrt(length(at, channels, inner, plateau, factor, a, b) + epsilon);
#endif
    losses[item] = loss;
    losses[outer * inner + item] = known;
}

// One work item. D is fixed, or where that is 0 the number of d that are not NaN, by channels.
__kernel void l1_mean(const Dtype fixed, const int channels, __global const Dtype *totals,
                      __global Dtype *divisor, __global Dtype *top)
{
    if (get_global_id(0) > 0) return;
    divisor[0] = fixed > 0 ? fixed : totals[1] / channels;
    top[0] = divisor[0] > 0 ? totals[0] / divisor[0] : 0;
}

__kernel void l1_backward(ARGS, __global const Dtype *divisor, __global const Dtype *dloss,
                          __global Dtype *da, __global Dtype *db)
{
    ITEM(channels)
    Dtype scale = divisor[0] > 0 ? dloss[0] / divisor[0] : 0;
#ifdef PER_LOCATION
    const Dtype sum = length(at, channels, inner, plateau, factor, a, b);
    scale *= sum > 0 ? factor / sqrt(sum + epsilon) : 0;
#endif
    for (int c = 0; c < channels; ++c) {
        const Dtype d = difference(a, b, C(c));
#ifdef PER_LOCATION
        const Dtype slope = d;
#else
        const Dtype slope = fabs(d) < plateau ? 0 : d > 0 ? 1 : -1;
#endif
        const Dtype gradient = isnan(d) ? 0 : scale * slope;
        if (da) da[C(c)] = gradient;
        if (db) db[C(c)] = -gradient;
    }
}
