// loss[o, i] = -w[label] log(max(p[o, label, i], FLT_MIN)), 0 and not counted where the label is ignored
// dx[o, c, i] = w[label] (p[o, c, i] - (c == label)) dloss / divisor, 0 where ignored
// w may be null: all weights are 1.
// Host: engine/layers/softmax_with_loss.py. One work item per (i, o). A label outside of [0, classes) gives a
// loss of NaN and reads nothing (its gradient has weight 1). In place: dx is a buffer of its own.

#include "softmax_loss.h"

#ifndef Dtype
#define Dtype float
#endif

#define WEIGHT const Dtype weight = weights && known ? weights[label] : 1;

__kernel void softmax_loss_forward(LABEL_SIZES, __global const Dtype *p, __global const Dtype *labels,
                                   __global const Dtype *weights, __global Dtype *losses)
{
    ITEM(classes)
    LABEL
    CHANCE
    WEIGHT
    WRITE_LOSS(-weight * log_chance)
}

__kernel void softmax_loss_backward(LABEL_SIZES, __global const Dtype *p, __global const Dtype *labels,
                                    __global const Dtype *weights, __global const Dtype *divisor,
                                    __global const Dtype *dloss, __global Dtype *dx)
{
    ITEM(classes)
    LABEL
    WEIGHT
    WRITE_GRADIENT(weight)
}
