// y[n, i] = sqrt(sum over c of x[n, c, i]^2);  dx[n, c, i] = dy[n, i] x[n, c, i] / (y[n, i] + 1e-9)
// Host: engine/layers/channel_norm.py. One work item per (i, n).

#include "items.h"

#ifndef Dtype
#define Dtype float
#endif

#define SIZES const int outer, const int channels, const int inner

__kernel void channel_norm_forward(SIZES, __global const Dtype *x, __global Dtype *y)
{
    ITEM(channels)
    Dtype sum = 0;
    for (int c = 0; c < channels; ++c) sum += x[C(c)] * x[C(c)];
    y[item] = sqrt(sum);
}

__kernel void channel_norm_backward(SIZES, __global const Dtype *x, __global const Dtype *y,
                                    __global const Dtype *dy, __global Dtype *dx)
{
    ITEM(channels)
    const Dtype scale = dy[item] / (y[item] + (Dtype)1e-9);
    for (int c = 0; c < channels; ++c) dx[C(c)] = scale * x[C(c)];
}
