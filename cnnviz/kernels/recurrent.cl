// What recurrent layers share, for one time step; N sequences, D values each.
//   recurrent_continue:        after[n, d] = cont[n] before[n, d]: where a sequence begins nothing is carried on
//   recurrent_gather_diff:     dh[n, d] = dy[n, d] + (cont_next ? cont_next[n] dnext[n, d] : 0)
//   recurrent_tanh:            y = tanh(y) over count elements from offset
//   recurrent_tanh_backward:   dx = dy (1 - y^2) over count elements from offset
// Host: engine/layers/_recurrent.py. One work item (d, n), or one per element; groups may reach beyond.

#ifndef Dtype
#define Dtype float
#endif

__kernel void recurrent_continue(const int num, const int dim, __global const Dtype *cont,
                                 const int cont_at, __global const Dtype *before, const int before_at,
                                 __global Dtype *after, const int after_at)
{
    const size_t d = get_global_id(0), n = get_global_id(1);
    if (d >= dim || n >= num) return;
    const size_t i = n * dim + d;
    after[after_at + i] = cont[cont_at + n] * before[before_at + i];
}

__kernel void recurrent_gather_diff(const int num, const int dim, __global const Dtype *dy, const int dy_at,
                                    const int has_next, __global const Dtype *cont, const int cont_at,
                                    __global const Dtype *dnext, const int next_at, __global Dtype *dh,
                                    const int dh_at)
{
    const size_t d = get_global_id(0), n = get_global_id(1);
    if (d >= dim || n >= num) return;
    const size_t i = n * dim + d;
    dh[dh_at + i] = dy[dy_at + i] + (has_next ? cont[cont_at + n] * dnext[next_at + i] : 0);
}

__kernel void recurrent_tanh(const int count, const int offset, __global Dtype *y)
{
    const size_t i = get_global_id(0);
    if (i < count) y[offset + i] = tanh(y[offset + i]);
}

__kernel void recurrent_tanh_backward(const int count, const int offset, __global const Dtype *y,
                                      __global const Dtype *dy, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i < count) dx[offset + i] = dy[offset + i] * (1 - y[offset + i] * y[offset + i]);
}
