// y[plane, mask[plane, i]] = x[plane, i], 0 elsewhere;  dx[plane, i] = dy[plane, mask[plane, i]]
// Host: engine/layers/upsample.py. Forward: one work item per plane, which writes in the order of the
// inputs: where several have one place, the last stays. Backward: one per input element; all of them get the
// gradient, as in Caffe's forks. A mask outside of the plane (-1: no maximum) is passed over.

#ifndef Dtype
#define Dtype float
#endif

__kernel void unpooling_forward(const int planes, const int count, const int out_count,
                                __global const Dtype *x, __global const Dtype *mask, __global Dtype *y)
{
    const size_t plane = get_global_id(0);
    if (plane >= planes) return;
    const size_t in = plane * count, out = plane * out_count;
    for (int i = 0; i < out_count; ++i) y[out + i] = 0;
    for (int i = 0; i < count; ++i)
        if (mask[in + i] >= 0 && mask[in + i] < out_count) y[out + (int)mask[in + i]] = x[in + i];
}

__kernel void unpooling_backward(const int total, const int count, const int out_count,
                                 __global const Dtype *mask, __global const Dtype *dy, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i >= total) return;
    const Dtype place = mask[i];
    dx[i] = place >= 0 && place < out_count ? dy[(size_t)((int)i / count) * out_count + (int)place] : 0;
}
