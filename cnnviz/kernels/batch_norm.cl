// batch_norm_stored:  mean = blob0 / factor, variance = blob1 / factor, both 0 where factor is 0
// batch_norm_update:  blob0 = f blob0 + mean, blob1 = f blob1 + correction variance, factor = f factor + 1
// batch_norm_average: blob = f blob + (1 - f) batch, or the batch where f is 0, for mean and variance
// batch_norm_inverse: inverse = 1 / sqrt(variance + eps)
// Host: engine/layers/batch_norm.py; the sums over channels are in channels.cl. One work item per channel;
// the factor, one number that all read, is written by the last launch of its own (dim 1).

#ifndef Dtype
#define Dtype float
#endif

__kernel void batch_norm_stored(const int dim, __global const Dtype *blob0, __global const Dtype *blob1,
                                __global const Dtype *factor, __global Dtype *mean,
                                __global Dtype *variance)
{
    const int c = get_global_id(0);
    if (c >= dim) return;
    const Dtype scale = factor[0] == 0 ? 0 : 1 / factor[0];
    mean[c] = scale * blob0[c];
    variance[c] = scale * blob1[c];
}

__kernel void batch_norm_update(const int dim, const Dtype fraction, const Dtype correction,
                                __global const Dtype *mean, __global const Dtype *variance,
                                __global Dtype *blob0, __global Dtype *blob1)
{
    const int c = get_global_id(0);
    if (c >= dim) return;
    blob0[c] = fraction * blob0[c] + mean[c];
    blob1[c] = fraction * blob1[c] + correction * variance[c];
}

__kernel void batch_norm_average(const int dim, const Dtype fraction, __global const Dtype *mean,
                                 __global const Dtype *variance, __global Dtype *blob0,
                                 __global Dtype *blob1)
{
    const int c = get_global_id(0);
    if (c >= dim) return;
    blob0[c] = fraction > 0 ? fraction * blob0[c] + (1 - fraction) * mean[c] : mean[c];
    blob1[c] = fraction > 0 ? fraction * blob1[c] + (1 - fraction) * variance[c] : variance[c];
}

__kernel void batch_norm_count(const Dtype fraction, __global Dtype *factor)
{
    if (get_global_id(0) == 0) factor[0] = fraction * factor[0] + 1;
}

__kernel void batch_norm_inverse(const int dim, const Dtype eps, __global const Dtype *variance,
                                 __global Dtype *inverse)
{
    const int c = get_global_id(0);
    if (c < dim) inverse[c] = 1 / sqrt(variance[c] + eps);
}
