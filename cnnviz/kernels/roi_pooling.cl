// Pooling of regions: rois[r] = (item, x1, y1, x2, y2), in pixels of the image; scale: pixels of the bottom
// per pixel of the image. A region of an item that does not exist gives 0 and no gradient.
// Host: engine/layers/roi_pooling.py. Forward: one work item per output. Backward: one per plane of the
// bottom, which takes the regions in their order, so results repeat. Not in place.

#ifndef Dtype
#define Dtype float
#endif

#define ARGS const int rois_count, const int num, const int channels, const int height, const int width, \
             const int pooled_h, const int pooled_w, const Dtype scale, __global const Dtype *rois

// The rounded corner and size of a region; at least 1 pixel.
#define REGION(r) \
    __global const Dtype *roi = rois + 5 * (r); \
    const int item = (int)roi[0]; \
    const int x0 = (int)round(roi[1] * scale), y0 = (int)round(roi[2] * scale); \
    const Dtype bin_w = (Dtype)max((int)round(roi[3] * scale) - x0 + 1, 1) / pooled_w; \
    const Dtype bin_h = (Dtype)max((int)round(roi[4] * scale) - y0 + 1, 1) / pooled_h;

// y[r, c, i, j] = maximum of its bin, the first one wins; an empty bin gives 0 and index -1.
__kernel void roi_pooling_forward(ARGS, __global const Dtype *x, __global Dtype *y, __global int *index)
{
    const int out = get_global_id(0);
    if (out >= rois_count * channels * pooled_h * pooled_w) return;
    const int j = out % pooled_w, i = out / pooled_w % pooled_h, c = out / pooled_w / pooled_h % channels;
    REGION(out / pooled_w / pooled_h / channels)
    const int top = clamp((int)floor(i * bin_h) + y0, 0, height);
    const int bottom = clamp((int)ceil((i + 1) * bin_h) + y0, 0, height);
    const int left = clamp((int)floor(j * bin_w) + x0, 0, width);
    const int right = clamp((int)ceil((j + 1) * bin_w) + x0, 0, width);
    const int exists = item >= 0 && item < num && bottom > top && right > left;
    Dtype best = exists ? -FLT_MAX : 0;
    int at = -1;
    if (exists) {
        __global const Dtype *plane = x + ((size_t)item * channels + c) * height * width;
        for (int h = top; h < bottom; ++h)
            for (int w = left; w < right; ++w)
                if (plane[h * width + w] > best) {
                    best = plane[h * width + w];
                    at = h * width + w;
                }
    }
    y[out] = best;
    index[out] = at;
}

__kernel void roi_pooling_backward(ARGS, __global const int *index, __global const Dtype *dy,
                                   __global Dtype *dx)
{
    const int plane = get_global_id(0);
    if (plane >= num * channels) return;
    const int n = plane / channels, c = plane % channels, bins = pooled_h * pooled_w;
    dx += (size_t)plane * height * width;
    for (int k = 0; k < height * width; ++k) dx[k] = 0;
    for (int r = 0; r < rois_count; ++r) {
        if ((int)rois[5 * r] != n) continue;
        for (int k = (r * channels + c) * bins; k < (r * channels + c + 1) * bins; ++k)
            if (index[k] >= 0) dx[index[k]] += dy[k];
    }
}

// Position-sensitive: output (c, i, j) averages its bin of the bottom's channel
// (c pooled_h + i) pooled_w + j.
// The region keeps its fractions: from round(x1) scale to (round(x2) + 1) scale, at least 0.1 wide.
#define FINE_REGION(r) \
    __global const Dtype *roi = rois + 5 * (r); \
    const int item = (int)roi[0]; \
    const Dtype x0 = round(roi[1]) * scale, y0 = round(roi[2]) * scale; \
    const Dtype bin_w = fmax((round(roi[3]) + 1) * scale - x0, (Dtype)0.1) / pooled_w; \
    const Dtype bin_h = fmax((round(roi[4]) + 1) * scale - y0, (Dtype)0.1) / pooled_h;
#define FINE_BIN(i, j) \
    const int top = clamp((int)floor((i) * bin_h + y0), 0, height); \
    const int bottom = clamp((int)ceil(((i) + 1) * bin_h + y0), 0, height); \
    const int left = clamp((int)floor((j) * bin_w + x0), 0, width); \
    const int right = clamp((int)ceil(((j) + 1) * bin_w + x0), 0, width);

__kernel void psroi_pooling_forward(ARGS, __global const Dtype *x, __global Dtype *y)
{
    const int out = get_global_id(0), bins = pooled_h * pooled_w, tops = channels / bins;
    if (out >= rois_count * tops * bins) return;
    const int j = out % pooled_w, i = out / pooled_w % pooled_h, c = out / bins % tops;
    FINE_REGION(out / bins / tops)
    FINE_BIN(i, j)
    Dtype sum = 0;
    if (item >= 0 && item < num && bottom > top && right > left) {
        const int channel = c * bins + i * pooled_w + j;
        __global const Dtype *plane = x + ((size_t)item * channels + channel) * height * width;
        for (int h = top; h < bottom; ++h)
            for (int w = left; w < right; ++w) sum += plane[h * width + w];
        sum /= (bottom - top) * (right - left);
    }
    y[out] = sum;
}

__kernel void psroi_pooling_backward(ARGS, __global const Dtype *dy, __global Dtype *dx)
{
    const int plane = get_global_id(0), bins = pooled_h * pooled_w;
    if (plane >= num * channels) return;
    const int n = plane / channels, channel = plane % channels;
    const int j = channel % pooled_w, i = channel / pooled_w % pooled_h;
    dx += (size_t)plane * height * width;
    for (int k = 0; k < height * width; ++k) dx[k] = 0;
    for (int r = 0; r < rois_count; ++r) {
        FINE_REGION(r)
        if (item != n) continue;
        FINE_BIN(i, j)
        // Channels count (c, i, j) in the order of the outputs.
        const Dtype part = dy[r * channels + channel] / max((bottom - top) * (right - left), 1);
        for (int h = top; h < bottom; ++h)
            for (int w = left; w < right; ++w) dx[h * width + w] += part;
    }
}

// Aligned: output (c, i, j) averages x at points_h x points_w places spread evenly over its bin, each
// interpolated between its four neighbours, 0 where it lies more than a pixel outside of the plane.
#define ALIGNED_REGION(r) \
    __global const Dtype *roi = rois + 5 * (r); \
    const int item = (int)roi[0]; \
    const Dtype x0 = roi[1] * scale, y0 = roi[2] * scale; \
    const Dtype bin_w = fmax(roi[3] * scale - x0, (Dtype)1) / pooled_w; \
    const Dtype bin_h = fmax(roi[4] * scale - y0, (Dtype)1) / pooled_h; \
    const int points_w = points > 0 ? points : (int)fmin(fmax(ceil(bin_w), (Dtype)1), (Dtype)width); \
    const int points_h = points > 0 ? points : (int)fmin(fmax(ceil(bin_h), (Dtype)1), (Dtype)height); \
    const int exists = item >= 0 && item < num;

// The neighbours of a place along one axis, and the share of the higher one; whether the place counts.
static int neighbours(Dtype at, const int size, int *low, int *high, Dtype *share)
{
    if (!(at >= -1 && at <= size)) return 0;
    at = fmax(at, (Dtype)0);
    *low = min((int)at, size - 1);
    *high = min(*low + 1, size - 1);
    *share = *low < size - 1 ? at - *low : 0;
    return 1;
}

__kernel void roi_align_forward(ARGS, const int points, __global const Dtype *x, __global Dtype *y)
{
    const int out = get_global_id(0);
    if (out >= rois_count * channels * pooled_h * pooled_w) return;
    const int j = out % pooled_w, i = out / pooled_w % pooled_h, c = out / pooled_w / pooled_h % channels;
    ALIGNED_REGION(out / pooled_w / pooled_h / channels)
    if (!exists) {
        y[out] = 0;
        return;
    }
    Dtype sum = 0;
    __global const Dtype *plane = x + ((size_t)item * channels + c) * height * width;
    for (int v = 0; v < points_h; ++v) {
        int top, bottom;
        Dtype below;
        const Dtype y_at = y0 + (i + (v + (Dtype)0.5) / points_h) * bin_h;
        if (!neighbours(y_at, height, &top, &bottom, &below)) continue;
        for (int u = 0; u < points_w; ++u) {
            int left, right;
            Dtype beyond;
            const Dtype x_at = x0 + (j + (u + (Dtype)0.5) / points_w) * bin_w;
            if (!neighbours(x_at, width, &left, &right, &beyond)) continue;
            const Dtype up = (1 - beyond) * plane[top * width + left] + beyond * plane[top * width + right];
            const Dtype low = (1 - beyond) * plane[bottom * width + left] + beyond * plane[bottom * width + right];
            sum += (1 - below) * up + below * low;
        }
    }
    y[out] = sum / ((Dtype)points_h * points_w);
}

__kernel void roi_align_backward(ARGS, const int points, __global const Dtype *dy, __global Dtype *dx)
{
    const int plane = get_global_id(0);
    if (plane >= num * channels) return;
    const int n = plane / channels, c = plane % channels;
    dx += (size_t)plane * height * width;
    for (int k = 0; k < height * width; ++k) dx[k] = 0;
    for (int r = 0; r < rois_count; ++r) {
        ALIGNED_REGION(r)
        if (!exists || item != n) continue;
        for (int v = 0; v < pooled_h * points_h; ++v) {
            int top, bottom;
            Dtype below;
            if (!neighbours(y0 + (v + (Dtype)0.5) / points_h * bin_h, height, &top, &bottom, &below)) continue;
            for (int u = 0; u < pooled_w * points_w; ++u) {
                int left, right;
                Dtype beyond;
                const Dtype x_at = x0 + (u + (Dtype)0.5) / points_w * bin_w;
                if (!neighbours(x_at, width, &left, &right, &beyond)) continue;
                const size_t row = (((size_t)r * channels + c) * pooled_h + v / points_h) * pooled_w;
                const Dtype part = dy[row + u / points_w] / ((Dtype)points_h * points_w);
                dx[top * width + left] += (1 - below) * (1 - beyond) * part;
                dx[top * width + right] += (1 - below) * beyond * part;
                dx[bottom * width + left] += below * (1 - beyond) * part;
                dx[bottom * width + right] += below * beyond * part;
            }
        }
    }
}
