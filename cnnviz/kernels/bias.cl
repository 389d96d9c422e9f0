// Biases of Convolution and InnerProduct: y of shape (outer, channels, inner).
//   bias_add:       y[o, c, i] += bias[c]
//   bias_gradient:  db[c] += sum over o, i of dy[o, c, i]
// Host: engine/ops/bias.py. Work items: bias_add (i, o * channels + c), or (c, o) where inner is 1;
// bias_gradient one per channel, which adds in order, LANES neighbours at once, so results repeat.

#include "register_tile.h"

__kernel void bias_add(const int channels, __global const Dtype *bias, __global Dtype *y)
{
    const size_t i = get_global_id(0), plane = get_global_id(1);
    y[plane * get_global_size(0) + i] += bias[plane % channels];
}

__kernel void bias_add_rows(__global const Dtype *bias, __global Dtype *y)
{
    const size_t c = get_global_id(0);
    y[get_global_id(1) * get_global_size(0) + c] += bias[c];
}

__kernel void bias_gradient(const int outer, const int inner, __global const Dtype *dy, __global Dtype *db)
{
    const int c = get_global_id(0), channels = get_global_size(0);
    Vector sums = 0;
    Dtype rest = 0;
    for (int o = 0; o < outer; o++) {
        __global const Dtype *row = dy + (o * channels + c) * inner;
        int i = 0;
        for (; i + LANES <= inner; i += LANES) sums += load(0, row + i);
        for (; i < inner; i++) rest += row[i];
    }
    db[c] += rest + sum_lanes(sums);
}

// The same where inner is 1: neighbouring items read neighbouring addresses.
__kernel void bias_gradient_rows(const int outer, __global const Dtype *dy, __global Dtype *db)
{
    const size_t c = get_global_id(0), channels = get_global_size(0);
    Dtype sum = 0;
    for (int o = 0; o < outer; o++) sum += dy[o * channels + c];
    db[c] += sum;
}
