// Losses from logarithms of probabilities; see each kernel. Host: engine/layers/cross_entropy_losses.py.
// A label outside of [0, classes) gives a loss of NaN and reads nothing. Not in place.

#include "labels.h"

#ifndef Dtype
#define Dtype float
#endif

// Below this a probability counts as this.
#define LEAST ((Dtype)1e-20)

// loss = max(x, 0) - x t + log(1 + exp(-|x|)), 0 and not counted where t is ignored. Item: element.
__kernel void sigmoid_forward(const int count, const int has_ignore, const int ignore,
                              __global const Dtype *x, __global const Dtype *t, __global Dtype *losses)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const int ignored = has_ignore && (int)t[i] == ignore;
    losses[i] = ignored ? 0 : (x[i] >= 0 ? x[i] : 0) - x[i] * t[i] + log1p(exp(-fabs(x[i])));
    losses[count + i] = !ignored;
}

// dx = (sigmoid(x) - t) dloss / divisor
__kernel void sigmoid_backward(const int count, const int has_ignore, const int ignore,
                               __global const Dtype *x, __global const Dtype *t,
                               __global const Dtype *divisor, __global const Dtype *dloss, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const int ignored = has_ignore && (int)t[i] == ignore;
    dx[i] = ignored ? 0 : dloss[0] / divisor[0] * (1 / (1 + exp(-x[i])) - t[i]);
}

// loss = -log(max(p[n, label], LEAST)). Item: n.
__kernel void multinomial_forward(const int num, const int classes, __global const Dtype *p,
                                  __global const Dtype *labels, __global Dtype *losses)
{
    const size_t n = get_global_id(0);
    if (n >= num) return;
    const int label = (int)labels[n];
    losses[n] = label >= 0 && label < classes ? -log(fmax(p[n * classes + label], LEAST)) : NAN;
}

// dp[n, c] = -scale dloss / max(p, LEAST) for the label, otherwise 0. Item: element.
__kernel void multinomial_backward(const int count, const int classes, const Dtype scale,
                                   __global const Dtype *p, __global const Dtype *labels,
                                   __global const Dtype *dloss, __global Dtype *dp)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const int n = (int)i / classes;
    dp[i] = (int)labels[n] == (int)i - n * classes ? -scale * dloss[0] / fmax(p[i], LEAST) : 0;
}

#define SIZES const int outer, const int classes, const int inner

// loss = -sum over c of H[label, c] log(max(p[c], LEAST)). Item: (i, o).
__kernel void infogain_forward(LABEL_SIZES, __global const Dtype *p,
                               __global const Dtype *labels, __global const Dtype *matrix,
                               __global Dtype *losses)
{
    ITEM(classes)
    LABEL
    Dtype sum = known ? 0 : NAN;
    if (!ignored && known)
        for (int c = 0; c < classes; ++c) sum -= matrix[label * classes + c] * log(fmax(p[C(c)], LEAST));
    WRITE_LOSS(sum)
}

// dx[c] = (p[c] sum over c' of H[label, c'] - H[label, c]) dloss / divisor
__kernel void infogain_backward(LABEL_SIZES, __global const Dtype *p,
                                __global const Dtype *labels, __global const Dtype *matrix,
                                __global const Dtype *row_sums, __global const Dtype *divisor,
                                __global const Dtype *dloss, __global Dtype *dx)
{
    ITEM(classes)
    LABEL
    const Dtype scale = dloss[0] / divisor[0];
    for (int c = 0; c < classes; ++c)
        dx[C(c)] = known && !ignored ? scale * (p[C(c)] * row_sums[label] - matrix[label * classes + c]) : 0;
}

// loss = -sum over c of t[c] log(max(p[c], LEAST)). Item: (i, o).
__kernel void soft_target_forward(SIZES, __global const Dtype *p, __global const Dtype *t,
                                  __global Dtype *losses)
{
    ITEM(classes)
    Dtype sum = 0;
    for (int c = 0; c < classes; ++c) sum -= t[C(c)] * log(fmax(p[C(c)], LEAST));
    losses[item] = sum;
    losses[outer * inner + item] = 1;
}

// dx[c] = (p[c] sum over c' of t[c'] - t[c]) dloss / divisor
__kernel void soft_target_backward(SIZES, __global const Dtype *p, __global const Dtype *t,
                                   __global const Dtype *divisor, __global const Dtype *dloss,
                                   __global Dtype *dx)
{
    ITEM(classes)
    Dtype sum = 0;
    for (int c = 0; c < classes; ++c) sum += t[C(c)];
    const Dtype scale = dloss[0] / divisor[0];
    for (int c = 0; c < classes; ++c) dx[C(c)] = scale * (p[C(c)] * sum - t[C(c)]);
}
