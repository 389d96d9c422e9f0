// Backward of pooling.cl for CPUs: one work item per plane scatters each dy inside its own plane, which
// stays in the cache, in the order of the outputs: results repeat. Host: engine/ops/pooling.py. Same windows,
// ties and results as in pooling.cl.

#ifndef Dtype
#define Dtype float
#endif

#define WINDOW const int height, const int width, const int pooled_h, const int pooled_w, \
               const int kernel_h, const int kernel_w, const int stride_h, const int stride_w, \
               const int pad_h, const int pad_w

#define PLANE_ITEM \
    const size_t plane = get_global_id(0); \
    const size_t in = plane * height * width, out = plane * pooled_h * pooled_w;

// See pooling.cl.
inline int area(const int ph, const int pw, WINDOW, const int padding_counts)
{
    const int edge_h = padding_counts ? pad_h : 0, edge_w = padding_counts ? pad_w : 0;
    const int h = ph * stride_h - pad_h, w = pw * stride_w - pad_w;
    const int size_h = min(h + kernel_h, height + edge_h) - max(h, -edge_h);
    const int size_w = min(w + kernel_w, width + edge_w) - max(w, -edge_w);
    return max(size_h * size_w, 1);
}

#define SIZES height, width, pooled_h, pooled_w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w

__kernel void index_backward(WINDOW, __global const int *restrict index, __global const Dtype *restrict dy,
                             __global Dtype *restrict dx, const int add)
{
    PLANE_ITEM
    if (!add)
        for (int i = 0; i < height * width; ++i) dx[in + i] = 0;
    for (int i = 0; i < pooled_h * pooled_w; ++i)
        if (index[out + i] >= 0) dx[in + index[out + i]] += dy[out + i];
}

__kernel void ave_backward(WINDOW, __global const Dtype *restrict dy, __global Dtype *restrict dx,
                           const int padding_counts, const int add)
{
    PLANE_ITEM
    if (!add)
        for (int i = 0; i < height * width; ++i) dx[in + i] = 0;
    for (int ph = 0; ph < pooled_h; ++ph) {
        const int h0 = ph * stride_h - pad_h;
        for (int pw = 0; pw < pooled_w; ++pw) {
            const Dtype part = dy[out + ph * pooled_w + pw] / area(ph, pw, SIZES, padding_counts);
            const int w0 = pw * stride_w - pad_w;
            for (int h = max(h0, 0); h < min(h0 + kernel_h, height); ++h)
                for (int w = max(w0, 0); w < min(w0 + kernel_w, width); ++w) dx[in + h * width + w] += part;
        }
    }
}
