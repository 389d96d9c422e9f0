// probe: y[i] = i. Host: engine/device.py, to find out whether a runtime can build and run a kernel.
// One work item per element.

__kernel void probe(const int count, __global float *y)
{
    const int i = get_global_id(0);
    if (i < count) y[i] = (float)i;
}
