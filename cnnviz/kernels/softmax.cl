// y[o, c, i] = exp(x[o, c, i] - m) / sum over c' of exp(x[o, c', i] - m),  m = max over c of x[o, c, i]
// dx = y (dy - sum over c' of dy[o, c', i] y[o, c', i])
// Host: engine/ops/softmax.py. One work item per (i, o), over its channels. In place: x and y, dx and dy may
// be one buffer: an item writes only what no other item reads.

#include "items.h"

#ifndef Dtype
#define Dtype float
#endif

__kernel void softmax_forward(const int outer, const int channels, const int inner,
                              __global const Dtype *x, __global Dtype *y)
{
    ITEM(channels)
    Dtype most = -INFINITY;
    for (int c = 0; c < channels; ++c) most = fmax(most, x[C(c)]);
    Dtype sum = 0;
    for (int c = 0; c < channels; ++c) {
        const Dtype power = exp(x[C(c)] - most);
        y[C(c)] = power;
        sum += power;
    }
    for (int c = 0; c < channels; ++c) y[C(c)] /= sum;
}

__kernel void softmax_backward(const int outer, const int channels, const int inner,
                               __global const Dtype *y, __global const Dtype *dy, __global Dtype *dx)
{
    ITEM(channels)
    Dtype dot = 0;
    for (int c = 0; c < channels; ++c) dot += dy[C(c)] * y[C(c)];
    for (int c = 0; c < channels; ++c) dx[C(c)] = y[C(c)] * (dy[C(c)] - dot);
}
