// Biases of Convolution and InnerProduct: y of shape (outer, channels, inner).
//   bias_add:       y[o, c, i] += bias[c]
//   bias_gradient:  db[c] += sum over o, i of dy[o, c, i]
// Host: engine/ops/bias.py. One work item per element of y; per channel for the gradient, which adds in
// order of o and i, so results repeat.

#ifndef Dtype
#define Dtype float
#endif

__kernel void bias_add(const int count, const int channels, const int inner,
                       __global const Dtype *bias, __global Dtype *y)
{
    const int i = get_global_id(0);
    if (i < count) y[i] += bias[i / inner % channels];
}

__kernel void bias_gradient(const int outer, const int channels, const int inner,
                            __global const Dtype *dy, __global Dtype *db)
{
    const int c = get_global_id(0);
    if (c >= channels) return;
    Dtype sum = 0;
    for (int o = 0; o < outer; o++) {
        __global const Dtype *row = dy + (o * channels + c) * inner;
        // Sixteen partial sums: shorter rounding chains, and lanes for processors that have them.
        Dtype part[16] = {0};
        int i = 0;
        for (; i + 16 <= inner; i += 16)
            for (int lane = 0; lane < 16; lane++) part[lane] += row[i + lane];
        for (; i < inner; i++) part[0] += row[i];
        for (int lane = 0; lane < 16; lane++) sum += part[lane];
    }
    db[c] += sum;
}
