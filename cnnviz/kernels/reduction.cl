// y[row] = coeff sum_i g(x[row, i]);  dx[row, i] = coeff dy[row] g'(x[row, i])
// Host: engine/layers/reduction.py, which picks g with -DSLOPE; the sums are in channels.cl. One work item
// (i, row), groups may reach beyond.

#ifndef Dtype
#define Dtype float
#endif
#ifndef SLOPE
#define SLOPE PLAIN
#endif

#define PLAIN(x) 1
#define ABSOLUTE(x) sign(x)
#define PRODUCT(x) (2 * (x))

__kernel void reduction_backward(const int rows, const int width, const Dtype coeff,
                                 __global const Dtype *x, __global const Dtype *dy, __global Dtype *dx)
{
    const size_t i = get_global_id(0), row = get_global_id(1);
    if (i >= width || row >= rows) return;
    const size_t at = row * width + i;
    dx[at] = coeff * dy[row] * SLOPE(x[at]);
}
