// m[n, c] = max(0, 1 + x[n, c]), with -x for the label;  loss = scale sum of m or of m^2
// dx = scale dloss (label ? -1 : 1) (squared ? 2 m : m > 0)
// Host: engine/layers/hinge_loss.py. One work item per element.

#ifndef Dtype
#define Dtype float
#endif

#define MARGIN \
    const size_t i = get_global_id(0); \
    if (i >= count) return; \
    const int n = (int)i / classes; \
    const Dtype side = (int)labels[n] == (int)i - n * classes ? -1 : 1; \
    const Dtype margin = 1 + side * x[i] > 0 ? 1 + side * x[i] : 0;

__kernel void hinge_forward(const int count, const int classes, const int squared, __global const Dtype *x,
                            __global const Dtype *labels, __global Dtype *losses)
{
    MARGIN
    losses[i] = squared ? margin * margin : margin;
}

__kernel void hinge_backward(const int count, const int classes, const int squared, const Dtype scale,
                             __global const Dtype *x, __global const Dtype *labels,
                             __global const Dtype *dloss, __global Dtype *dx)
{
    MARGIN
    dx[i] = scale * dloss[0] * side * (squared ? 2 * margin : margin > 0);
}
