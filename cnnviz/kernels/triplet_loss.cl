// gap[n] = sum over c of (a - p)^2 - (a - q)^2;  loss = scale/2 sum over n of max(0, margin + gap[n])
// da = s (q - p), dp = s (p - a), dq = s (a - q) with s = scale dloss where margin + gap > 0, otherwise 0
// Host: engine/layers/triplet_loss.py. One work item per element, in triplet_forward per n. Diffs may be
// null.

#ifndef Dtype
#define Dtype float
#endif

__kernel void triplet_terms(const int count, __global const Dtype *a, __global const Dtype *p,
                            __global const Dtype *q, __global Dtype *terms)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const Dtype like = a[i] - p[i], other = a[i] - q[i];
    terms[i] = like * like - other * other;
}

__kernel void triplet_forward(const int num, const Dtype margin, __global const Dtype *gaps,
                              __global Dtype *losses)
{
    const size_t n = get_global_id(0);
    if (n >= num) return;
    const Dtype loss = margin + gaps[n];
    losses[n] = loss < 0 ? 0 : loss;
}

__kernel void triplet_backward(const int count, const int channels, const Dtype margin, const Dtype scale,
                               __global const Dtype *a, __global const Dtype *p, __global const Dtype *q,
                               __global const Dtype *gaps, __global const Dtype *dloss,
                               __global Dtype *da, __global Dtype *dp, __global Dtype *dq)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const Dtype s = margin + gaps[(int)i / channels] > 0 ? scale * dloss[0] : 0;
    if (da) da[i] = s * (q[i] - p[i]);
    if (dp) dp[i] = s * (p[i] - a[i]);
    if (dq) dq[i] = s * (a[i] - q[i]);
}
