// random_mask:  y = x scale where a random number of 24 bits is >= threshold, otherwise 0
// noisy_relu:   y = max(0, x + N(0, deviation))
// random_leak:  y = x where sign > 0, else x / a with a random in least to least + range
// Hosts: engine/layers/dropout.py, engine/layers/noisy_relu.py.
// One work item per element. The random number of element i is a hash of i and two seeds, so that backward
// draws the same as forward and results repeat on any device. In place: x, y and sign may be one buffer.

#ifndef Dtype
#define Dtype float
#endif

uint mixed(uint x)
{
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

uint random_bits(const uint i, const uint seed0, const uint seed1)
{
    return mixed(mixed(i + seed0) ^ seed1);
}

__kernel void random_mask(const int count, const uint seed0, const uint seed1, const int threshold,
                          const Dtype scale, __global const Dtype *x, __global Dtype *y)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const int bits = random_bits(i, seed0, seed1) >> 8;
    y[i] = bits >= threshold ? x[i] * scale : 0;
}

__kernel void noisy_relu(const int count, const uint seed0, const uint seed1, const Dtype deviation,
                         __global const Dtype *x, __global Dtype *y)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    // Box and Muller: a radius from one uniform number in (0, 1], an angle from another.
    const Dtype u = ((random_bits(i, seed0, seed1) >> 8) + (Dtype)1) / (Dtype)16777216;
    const Dtype v = (random_bits(i, seed1, ~seed0) >> 8) / (Dtype)16777216;
    const Dtype noisy = x[i] + deviation * sqrt(-2 * log(u)) * cospi(2 * v);
    y[i] = noisy > 0 ? noisy : 0;
}

__kernel void random_leak(const int count, const uint seed0, const uint seed1, const Dtype least,
                          const Dtype range, __global const Dtype *sign_of, __global const Dtype *x,
                          __global Dtype *y)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const Dtype u = (random_bits(i, seed0, seed1) >> 8) / (Dtype)16777216;
    y[i] = sign_of[i] > 0 ? x[i] : x[i] / (least + range * u);
}
