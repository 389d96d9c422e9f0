// gather_rows:   target[i] = source[indices[i]] for each row i
// scatter_rows:  target[r] = keep target[r] + sum of the source rows order[ends[r - 1]] .. order[ends[r] - 1]
// Host: engine/ops/row_gather.py, which has checked the indices. One work item (column, row of the target),
// groups may reach beyond. Gathers only: the order of each sum is fixed, so results repeat.

#ifndef Dtype
#define Dtype float
#endif

__kernel void gather_rows(const int rows, const int width, __global const int *indices,
                        __global const Dtype *source, __global Dtype *target)
{
    const size_t i = get_global_id(0), row = get_global_id(1);
    if (i < width && row < rows) target[row * width + i] = source[indices[row] * width + i];
}

__kernel void scatter_rows(const int rows, const int width, __global const int *ends,
                       __global const int *order, const int keep, __global const Dtype *source,
                       __global Dtype *target)
{
    const size_t i = get_global_id(0), row = get_global_id(1);
    if (i >= width || row >= rows) return;
    Dtype sum = keep ? target[row * width + i] : 0;
    for (int k = row ? ends[row - 1] : 0; k < ends[row]; k++) sum += source[order[k] * width + i];
    target[row * width + i] = sum;
}
