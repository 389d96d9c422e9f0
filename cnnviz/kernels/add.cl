// sum = a + b
// Host: engine/ops/add.py. One work item per element. In place: sum may be a or b.

#ifndef Dtype
#define Dtype float
#endif

__kernel void add(const int count, __global const Dtype *a, __global const Dtype *b, __global Dtype *sum)
{
    const int i = get_global_id(0);
    if (i < count) sum[i] = a[i] + b[i];
}
