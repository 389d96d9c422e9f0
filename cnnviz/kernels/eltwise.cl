// eltwise_sum:   y = ca a + cb b                  eltwise_scale:       dx = c dy
// eltwise_prod:  y = a b                          eltwise_divide:      dx = dy y / x
// eltwise_max:   y = max(a, b), from[i] = number of the bottom that gave it
// eltwise_max_backward:  dx = dy where from[i] is this bottom, otherwise 0
// Host: engine/layers/eltwise.py, which takes the bottoms two at a time. One work item per element.
// Ties of max: of the first two bottoms the second wins (a > b, else b), a later one must be greater.
// In place: y may be a or b.

#ifndef Dtype
#define Dtype float
#endif

__kernel void eltwise_sum(const int count, const Dtype ca, const Dtype cb, __global const Dtype *a,
                          __global const Dtype *b, __global Dtype *y)
{
    const size_t i = get_global_id(0);
    if (i < count) y[i] = ca * a[i] + cb * b[i];
}

__kernel void eltwise_scale(const int count, const Dtype c, __global const Dtype *dy, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i < count) dx[i] = c * dy[i];
}

__kernel void eltwise_prod(const int count, __global const Dtype *a, __global const Dtype *b,
                           __global Dtype *y)
{
    const size_t i = get_global_id(0);
    if (i < count) y[i] = a[i] * b[i];
}

__kernel void eltwise_divide(const int count, __global const Dtype *dy, __global const Dtype *y,
                             __global const Dtype *x, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i < count) dx[i] = dy[i] * y[i] / x[i];
}

__kernel void eltwise_max(const int count, const int first, __global const Dtype *a,
                          __global const Dtype *b, __global Dtype *y, __global int *from)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const Dtype left = a[i], right = b[i];
    if (first == 0) {
        y[i] = left > right ? left : right;
        from[i] = left > right ? 0 : 1;
    } else {
        y[i] = right > left ? right : left;
        if (right > left) from[i] = first + 1;
    }
}

__kernel void eltwise_max_backward(const int count, const int bottom, __global const int *from,
                                   __global const Dtype *dy, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i < count) dx[i] = from[i] == bottom ? dy[i] : 0;
}
