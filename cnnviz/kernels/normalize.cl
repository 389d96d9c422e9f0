// y[n, c, i] = scale[c] x[n, c, i] / norm;  norm = sqrt(eps + sum of x^2), over the channels for each (n, i),
// or over the whole item n; -DABSOLUTE: norm = eps + sum of |x|
// dx = (g - x (sum of x g) / norm^2) / norm with g = scale dy;  dscale[c] += sum over n, i of dy x / norm
// -DABSOLUTE: dx = (g - sign(x) (sum of x g) / norm) / norm
// Host: engine/layers/normalize.py. `norms` is the number of norms per item: inner or 1; `shared`: one scale;
// scale may be null: 1. `squares` holds eps + the sums; dnorm may be null.
// In place: not; the host keeps a copy of x.

#include "items.h"

#ifndef Dtype
#define Dtype float
#endif

#ifdef ABSOLUTE
#define NORM(sum) (sum)
#define NORM_SLOPE(x, norm) sign(x)
#else
#define NORM(sum) sqrt(sum)
#define NORM_SLOPE(x, norm) ((x) / (norm))
#endif

// sums[n, i] = eps + sum over c of x g scale. One work item per (i, n).
__kernel void normalize_sums(const int outer, const int channels, const int inner, const int shared,
                             const Dtype eps, __global const Dtype *x, __global const Dtype *g,
                             __global const Dtype *scale, __global Dtype *sums)
{
    ITEM(channels)
    Dtype sum = eps;
    for (int c = 0; c < channels; ++c) sum += x[C(c)] * g[C(c)] * (scale ? scale[shared ? 0 : c] : 1);
    sums[item] = sum;
}

// sums[n, i] = eps + sum over c of |x|. One work item per (i, n).
__kernel void normalize_absolutes(const int outer, const int channels, const int inner, const Dtype eps,
                                  __global const Dtype *x, __global Dtype *sums)
{
    ITEM(channels)
    Dtype sum = eps;
    for (int c = 0; c < channels; ++c) sum += fabs(x[C(c)]);
    sums[item] = sum;
}

__kernel void normalize_norms(const int count, __global const Dtype *sums, __global Dtype *norms)
{
    const size_t k = get_global_id(0);
    if (k < count) norms[k] = NORM(sums[k]);
}

// The same for a whole item in place of its positions: out of normalize_sums' results. One work item per n.
__kernel void normalize_join(const int num, const int inner, const Dtype extra, __global const Dtype *sums,
                             __global Dtype *joined)
{
    const int n = get_global_id(0);
    if (n >= num) return;
    Dtype sum = extra;
    for (int i = 0; i < inner; ++i) sum += sums[n * inner + i];
    joined[n] = sum;
}

#define ELEMENT \
    const size_t at = get_global_id(0); \
    if (at >= count) return; \
    const int i = (int)at % inner, n = (int)at / inner / channels, c = (int)at / inner - n * channels; \
    const int k = norms == 1 ? n : n * inner + i; \
    const Dtype norm = NORM(squares[k]), factor = scale ? scale[shared ? 0 : c] : 1;

#define SIZES const int count, const int channels, const int inner, const int norms, const int shared

__kernel void normalize_forward(SIZES, __global const Dtype *x, __global const Dtype *squares,
                                __global const Dtype *scale, __global Dtype *y)
{
    ELEMENT
    y[at] = factor * x[at] / norm;
}

__kernel void normalize_backward(SIZES, __global const Dtype *x, __global const Dtype *squares,
                                 __global const Dtype *dots, __global const Dtype *scale,
                                 __global const Dtype *dy, __global const Dtype *dnorm, __global Dtype *dx)
{
    ELEMENT
    const Dtype slope = NORM_SLOPE(x[at], norm);
    dx[at] = (factor * dy[at] - slope * dots[k] / norm) / norm + (dnorm ? dnorm[k] * slope : 0);
}

// dscale[c] += sum of dy x / norm. One work item per channel, or one for all if the scale is shared.
__kernel void normalize_scale(const int num, const int channels, const int inner, const int norms,
                              const int shared, __global const Dtype *x, __global const Dtype *squares,
                              __global const Dtype *dy, __global Dtype *dscale)
{
    const int mine = get_global_id(0);
    if (mine >= (shared ? 1 : channels)) return;
    Dtype sum = 0;
    for (int n = 0; n < num; ++n)
        for (int c = shared ? 0 : mine; c < (shared ? channels : mine + 1); ++c)
            for (int i = 0; i < inner; ++i) {
                const size_t at = ((size_t)n * channels + c) * inner + i;
                sum += dy[at] * x[at] / sqrt(squares[norms == 1 ? n : n * inner + i]);
            }
    dscale[mine] += sum;
}
