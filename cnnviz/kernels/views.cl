// gather: dense[i0, i1, i2, i3] = strided[start + i0 s0 + i1 s1 + i2 s2 + i3 s3];  scatter: the other way
// Host: engine/ops/views.py. Work item (i3, i2, i0 n1 + i1), groups may reach beyond n3 and n2. The
// positions of a scatter are distinct, so no two work items write one element. Not in place.

#ifndef Dtype
#define Dtype float
#endif

#define POSITIONS                                                                              \
    const int i3 = get_global_id(0), i2 = get_global_id(1), plane = get_global_id(2);          \
    if (i3 >= n3 || i2 >= n2) return;                                                          \
    const int dense = dense_start + (plane * n2 + i2) * n3 + i3;                               \
    const int strided = start + plane / n1 * s0 + plane % n1 * s1 + i2 * s2 + i3 * s3;

__kernel void gather(const int n1, const int n2, const int n3, const int s0, const int s1, const int s2,
                     const int s3, const int start, const int dense_start, __global const Dtype *source,
                     __global Dtype *target)
{
    POSITIONS
    target[dense] = source[strided];
}

__kernel void scatter(const int n1, const int n2, const int n3, const int s0, const int s1, const int s2,
                      const int s3, const int start, const int dense_start, __global const Dtype *source,
                      __global Dtype *target)
{
    POSITIONS
    target[strided] = source[dense];
}
