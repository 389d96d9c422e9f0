// The last step of a loss that is a mean over the items that count.
// Host: engine/layers/_loss.py. One work item. totals holds the items' losses summed and the number of items
// that count; afterwards the second is the divisor, at least 1, which backward needs.
// divisor 0: the number of items that count; else what the normalization mode fixes.

#ifndef Dtype
#define Dtype float
#endif

__kernel void loss_mean(const Dtype divisor, __global Dtype *totals, __global Dtype *top)
{
    if (get_global_id(0) > 0) return;
    totals[1] = fmax((Dtype)1, divisor > 0 ? divisor : totals[1]);
    top[0] = totals[0] / totals[1];
}
