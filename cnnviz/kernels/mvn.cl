// variance[m] becomes 1 / (sqrt(variance[m]) + eps) for each map m
// Host: engine/layers/mvn.py; the sums over maps are in channels.cl. One work item per map.

#ifndef Dtype
#define Dtype float
#endif

__kernel void mvn_inverse(const int maps, const Dtype eps, __global Dtype *variance)
{
    const int m = get_global_id(0);
    if (m < maps) variance[m] = 1 / (sqrt(variance[m]) + eps);
}
