// loss[o, i] = -w[label] log(max(p[o, label, i], FLT_MIN)), 0 and not counted where the label is ignored
// dx[o, c, i] = w[label] (p[o, c, i] - (c == label)) scale, 0 where ignored;  scale = dloss / divisor
// w may be null: all weights are 1.
// Host: engine/layers/softmax_with_loss.py. One work item per (i, o). A label outside of [0, classes) gives a
// loss of NaN and reads nothing (its gradient has weight 1). In place: dx is a buffer of its own.

#include "labels.h"

#ifndef Dtype
#define Dtype float
#endif

#define WEIGHT const Dtype weight = weights && known ? weights[label] : 1;

__kernel void softmax_loss_forward(LABEL_SIZES, __global const Dtype *p, __global const Dtype *labels,
                                   __global const Dtype *weights, __global Dtype *losses)
{
    ITEM(classes)
    LABEL
    WEIGHT
    Dtype loss = 0;
    if (!ignored) {
        const Dtype chance = known ? p[C(label)] : NAN;
        loss = weight * (chance < FLT_MIN ? -log((Dtype)FLT_MIN) : -log(chance));
    }
    losses[item] = loss;
    losses[outer * inner + item] = !ignored;
}

__kernel void softmax_loss_backward(LABEL_SIZES, __global const Dtype *p, __global const Dtype *labels,
                                    __global const Dtype *weights, __global const Dtype *divisor,
                                    __global const Dtype *dloss, __global Dtype *dx)
{
    ITEM(classes)
    LABEL
    WEIGHT
    const Dtype scale = ignored ? 0 : weight * dloss[0] / divisor[0];
    for (int c = 0; c < classes; ++c) dx[C(c)] = ignored ? 0 : scale * (p[C(c)] - (c == label));
}
