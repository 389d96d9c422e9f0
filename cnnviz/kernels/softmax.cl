// y[o, c, i] = exp(x[o, c, i] - m) / sum over c' of exp(x[o, c', i] - m),  m = max over c of x[o, c, i]
// dx = y (dy - sum over c' of dy[o, c', i] y[o, c', i])
// Host: engine/ops/softmax.py. One work item per (i, o), over its channels. In place: x and y, dx and dy may
// be one buffer: an item writes only what nobody else reads.

#ifndef Dtype
#define Dtype float
#endif

#define ITEM \
    const int i = get_global_id(0), o = get_global_id(1); \
    if (i >= inner || o >= outer) return; \
    const size_t at = (size_t)o * channels * inner + i;

#define C(c) (at + (size_t)(c) * inner)

__kernel void softmax_forward(const int outer, const int channels, const int inner,
                              __global const Dtype *x, __global Dtype *y)
{
    ITEM
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
    ITEM
    Dtype dot = 0;
    for (int c = 0; c < channels; ++c) dot += dy[C(c)] * y[C(c)];
    for (int c = 0; c < channels; ++c) dx[C(c)] = y[C(c)] * (dy[C(c)] - dot);
}
