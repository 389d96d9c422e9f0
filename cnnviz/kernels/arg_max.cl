// The top_k largest of x[o, :, i] with their positions, from the largest on; of equal numbers the later
// one comes first. A NaN comes last.
// Host: engine/layers/arg_max.py. One work item per (i, o); rank k is found as the largest below rank k - 1.
// The position of rank k goes to index[o * outer_step + k * rank_step + i], the number value_start further
// in value; each may be null, or both the same buffer. Not in place.

#include "items.h"

#ifndef Dtype
#define Dtype float
#endif

// Whether (x, c) comes before (y, d).
inline int before(const Dtype x, const int c, const Dtype y, const int d)
{
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y) ? c > d : !isnan(x);
    return x > y || (x == y && c > d);
}

__kernel void arg_max(const int outer, const int dim, const int inner, const int top_k, const int outer_step,
                      const int rank_step, const int value_start, __global const Dtype *x,
                      __global Dtype *index, __global Dtype *value)
{
    ITEM(dim)
    Dtype last = 0;
    int last_c = -1;
    for (int k = 0; k < top_k; ++k) {
        Dtype best = 0;
        int best_c = -1;
        for (int c = 0; c < dim; ++c) {
            const Dtype candidate = x[C(c)];
            if (last_c >= 0 && !before(last, last_c, candidate, c)) continue;
            if (best_c < 0 || before(candidate, c, best, best_c)) {
                best = candidate;
                best_c = c;
            }
        }
        const size_t to = o * outer_step + k * rank_step + i;
        if (index) index[to] = best_c;
        if (value) value[value_start + to] = best;
        last = best;
        last_c = best_c;
    }
}
