// Convolution over two spatial axes on processors with vector units.
//   y[n, o, p] = bias[o] + sum over c, k of w[o, c, k] x[n, c, p stride - pad + k dilation]
// Host: engine/ops/fast_convolution.py; the plain form that these are tested against is im2col and a
// matrix product (engine/ops/convolution.py).
//
//   spread           copies x with its padding, one image per phase of the stride, so that what one tap of the
//                    window sees along a row of y lies without gaps; all strides are 1 from there on
//   pack_exchanged   the weights of backward_data, where bottom and top have changed places
//   convolve         forward and backward_data: panels of pixels times panels of filters
//   convolve_planes  the same where each channel has a filter of its own
//   weight_gradient  lane by lane products of rows of dy and x
//   weight_gradient_panels  the same by panels of taps, for many filters or few pixels
//   paint            adds what each pixel of the top gives to the bottom, where the stride is not 1
//
// A tap is one (c, kh, kw); taps[] holds how far after a pixel's first place in the spread image it reads.
// Each sum is made by one work item in an order that sizes alone decide, so results repeat.

#include "register_tile.h"

inline int ceil_div(int a, int b)
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

// to[plane, phase_h, phase_w, i, j] = from[plane, i stride_h + phase_h - pad_h, j stride_w + phase_w - pad_w],
// 0 outside. After each plane's phases zeros fill up to plane_size, after the last one `slack` more.
// Work items: (worker, phase_h); each worker takes its share of the planes.
__kernel void spread(const int planes, const int height, const int width, const int stride_h, const int stride_w,
                     const int pad_h, const int pad_w, const int rows, const int cols, const int phases_w,
                     const int plane_size, const int slack, __global const Dtype *from, __global Dtype *to)
{
    const long worker = get_global_id(0), workers = get_global_size(0);
    const int phase_h = get_global_id(1), phases_h = get_global_size(1);
    const int last = planes * (worker + 1) / workers;
    for (int plane = planes * worker / workers; plane < last; plane++) {
        __global Dtype *images = to + (size_t)plane * plane_size;
        for (int phase_w = 0; phase_w < phases_w; phase_w++) {
            __global Dtype *image = images + (phase_h * phases_w + phase_w) * rows * cols;
            // Columns begin to end of the copy are inside the image.
            const int begin = clamp(ceil_div(pad_w - phase_w, stride_w), 0, cols);
            const int end = clamp(ceil_div(width + pad_w - phase_w, stride_w), begin, cols);
            for (int i = 0; i < rows; i++) {
                __global Dtype *row = image + i * cols;
                const int h = i * stride_h + phase_h - pad_h;
                const int inside = h >= 0 && h < height;
                const int left = inside ? begin : cols, right = inside ? end : cols;
                __global const Dtype *source = from + (plane * height + h) * width + phase_w - pad_w;
                for (int j = 0; j < left; j++) row[j] = 0;
                if (stride_w == 1)
                    for (int j = left; j < right; j++) row[j] = source[j];
                else
                    for (int j = left; j < right; j++) row[j] = source[j * stride_w];
                for (int j = right; j < cols; j++) row[j] = 0;
            }
        }
        if (phase_h == phases_h - 1) {
            const int end = plane_size + (plane == planes - 1 ? slack : 0);
            for (int i = phases_h * phases_w * rows * cols; i < end; i++) images[i] = 0;
        }
    }
}

// panels[g, p, (o, k), i] = w[g group_output + o, p ROWS + i, k], where o counts a group's filters and k the
// window's pixels. Work items: (panel, group).
__kernel void pack_exchanged(const int group_channels, const int group_output, const int taps,
                             __global const Dtype *restrict w, __global Dtype *restrict panels)
{
    const int panel = get_global_id(0), group = get_global_id(1);
    w += (group * group_output * group_channels + panel * ROWS) * taps;
    panels += ((size_t)group * get_global_size(0) + panel) * group_output * taps * ROWS;
    const int filled = min(ROWS, group_channels - panel * ROWS);
    for (int o = 0; o < group_output; o++) {
        if (filled == ROWS)
            for (int k = 0; k < taps; k++)
                #pragma unroll
                for (int i = 0; i < ROWS; i++) panels[k * ROWS + i] = w[i * taps + k];
        else
            for (int k = 0; k < taps; k++)
                for (int i = 0; i < ROWS; i++) panels[k * ROWS + i] = i < filled ? w[i * taps + k] : 0;
        w += group_channels * taps;
        panels += taps * ROWS;
    }
}

// Pixels of all images in a row are cut into panels of COLS. A work item takes its share of the jobs (panel,
// part of the filters): it copies what the panel's pixels see into `work`, tap by tap, where it stays in the
// cache while all filters of the part are multiplied with it.
// x is spread, or plain where neither padding nor stride asks for more; x_count is its length: reads of whole
// vectors must not pass it. Weight (o, k) lies at w[o * w_start + i * w_row + k * w_k] for the tile's row i, where
// o is the tile's first filter: in panels, or as the layer has them, and then the last tile is drawn back to
// last_filter, so that it ends with the filters. Work items: (worker, group).
__kernel void convolve(const int depth, const int num, const int out_count, const int out_width,
                       const int group_output, const int parts,
                       __global const Dtype *restrict x, const int x_count, const int x_image, const int x_group,
                       const int x_width, __global const int *restrict taps, const int last_tap,
                       __global const Dtype *restrict w, const int w_group, const int w_start, const int w_row,
                       const int w_k, const int last_filter, __global const Dtype *restrict bias,
                       __global Dtype *restrict y, __global Dtype *restrict work)
{
    const int worker = get_global_id(0), workers = get_global_size(0);
    const int group = get_global_id(1), groups = get_global_size(1);
    const int total = num * out_count, tiles = (group_output + ROWS - 1) / ROWS;
    const long jobs = (long)((total + COLS - 1) / COLS) * parts;
    __global Dtype *panel = work + (size_t)(group * workers + worker) * (depth * COLS + LANES);
    x += group * x_group;
    const int readable = x_count - group * x_group;
    w += group * w_group;
    y += group * group_output * out_count;
    if (bias) bias += group * group_output;

    int packed = -1, filled = 0, whole = 0;
    int target[COLS];  // where each pixel of the panel goes in y, for filter 0
    for (int job = jobs * worker / workers; job < jobs * (worker + 1) / workers; job++) {
        if (job / parts != packed) {
            packed = job / parts;
            // Pieces of pixels that lie without gaps, each at most one register long.
            int from[COLS], at[COLS], pieces = 0;
            const int first = packed * COLS;
            filled = min(COLS, total - first);
            for (int j = 0; j < filled;) {
                const int n = (first + j) / out_count, p = (first + j) % out_count;
                const int i = p / out_width, col = p % out_width;
                const int length = min(min(out_width - col, filled - j), LANES);
                from[pieces] = n * x_image + i * x_width + col;
                at[pieces++] = j;
                for (int l = 0; l < length; l++) target[j + l] = n * groups * group_output * out_count + p + l;
                j += length;
            }
            whole = filled == COLS && target[COLS - 1] - target[0] == COLS - 1;
            if (from[pieces - 1] + last_tap + LANES > readable) {
                // At the end of x: no more than what is there.
                for (int k = 0; k < depth; k++)
                    for (int r = 0; r < pieces; r++) {
                        const int length = (r + 1 < pieces ? at[r + 1] : filled) - at[r];
                        for (int l = 0; l < length; l++) panel[k * COLS + at[r] + l] = x[from[r] + taps[k] + l];
                    }
            } else {
                // A store may run over into the next piece, which is written later.
                #define COPY(r) store(load(0, x + from[r] + taps[k]), 0, panel + k * COLS + at[r])
                if (pieces == 2)
                    for (int k = 0; k < depth; k++) { COPY(0); COPY(1); }
                else if (pieces == 3)
                    for (int k = 0; k < depth; k++) { COPY(0); COPY(1); COPY(2); }
                else if (pieces == 4)
                    for (int k = 0; k < depth; k++) { COPY(0); COPY(1); COPY(2); COPY(3); }
                else
                    for (int k = 0; k < depth; k++)
                        for (int r = 0; r < pieces; r++) COPY(r);
            }
        }
        const int part = job % parts;
        for (int tile = tiles * part / parts; tile < tiles * (part + 1) / parts; tile++) {
            // A filter that the tile before has made as well gets the same value once more from another worker
            // at most: both write the same.
            const int o = min(tile * ROWS, last_filter);
            __global const Dtype *a = w + (size_t)o * w_start, *b = panel;
            Vector sum[ROWS][VECTORS];
            #pragma unroll
            for (int i = 0; i < ROWS; i++) {
                const Dtype start = bias && o + i < group_output ? bias[o + i] : 0;
                #pragma unroll
                for (int j = 0; j < VECTORS; j++) sum[i][j] = start;
            }
            for (int k = 0; k < depth; k++) {
                add_products(sum, a, w_row, b);
                a += w_k;
                b += COLS;
            }
            __global Dtype *to = y + o * out_count;
            if (whole) {
                #pragma unroll
                for (int i = 0; i < ROWS; i++)
                    if (o + i < group_output)
                        #pragma unroll
                        for (int j = 0; j < VECTORS; j++)
                            store(sum[i][j], j, to + target[0] + i * out_count);
            } else {
                #pragma unroll
                for (int i = 0; i < ROWS; i++)
                    if (o + i < group_output) {
                        Dtype lanes[COLS];
                        #pragma unroll
                        for (int j = 0; j < VECTORS; j++) store(sum[i][j], j, lanes);
                        for (int j = 0; j < filled; j++) to[target[j] + i * out_count] = lanes[j];
                    }
            }
        }
    }
}

// Depthwise: filter c sees channel c only. Rows of y are made DEEP at a time, so that a weight is read once for
// them. x is spread, with slack for whole vectors. Work items: (image * channels + channel).
#define DEEP 4
__kernel void convolve_planes(const int channels, const int taps_count, const int out_height, const int out_width,
                              __global const Dtype *x, const int x_plane, const int x_width,
                              __global const int *taps, __global const Dtype *w, __global const Dtype *bias,
                              __global Dtype *y)
{
    const int plane = get_global_id(0), c = plane % channels;
    x += (size_t)plane * x_plane;
    y += plane * out_height * out_width;
    w += c * taps_count;
    const Vector start = bias ? bias[c] : 0;
    for (int i = 0; i < out_height; i += DEEP)
        for (int col = 0; col < out_width; col += LANES) {
            Vector sum[DEEP];
            #pragma unroll
            for (int r = 0; r < DEEP; r++) sum[r] = start;
            __global const Dtype *corner = x + i * x_width + col;
            for (int k = 0; k < taps_count; k++) {
                const Vector weight = w[k];
                __global const Dtype *from = corner + taps[k];
                #pragma unroll
                for (int r = 0; r < DEEP; r++) sum[r] = fma(weight, load(0, from + r * x_width), sum[r]);
            }
            const int length = min(LANES, out_width - col);
            #pragma unroll
            for (int r = 0; r < DEEP; r++)
                if (i + r < out_height) {
                    __global Dtype *to = y + (i + r) * out_width + col;
                    if (length == LANES) {
                        store(sum[r], 0, to);
                    } else {
                        Dtype lanes[LANES];
                        store(sum[r], 0, lanes);
                        for (int l = 0; l < length; l++) to[l] = lanes[l];
                    }
                }
        }
}

// dw[o, tap] += sum over n, q of dy[n, o, q] x[n, q + taps[tap]], where dy has rows as wide as the spread x
// and zeros after each, so that q runs over whole planes.
// Work items: (tile of B_LINES taps, tile of A_LINES filters, group).
__kernel void weight_gradient(const int depth, const int num, const int group_output, const int length,
                              __global const Dtype *x, const int x_image, const int x_group,
                              __global const int *taps, __global const Dtype *dy, const int dy_plane,
                              __global Dtype *dw)
{
    const int k = get_global_id(0) * B_LINES, o = get_global_id(1) * A_LINES;
    const int group = get_global_id(2), filters = get_global_size(2) * group_output;
    // Behind the last tap or filter the last one is repeated, and not stored.
    __global const Dtype *v_at[B_LINES], *u_at[A_LINES];
    #pragma unroll
    for (int j = 0; j < B_LINES; j++) v_at[j] = x + group * x_group + taps[min(k + j, depth - 1)];
    #pragma unroll
    for (int i = 0; i < A_LINES; i++)
        u_at[i] = dy + (size_t)(group * group_output + min(o + i, group_output - 1)) * dy_plane;
    Vector sum[A_LINES][B_LINES];
    clear_lines(sum);
    for (int n = 0; n < num; n++) {
        for (int q = 0; q < length; q += LANES) add_line_products(sum, u_at, v_at, q);
        #pragma unroll
        for (int j = 0; j < B_LINES; j++) v_at[j] += x_image;
        #pragma unroll
        for (int i = 0; i < A_LINES; i++) u_at[i] += filters * dy_plane;
    }
    #pragma unroll
    for (int i = 0; i < A_LINES; i++)
        #pragma unroll
        for (int j = 0; j < B_LINES; j++)
            if (o + i < group_output && k + j < depth)
                dw[(group * group_output + o + i) * depth + k + j] += sum_lanes(sum[i][j]);
}

// dw[o, tap] += sum over n, p of dy[n, o, p] x[n, p + taps[tap]] by panels of COLS taps: a work item takes its share
// of the jobs (panel, part of the filters) and copies what the panel's taps see of `block` images into `work`,
// pixel by pixel, where it stays in the cache while all filters of the part are multiplied with it.
// The last tile of filters is drawn back to end with them; rows that another tile has made are left out.
// Work items: (worker, group).
__kernel void weight_gradient_panels(const int depth, const int num, const int block, const int out_height,
                                     const int out_width, const int group_output, const int parts,
                                     __global const Dtype *restrict x, const int x_image, const int x_group,
                                     const int x_width, __global const int *restrict taps,
                                     __global const Dtype *restrict dy, __global Dtype *restrict dw,
                                     __global Dtype *restrict work)
{
    const int worker = get_global_id(0), workers = get_global_size(0);
    const int group = get_global_id(1), filters = get_global_size(1) * group_output;
    const int out_count = out_height * out_width, tiles = (group_output + ROWS - 1) / ROWS;
    const long jobs = (long)((depth + COLS - 1) / COLS) * parts;
    __global Dtype *panel = work + (size_t)(group * workers + worker) * block * out_count * COLS;
    x += group * x_group;
    dy += group * group_output * out_count;
    dw += group * group_output * depth;
    for (int job = jobs * worker / workers; job < jobs * (worker + 1) / workers; job++) {
        const int first = job / parts * COLS, filled = min(COLS, depth - first), part = job % parts;
        int tap[COLS];
        for (int t = 0; t < COLS; t++) tap[t] = taps[min(first + t, depth - 1)];
        for (int begin = 0; begin < num; begin += block) {
            const int end = min(begin + block, num);
            __global Dtype *to = panel;
            for (int n = begin; n < end; n++)
                for (int i = 0; i < out_height; i++) {
                    __global const Dtype *from = x + (size_t)n * x_image + i * x_width;
                    for (int j = 0; j < out_width; j++) {
                        for (int t = 0; t < COLS; t++) to[t] = from[tap[t] + j];
                        to += COLS;
                    }
                }
            for (int tile = tiles * part / parts; tile < tiles * (part + 1) / parts; tile++) {
                const int o = min(tile * ROWS, group_output - ROWS), skip = tile * ROWS - o;
                __global const Dtype *b = panel;
                Vector sum[ROWS][VECTORS];
                clear_tile(sum);
                for (int n = begin; n < end; n++) {
                    __global const Dtype *a = dy + ((size_t)n * filters + o) * out_count;
                    for (int p = 0; p < out_count; p++) {
                        add_products(sum, a++, out_count, b);
                        b += COLS;
                    }
                }
                #pragma unroll
                for (int i = 0; i < ROWS; i++)
                    if (i >= skip) {
                        __global Dtype *row = dw + (o + i) * depth + first;
                        if (filled == COLS) {
                            #pragma unroll
                            for (int j = 0; j < VECTORS; j++) store(load(j, row) + sum[i][j], j, row);
                        } else {
                            Dtype lanes[COLS];
                            #pragma unroll
                            for (int j = 0; j < VECTORS; j++) store(sum[i][j], j, lanes);
                            for (int t = 0; t < filled; t++) row[t] += lanes[t];
                        }
                    }
            }
        }
    }
}

inline int first_inside(int from, int stride)
{
    return max(0, ceil_div(-from, stride));
}

// dx[plane, o stride - pad + k dilation] += w[c, k] dy[plane, o]           if there is w (depthwise), else
//                                        += columns[plane, k, o]
// A work item paints whole planes, so that no two write one place. Work items: planes, from plane_offset of dx.
__kernel void paint(const int height, const int width, const int kernel_h, const int kernel_w,
                    const int stride_h, const int stride_w, const int pad_h, const int pad_w,
                    const int dilation_h, const int dilation_w, const int out_height, const int out_width,
                    const int channels, __global const Dtype *from, __global const Dtype *w,
                    __global Dtype *dx, const int plane_offset)
{
    const int plane = get_global_id(0), out_count = out_height * out_width, taps = kernel_h * kernel_w;
    dx += (size_t)(plane + plane_offset) * height * width;
    from += (size_t)plane * out_count * (w ? 1 : taps);
    if (w) w += plane % channels * taps;
    for (int i = 0; i < height * width; i++) dx[i] = 0;
    for (int k = 0; k < taps; k++) {
        const int h = k / kernel_w * dilation_h - pad_h, col = k % kernel_w * dilation_w - pad_w;
        const int top = first_inside(h, stride_h), left = first_inside(col, stride_w);
        const int bottom = min(out_height, ceil_div(height - h, stride_h));
        const int right = min(out_width, ceil_div(width - col, stride_w));
        const Dtype weight = w ? w[k] : 1;
        for (int i = top; i < bottom; i++) {
            __global Dtype *to = dx + (h + i * stride_h) * width + col;
            __global const Dtype *source = from + i * out_width;
            if (stride_w == 1)
                for (int j = left; j < right; j++) to[j] += weight * source[j];
            else
                for (int j = left; j < right; j++) to[j * stride_w] += weight * source[j];
        }
        if (!w) from += out_count;
    }
}
