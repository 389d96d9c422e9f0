// sum = a + b
// Host: engine/ops/add.py. One work item per element. In place: sum may be a or b.

#ifndef Dtype
#define Dtype float
#endif

__kernel void add(const int count, __global const Dtype *a, __global const Dtype *b, __global Dtype *sum)
{
    // Not an int: vector units are only used well where the index is what get_global_id gives.
    const size_t i = get_global_id(0);
    if (i < count) sum[i] = a[i] + b[i];
}
