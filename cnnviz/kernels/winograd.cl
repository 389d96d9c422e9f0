// Convolution with 3 x 3 windows by Winograd's F(4 x 4, 3 x 3): a tile of 4 x 4 outputs takes 36 products per
// channel instead of 144.
//   y tile = A' [ sum over c of (G w G') (B' x tile B) ] A,   tile (r, t) of x begins at (4 r - pad, 4 t - pad)
// Host: engine/ops/winograd.py. The sums over c are 36 matrix products (matrix_product.cl).
//
//   winograd_weights  U[xi, o, c], xi = 6 i + j the place in the 6 x 6 tile
//   winograd_bottom   V[xi, panel, c, i]: tiles in panels of COLS, as product_tile reads them
//   winograd_top      y + bias from M[xi, o, tile]
//
// x is spread as by a stride of 4 (convolution.cl), so that neighbouring tiles are neighbours in memory and share
// a vector. Tiles are numbered row by row through all images; a launch makes tile rows first to last of them.

#include "register_tile.h"

// One row of G times (a, b, c): points 0, 1, -1, 2, -2 and infinity.
inline void spread_weights(const Dtype a, const Dtype b, const Dtype c, Dtype *u, const int step)
{
    const Dtype even = (a + c) * ((Dtype)-1 / 6), odd = b * ((Dtype)-1 / 6);
    const Dtype even2 = a * ((Dtype)1 / 24) + c * ((Dtype)1 / 6), odd2 = b * ((Dtype)1 / 12);
    u[0] = a / 4;
    u[step] = even + odd;
    u[2 * step] = even - odd;
    u[3 * step] = even2 + odd2;
    u[4 * step] = even2 - odd2;
    u[5 * step] = c;
}

// Weight (o, c, k) lies at w[o * o_step + c * c_step + k], or with k from the end where `turned`.
// Work items: (c, o).
__kernel void winograd_weights(const int o_step, const int c_step, const int turned,
                               __global const Dtype *restrict w, __global Dtype *restrict u)
{
    const size_t c = get_global_id(0), o = get_global_id(1);
    const size_t step = get_global_size(0) * get_global_size(1), at = o * get_global_size(0) + c;
    w += o * o_step + c * c_step;
    Dtype half_done[18], done[36];
    #pragma unroll
    for (int j = 0; j < 3; j++)
        spread_weights(w[turned ? 8 - j : j], w[turned ? 5 - j : 3 + j], w[turned ? 2 - j : 6 + j],
                       half_done + j, 3);
    #pragma unroll
    for (int i = 0; i < 6; i++)
        spread_weights(half_done[3 * i], half_done[3 * i + 1], half_done[3 * i + 2], done + 6 * i, 1);
    #pragma unroll
    for (int xi = 0; xi < 36; xi++) u[xi * step + at] = done[xi];
}

#define BOTTOM_LINE(s0, s1, s2, s3, s4, s5) { \
    const Vector even = s4 - 4 * s2, odd = s3 - 4 * s1, even2 = s4 - s2, odd2 = 2 * (s3 - s1); \
    s0 = 4 * s0 - 5 * s2 + s4; \
    s5 = 4 * s1 - 5 * s3 + s5; \
    s1 = even + odd; \
    s2 = even - odd; \
    s3 = even2 + odd2; \
    s4 = even2 - odd2; }

// Work items: (c, part of the tile rows).
__kernel void winograd_bottom(const int first, const int last, const int tile_rows, const int tile_cols,
                              const int panels, const int x_image, const int x_plane, const int x_width,
                              __global const Dtype *restrict x, __global Dtype *restrict v)
{
    const int c = get_global_id(0), channels = get_global_size(0);
    const int part = get_global_id(1), parts = get_global_size(1);
    const int rows = last - first, tiles_of_image = tile_rows * tile_cols;
    const int phase = (tile_rows + 1) * x_width;
    for (int row = first + rows * part / parts; row < first + rows * (part + 1) / parts; row++) {
        const int n = row / tile_rows, r = row % tile_rows;
        for (int t = 0; t < tile_cols; t += LANES) {
            __global const Dtype *from = x + (size_t)n * x_image + c * x_plane + r * x_width + t;
            Vector d[6][6];
            #pragma unroll
            for (int i = 0; i < 6; i++)
                #pragma unroll
                for (int j = 0; j < 6; j++)
                    d[i][j] = load(0, from + (i % 4 * 4 + j % 4) * phase + i / 4 * x_width + j / 4);
            #pragma unroll
            for (int i = 0; i < 6; i++) BOTTOM_LINE(d[i][0], d[i][1], d[i][2], d[i][3], d[i][4], d[i][5])
            #pragma unroll
            for (int j = 0; j < 6; j++) BOTTOM_LINE(d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j])
            const int tile = (row - first) * tile_cols + t, length = min(LANES, tile_cols - t);
            const int panel = tile / COLS, at = tile % COLS;
            const size_t step = (size_t)panels * channels * COLS;
            __global Dtype *to = v + ((size_t)panel * channels + c) * COLS + at;
            if (length == LANES && at + LANES <= COLS) {
                #pragma unroll
                for (int xi = 0; xi < 36; xi++) store(d[xi / 6][xi % 6], 0, to + xi * step);
            } else {
                const int here = min(length, COLS - at);
                #pragma unroll
                for (int xi = 0; xi < 36; xi++) {
                    Dtype lanes[LANES];
                    store(d[xi / 6][xi % 6], 0, lanes);
                    for (int l = 0; l < here; l++) to[xi * step + l] = lanes[l];
                    // The rest begins the next panel.
                    for (int l = here; l < length; l++) to[xi * step + (channels - 1) * COLS + l] = lanes[l];
                }
            }
        }
    }
}

#define TOP_LINE(s0, s1, s2, s3, s4, s5) { \
    const Vector sum = s1 + s2, difference = s1 - s2, sum2 = s3 + s4, difference2 = s3 - s4; \
    s0 = s0 + sum + sum2; \
    s1 = difference + 2 * difference2; \
    s2 = sum + 4 * sum2; \
    s3 = difference + 8 * difference2 + s5; }

// m has `count` tiles in a row. Work items: (o, part of the tile rows).
__kernel void winograd_top(const int first, const int last, const int tile_rows, const int tile_cols,
                           const int count, const int height, const int width,
                           __global const Dtype *restrict m, __global const Dtype *restrict bias,
                           __global Dtype *restrict y)
{
    const int o = get_global_id(0), outputs = get_global_size(0);
    const int part = get_global_id(1), parts = get_global_size(1);
    const int rows = last - first;
    const size_t step = (size_t)outputs * count;
    const Dtype start = bias ? bias[o] : 0;
    for (int row = first + rows * part / parts; row < first + rows * (part + 1) / parts; row++) {
        const int n = row / tile_rows, r = row % tile_rows;
        __global Dtype *plane = y + ((size_t)n * outputs + o) * height * width;
        for (int t = 0; t < tile_cols; t += LANES) {
            __global const Dtype *from = m + (size_t)o * count + (row - first) * tile_cols + t;
            Vector d[6][6];
            #pragma unroll
            for (int xi = 0; xi < 36; xi++) d[xi / 6][xi % 6] = load(0, from + xi * step);
            #pragma unroll
            for (int i = 0; i < 6; i++) TOP_LINE(d[i][0], d[i][1], d[i][2], d[i][3], d[i][4], d[i][5])
            #pragma unroll
            for (int j = 0; j < 4; j++) TOP_LINE(d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j])
            #pragma unroll
            for (int i = 0; i < 4; i++)
                if (4 * r + i < height) {
                    Dtype lanes[4][LANES];
                    #pragma unroll
                    for (int j = 0; j < 4; j++) store(d[i][j] + start, 0, lanes[j]);
                    __global Dtype *to = plane + (4 * r + i) * width + 4 * t;
                    const int pixels = min(4 * LANES, width - 4 * t);
                    if (pixels == 4 * LANES)
                        for (int l = 0; l < LANES; l++) {
                            to[4 * l] = lanes[0][l];
                            to[4 * l + 1] = lanes[1][l];
                            to[4 * l + 2] = lanes[2][l];
                            to[4 * l + 3] = lanes[3][l];
                        }
                    else
                        for (int p = 0; p < pixels; p++) to[p] = lanes[p % 4][p / 4];
                }
        }
    }
}
