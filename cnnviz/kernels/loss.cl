// The last step of a loss that is a mean over the items that count: top = sum of their losses / D.
// Host: engine/layers/_label_loss.py. One work item. totals: the sum of the losses, and the number of items that
// count. D, which backward needs, is at least 1: fixed, or where that is 0 the number of items that count.

#ifndef Dtype
#define Dtype float
#endif

__kernel void loss_mean(const Dtype fixed, __global const Dtype *totals, __global Dtype *divisor,
                        __global Dtype *top)
{
    if (get_global_id(0) > 0) return;
    divisor[0] = fmax((Dtype)1, fixed > 0 ? fixed : totals[1]);
    top[0] = totals[0] / divisor[0];
}
