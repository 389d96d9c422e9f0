// y[o, t, i] = x[o, i];  dx[o, i] = sum_t dy[o, t, i]
// Host: engine/layers/tile.py; forward is a copy through a strided view. One work item (i, o), groups may
// reach beyond.

#ifndef Dtype
#define Dtype float
#endif

__kernel void tile_backward(const int outer, const int tiles, const int inner, __global const Dtype *dy,
                            __global Dtype *dx)
{
    const size_t i = get_global_id(0), o = get_global_id(1);
    if (i >= inner || o >= outer) return;
    Dtype sum = 0;
    for (int t = 0; t < tiles; t++) sum += dy[(o * tiles + t) * inner + i];
    dx[o * inner + i] = sum;
}
