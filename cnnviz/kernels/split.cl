// dx = dy0 + dy1
// Host: engine/layers/split.py, once for each top after the first. One work item per element. In place:
// dx may be dy0.

#ifndef Dtype
#define Dtype float
#endif

__kernel void split_backward(const int count, __global const Dtype *dy0, __global const Dtype *dy1,
                             __global Dtype *dx)
{
    const int i = get_global_id(0);
    if (i < count) dx[i] = dy0[i] + dy1[i];
}
