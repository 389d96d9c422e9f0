// d2[n] = sum over c of (a[n, c] - b[n, c])^2;  loss = scale sum over n of (similar[n] ? d2 : far^2), where
// far^2 is max(0, margin - d)^2 with d = sqrt(d2), or max(0, margin - d2) in the legacy version.
// Host: engine/layers/contrastive_loss.py.

#ifndef Dtype
#define Dtype float
#endif

// One work item per pair; d2 is the sum of the row.
__kernel void contrastive_forward(const int num, const int legacy, const Dtype margin,
                                  __global const Dtype *d2, __global const Dtype *similar,
                                  __global Dtype *losses)
{
    const size_t n = get_global_id(0);
    if (n >= num) return;
    const Dtype gap = margin - (legacy ? d2[n] : sqrt(d2[n]));
    const Dtype far = gap > 0 ? (legacy ? gap : gap * gap) : 0;
    losses[n] = (int)similar[n] ? d2[n] : far;
}

__kernel void contrastive_difference(const int count, __global const Dtype *a, __global const Dtype *b,
                                  __global Dtype *difference)
{
    const size_t i = get_global_id(0);
    if (i < count) difference[i] = a[i] - b[i];
}

// One work item per element: 2 scale dloss times (a - b), or in a pair that is not similar times
// -(a - b) gap / (d + 1e-4), in the legacy version -(a - b), both only where gap > 0.
__kernel void contrastive_backward(const int count, const int channels, const int legacy, const Dtype margin,
                                   const Dtype scale, __global const Dtype *difference,
                                   __global const Dtype *d2, __global const Dtype *similar,
                                   __global const Dtype *dloss, __global Dtype *da, __global Dtype *db)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const int n = (int)i / channels;
    const Dtype gap = margin - (legacy ? d2[n] : sqrt(d2[n]));
    const Dtype pull = (int)similar[n] ? 1 : gap > 0 ? (legacy ? -1 : -gap / (sqrt(d2[n]) + (Dtype)1e-4)) : 0;
    const Dtype gradient = 2 * scale * dloss[0] * pull * difference[i];
    if (da) da[i] = gradient;
    if (db) db[i] = -gradient;
}
