// loss[o, i] = -alpha (1 - p)^gamma log p,  p that of the label; 0 and not counted where the label is ignored
// dx[o, c, i] = alpha ((1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p) (p[o, c, i] - (c == label))
//               dloss / divisor, 0 where ignored
// Host: engine/layers/focal_loss.py. One work item per (i, o). A label outside of [0, classes) gives a loss of
// NaN and reads nothing.

#include "softmax_loss.h"

#ifndef Dtype
#define Dtype float
#endif

#define SIZES LABEL_SIZES, const Dtype alpha, const Dtype gamma

__kernel void focal_forward(SIZES, __global const Dtype *p, __global const Dtype *labels,
                            __global Dtype *losses)
{
    ITEM(classes)
    LABEL
    CHANCE
    WRITE_LOSS(-alpha * pow(1 - chance, gamma) * log_chance)
}

__kernel void focal_backward(SIZES, __global const Dtype *p, __global const Dtype *labels,
                             __global const Dtype *divisor, __global const Dtype *dloss, __global Dtype *dx)
{
    ITEM(classes)
    LABEL
    CHANCE
    const Dtype power = alpha * pow(1 - chance, gamma), rest = fmax(1 - chance, (Dtype)1e-10);
    const Dtype slope = power - gamma * power / rest * chance * log_chance;
    WRITE_GRADIENT(slope)
}
