// What pooling.cl and pooling_planes.cl share: the windows, as the first of pooling.cl describes them.

#ifndef Dtype
#define Dtype float
#endif

#define WINDOW const int height, const int width, const int pooled_h, const int pooled_w, \
               const int kernel_h, const int kernel_w, const int stride_h, const int stride_w, \
               const int pad_h, const int pad_w, const int end_h, const int end_w

#define SIZES height, width, pooled_h, pooled_w, kernel_h, kernel_w, stride_h, stride_w, \
              pad_h, pad_w, end_h, end_w

// The divisor of a mean: what the window covers of the padded plane, or of the plane itself.
inline int area(const int ph, const int pw, WINDOW, const int padding_counts)
{
    const int h = ph * stride_h - pad_h, w = pw * stride_w - pad_w;
    const int last_h = min(h + kernel_h, height + (padding_counts ? end_h : 0));
    const int last_w = min(w + kernel_w, width + (padding_counts ? end_w : 0));
    return max((last_h - (padding_counts ? h : max(h, 0))) * (last_w - (padding_counts ? w : max(w, 0))), 1);
}
