// right[o, i] = whether fewer than top_k other classes have a score of at least that of the label
// accuracy = sum of right / number of labels that are not ignored; the same per class.
// Host: engine/layers/accuracy.py. Ties count against the label, and a NaN is never right. A label outside
// of [0, classes) is wrong.

#include "labels.h"

#ifndef Dtype
#define Dtype float
#endif

// One work item per (i, o). flags: 1 where right, then 1 where the label counts.
__kernel void accuracy_items(LABEL_SIZES, const int top_k, __global const Dtype *x,
                             __global const Dtype *labels, __global Dtype *flags)
{
    ITEM(classes)
    LABEL
    int right = 0;
    if (!ignored && known) {
        const Dtype score = x[C(label)];
        int better = 0;
        for (int c = 0; c < classes; ++c) better += c != label && !(x[C(c)] < score);
        right = better < top_k && score == score;
    }
    flags[item] = right;
    flags[outer * inner + item] = !ignored;
}

// One work item.
__kernel void accuracy_mean(__global const Dtype *totals, __global Dtype *top)
{
    if (get_global_id(0) == 0) top[0] = totals[1] > 0 ? totals[0] / totals[1] : 0;
}

// One work item per class.
__kernel void accuracy_per_class(const int classes, const int items, __global const Dtype *labels,
                                 __global const Dtype *flags, __global Dtype *top)
{
    const int c = get_global_id(0);
    if (c >= classes) return;
    Dtype right = 0, count = 0;
    for (int item = 0; item < items; ++item) {
        const int mine = (int)labels[item] == c && flags[(size_t)items + item] > 0;
        right += mine ? flags[item] : 0;
        count += mine;
    }
    top[c] = count > 0 ? right / count : 0;
}
