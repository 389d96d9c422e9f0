// center_distances: d = x - d, where d holds the centre of each item's class before
// center_moves:     moves[n, k] = -shares[n] d[n, k]
// center_backward:  dx = scale dloss d
// Host: engine/layers/center_loss.py. One work item per element.

#ifndef Dtype
#define Dtype float
#endif

__kernel void center_distances(const int count, __global const Dtype *x, __global Dtype *d)
{
    const size_t i = get_global_id(0);
    if (i < count) d[i] = x[i] - d[i];
}

__kernel void center_moves(const int count, const int length, __global const Dtype *d,
                           __global const Dtype *shares, __global Dtype *moves)
{
    const size_t i = get_global_id(0);
    if (i < count) moves[i] = -shares[(int)i / length] * d[i];
}

__kernel void center_backward(const int count, const Dtype scale, __global const Dtype *dloss,
                              __global const Dtype *d, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i < count) dx[i] = scale * dloss[0] * d[i];
}
