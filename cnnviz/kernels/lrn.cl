// scale[c, h, w] = k + rate sum of x^2 over the window of (c, h, w);  y = x scale^-beta
// dx = dy scale^-beta - 2 rate beta x sum over the window of dy y / scale
// Host: engine/layers/lrn.py. The window reaches radius_c channels and radius_s pixels to each side (one of
// the two is 0) and is clipped at the borders. One work item per element as (pixel, channel, image), pixels
// counted along the plane. In place: not; the host keeps a copy of x.

#ifndef Dtype
#define Dtype float
#endif

#define ITEM \
    const int pixel = get_global_id(0), c = get_global_id(1), n = get_global_id(2); \
    if (pixel >= height * width || c >= channels) return; \
    const int size = height * width; \
    const size_t at = ((size_t)n * channels + c) * size + pixel;

#define SHAPE const int channels, const int height, const int width, const int radius_c, const int radius_s

// Adds term(j) for every position j of the window around (c, pixel).
#define SUM_WINDOW(sum, term) \
    if (radius_s == 0) { \
        for (int d = -min(radius_c, c); d <= min(radius_c, channels - 1 - c); ++d) { \
            const size_t j = at + (long)d * size; \
            sum += term; \
        } \
    } else { \
        const int h = pixel / width, w = pixel - h * width; \
        for (int dh = -min(radius_s, h); dh <= min(radius_s, height - 1 - h); ++dh) \
            for (int dw = -min(radius_s, w); dw <= min(radius_s, width - 1 - w); ++dw) { \
                const size_t j = at + dh * width + dw; \
                sum += term; \
            } \
    }

// scale^-beta; the usual beta needs no logarithm.
inline Dtype shrink(const Dtype scale, const Dtype beta)
{
    return beta == (Dtype)0.75 ? 1 / (sqrt(scale) * sqrt(sqrt(scale))) : pow(scale, -beta);
}

__kernel void lrn_forward(SHAPE, const Dtype k, const Dtype rate, const Dtype beta, __global const Dtype *x,
                          __global Dtype *scale, __global Dtype *y)
{
    ITEM
    Dtype sum = 0;
    SUM_WINDOW(sum, x[j] * x[j])
    const Dtype value = k + rate * sum;
    scale[at] = value;
    y[at] = x[at] * shrink(value, beta);
}

// ratio = dy y / scale, for the window's sum of lrn_backward.
__kernel void lrn_ratio(const int count, const Dtype beta, __global const Dtype *x, __global const Dtype *scale,
                        __global const Dtype *dy, __global Dtype *ratio)
{
    const int i = get_global_id(0);
    if (i < count) ratio[i] = dy[i] * x[i] * shrink(scale[i], beta) / scale[i];
}

__kernel void lrn_backward(SHAPE, const Dtype rate, const Dtype beta, __global const Dtype *x,
                           __global const Dtype *scale, __global const Dtype *ratio, __global const Dtype *dy,
                           __global Dtype *dx)
{
    ITEM
    Dtype sum = 0;
    SUM_WINDOW(sum, ratio[j])
    dx[at] = dy[at] * shrink(scale[at], beta) - 2 * rate * beta * x[at] * sum;
}
