// y[n, c, i, j] = x[n, c] at (j + flow[n, 0, i, j], i + flow[n, 1, i, j]), bilinear; `outside` beyond the plane
// Host: engine/layers/flow_warp.py. Work items: forward and the flow's gradient one per place (n, i, j); the
// image's gradient one per plane, which scatters in the order of the places: results repeat. Not in place.

#ifndef Dtype
#define Dtype float
#endif

// Of a place (item, i, j): where it reads. A flow of NaN is outside.
#define FIND \
    const size_t pixel = (size_t)i * width + j; \
    const Dtype u = j + flow[2 * item * plane + pixel], v = i + flow[(2 * item + 1) * plane + pixel]; \
    const int inside = u >= 0 && v >= 0 && u < width && v < height; \
    const int left = inside ? (int)u : 0, above = inside ? (int)v : 0; \
    const int right = min(left + 1, width - 1), below = min(above + 1, height - 1); \
    const Dtype s = u - left, t = v - above;

#define PLACE \
    const size_t index = get_global_id(0), plane = (size_t)height * width; \
    if (index >= total) return; \
    const int j = (int)index % width, i = (int)index / width % height; \
    const size_t item = (int)index / width / height; \
    FIND

#define SIZES const int total, const int channels, const int height, const int width

__kernel void flow_warp_forward(SIZES, const Dtype outside, __global const Dtype *x, __global const Dtype *flow,
                                __global Dtype *y)
{
    PLACE
    for (int c = 0; c < channels; ++c) {
        const size_t from = (item * channels + c) * plane;
        __global const Dtype *first = x + from + (size_t)above * width, *second = x + from + (size_t)below * width;
        y[from + pixel] = !inside ? outside : (1 - t) * ((1 - s) * first[left] + s * first[right])
                                              + t * ((1 - s) * second[left] + s * second[right]);
    }
}

__kernel void flow_gradient(SIZES, __global const Dtype *x, __global const Dtype *flow, __global const Dtype *dy,
                            __global Dtype *dflow)
{
    PLACE
    Dtype du = 0, dv = 0;
    for (int c = 0; c < channels && inside; ++c) {
        const size_t from = (item * channels + c) * plane;
        __global const Dtype *first = x + from + (size_t)above * width, *second = x + from + (size_t)below * width;
        const Dtype slope = dy[from + pixel];
        du += slope * ((1 - t) * (first[right] - first[left]) + t * (second[right] - second[left]));
        dv += slope * ((1 - s) * (second[left] - first[left]) + s * (second[right] - first[right]));
    }
    dflow[2 * item * plane + pixel] = du;
    dflow[(2 * item + 1) * plane + pixel] = dv;
}

__kernel void image_gradient(SIZES, __global const Dtype *flow, __global const Dtype *dy, __global Dtype *dx)
{
    const size_t index = get_global_id(0), plane = (size_t)height * width;
    if (index >= total) return;
    const size_t item = index / channels;
    dy += index * plane;
    dx += index * plane;
    for (size_t p = 0; p < plane; ++p) dx[p] = 0;
    for (int i = 0; i < height; ++i)
        for (int j = 0; j < width; ++j) {
            FIND
            if (!inside) continue;
            __global Dtype *first = dx + (size_t)above * width, *second = dx + (size_t)below * width;
            const Dtype slope = dy[pixel];
            first[left] += slope * (1 - s) * (1 - t);
            first[right] += slope * s * (1 - t);
            second[left] += slope * (1 - s) * t;
            second[right] += slope * s * t;
        }
}
