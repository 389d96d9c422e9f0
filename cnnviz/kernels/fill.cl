// y[i] = value. Host: engine/device.py. One work item per element.

#ifndef Dtype
#define Dtype float
#endif

__kernel void fill(const int count, const Dtype value, __global Dtype *y)
{
    const size_t i = get_global_id(0);
    if (i < count) y[i] = value;
}
