// gather: dense[i0, i1, i2] = strided[start + i0 s0 + i1 s1 + i2 s2];  scatter: the other way
// Host: engine/ops/views.py. Work item (i2, i1, i0), groups may reach beyond n2 and n1. UNIT_STEP says that
// s2 is 1. The positions of a scatter are distinct, so no two work items write one element. Not in place.

#ifndef Dtype
#define Dtype float
#endif
#ifdef UNIT_STEP
#define STEP 1
#else
#define STEP s2
#endif

#define POSITIONS                                                                              \
    const size_t i2 = get_global_id(0), i1 = get_global_id(1), i0 = get_global_id(2);          \
    if (i2 >= n2 || i1 >= n1) return;                                                          \
    const size_t dense = dense_start + (i0 * n1 + i1) * n2 + i2;                               \
    const size_t strided = start + (long)i0 * s0 + (long)i1 * s1 + (long)i2 * STEP;

__kernel void gather(const int n1, const int n2, const int s0, const int s1, const int s2, const int start,
                     const int dense_start, __global const Dtype *source, __global Dtype *target)
{
    POSITIONS
    target[dense] = source[strided];
}

__kernel void scatter(const int n1, const int n2, const int s0, const int s1, const int s2, const int start,
                      const int dense_start, __global const Dtype *source, __global Dtype *target)
{
    POSITIONS
    target[strided] = source[dense];
}
