// bn_update: kept = momentum kept + (1 - momentum) batch, for mean and variance
// bn_factor: inverse = 1 / sqrt(variance + eps), factor = inverse slope
// Host: engine/layers/bn.py; the sums over channels are in channels.cl. One work item per channel.

#ifndef Dtype
#define Dtype float
#endif

__kernel void bn_update(const int dim, const Dtype momentum, __global const Dtype *mean,
                        __global const Dtype *variance, __global Dtype *kept_mean,
                        __global Dtype *kept_variance)
{
    const size_t c = get_global_id(0);
    if (c >= dim) return;
    kept_mean[c] = momentum * kept_mean[c] + (1 - momentum) * mean[c];
    kept_variance[c] = momentum * kept_variance[c] + (1 - momentum) * variance[c];
}

__kernel void bn_factor(const int dim, const Dtype eps, __global const Dtype *variance,
                        __global const Dtype *slope, __global Dtype *inverse, __global Dtype *factor)
{
    const size_t c = get_global_id(0);
    if (c >= dim) return;
    inverse[c] = 1 / sqrt(variance[c] + eps);
    factor[c] = inverse[c] * slope[c];
}
