// Pooling of planes: y[o] = max, mean, sample or weighted mean of x over the window of o.
// Host: engine/ops/pooling.py (for the layers Pooling and SPP). Work items: forward one per output
// element, backward one per input element, both as (column, row, plane) rounded up to whole groups.
//
// The window of output (ph, pw) begins at (ph stride_h - pad_h, pw stride_w - pad_w) and is clipped at
// the plane's border. Ties: the first maximum in row order wins, so its pixel alone gets the gradient.
// A NaN never wins; a window with no winner gives -FLT_MAX and index -1, which gets no gradient.
// Backward gathers: an input sums over the windows that cover it, so results repeat. Not in place.

#include "pooling.h"

// Where a work item of forward stands, and the corner of its window.
#define OUTPUT_ITEM \
    const int pw = get_global_id(0), ph = get_global_id(1), plane = get_global_id(2); \
    if (pw >= pooled_w || ph >= pooled_h) return; \
    const int out = (plane * pooled_h + ph) * pooled_w + pw; \
    const int h0 = ph * stride_h - pad_h, w0 = pw * stride_w - pad_w; \
    const int empty = h0 >= height || w0 >= width; \
    x += (size_t)plane * height * width;

// Every pixel of the window. Positions outside of the plane are moved to its border, whose pixels belong to
// the window (if it is not empty) and come in the same order: `inside` distinguishes them. So neighbouring
// work items take the same steps and run in the lanes of a vector.
#define EACH_PIXEL(...) \
    for (int i = h0; i < h0 + kernel_h; ++i) { \
        const int h = clamp(i, 0, height - 1); \
        for (int j = w0; j < w0 + kernel_w; ++j) { \
            const int w = clamp(j, 0, width - 1), at = h * width + w, inside = i == h && j == w; \
            __VA_ARGS__ \
        } \
    }

#define INPUT_ITEM \
    const int w = get_global_id(0), h = get_global_id(1), plane = get_global_id(2); \
    if (w >= width || h >= height) return; \
    const int in = (plane * height + h) * width + w; \
    const int last_h = quotient(h + pad_h, stride_h), last_w = quotient(w + pad_w, stride_w); \
    const int first = plane * pooled_h * pooled_w;

// Every output whose window covers the input (h, w).
#define EACH_WINDOW \
    for (int i = 0; i * stride_h < kernel_h; ++i) \
        for (int j = 0; j * stride_w < kernel_w; ++j) { \
            const int ph = last_h - i, pw = last_w - j; \
            if (ph >= 0 && ph < pooled_h && pw >= 0 && pw < pooled_w && \
                ph * stride_h - pad_h + kernel_h > h && pw * stride_w - pad_w + kernel_w > w)

// a / b for 0 <= a < 2^20: vectors have no integer division.
inline int quotient(const int a, const int b)
{
    return a < 1048576 ? (int)((a + 0.5f) / b) : a / b;
}

__kernel void max_forward(WINDOW, __global const Dtype *x, __global Dtype *y, __global int *index)
{
    OUTPUT_ITEM
    Dtype best = -FLT_MAX;
    int winner = -1;
    EACH_PIXEL(
        const Dtype value = x[at];
        winner = value > best ? at : winner;
        best = value > best ? value : best;)
    y[out] = empty ? (Dtype)-FLT_MAX : best;
    index[out] = empty ? -1 : winner;
}

__kernel void index_backward(WINDOW, __global const int *index, __global const Dtype *dy,
                             __global Dtype *dx, const int add)
{
    INPUT_ITEM
    Dtype sum = add ? dx[in] : 0;
    EACH_WINDOW {
        const int out = first + ph * pooled_w + pw;
        sum += index[out] == h * width + w ? dy[out] : 0;
    } }
    dx[in] = sum;
}

__kernel void ave_forward(WINDOW, __global const Dtype *x, __global Dtype *y, const int padding_counts)
{
    OUTPUT_ITEM
    Dtype sum = 0;
    EACH_PIXEL(sum += inside ? x[at] : 0;)
    y[out] = sum / area(ph, pw, SIZES, padding_counts);
}

__kernel void ave_backward(WINDOW, __global const Dtype *dy, __global Dtype *dx, const int padding_counts,
                           const int add)
{
    INPUT_ITEM
    Dtype sum = add ? dx[in] : 0;
    EACH_WINDOW sum += dy[first + ph * pooled_w + pw] / area(ph, pw, SIZES, padding_counts); }
    dx[in] = sum;
}

// A number in [0, 1) from a seed and the output's index, the same on every device.
inline float random_unit(const uint seed, const uint counter)
{
    uint z = seed ^ (counter * 0x9E3779B9u);
    z = (z ^ (z >> 16)) * 0x21F0AAADu;
    z = (z ^ (z >> 15)) * 0x735A2D97u;
    z ^= z >> 15;
    return (z >> 8) * (1.0f / 16777216.0f);
}

// y = x[i] with probability proportional to max(x[i], 0).
__kernel void stochastic_sample(WINDOW, __global const Dtype *x, __global Dtype *y, __global int *index,
                                const uint seed)
{
    OUTPUT_ITEM
    Dtype total = 0;
    EACH_PIXEL(total += inside ? max(x[at], (Dtype)0) : 0;)
    const Dtype target = random_unit(seed, out) * total;
    Dtype sum = 0;
    int winner = -1;
    EACH_PIXEL(
        // The first pixel stands in for a window without weight.
        const Dtype weight = inside ? max(x[at], (Dtype)0) : 0;
        if ((inside && winner < 0) || (weight > 0 && sum <= target)) winner = at;
        sum += weight;)
    y[out] = winner < 0 ? 0 : x[winner];
    index[out] = winner;
}

// y = sum w x / sum w with the weights w = max(x, 0), 0 for a window without weight; total = sum w.
__kernel void stochastic_mean(WINDOW, __global const Dtype *x, __global Dtype *y, __global Dtype *total)
{
    OUTPUT_ITEM
    Dtype sum = 0, squares = 0;
    EACH_PIXEL(
        const Dtype weight = inside ? max(x[at], (Dtype)0) : 0;
        sum += weight;
        squares += weight * weight;)
    y[out] = sum > 0 ? squares / sum : 0;
    total[out] = sum;
}

// dx = sum over the windows of dy (2 w - y) / total where x > 0.
__kernel void stochastic_mean_backward(WINDOW, __global const Dtype *x, __global const Dtype *y,
                                       __global const Dtype *total, __global const Dtype *dy,
                                       __global Dtype *dx)
{
    INPUT_ITEM
    Dtype sum = 0;
    EACH_WINDOW {
        const int out = first + ph * pooled_w + pw;
        if (total[out] > 0) sum += dy[out] * (2 * x[in] - y[out]) / total[out];
    } }
    dx[in] = x[in] > 0 ? sum : 0;
}

// The mask that a second top shows: the index of the maximum as a number.
__kernel void index_to_top(const int count, __global const int *index, __global Dtype *top)
{
    const size_t i = get_global_id(0);
    if (i < count) top[i] = index[i];
}
