// C = alpha op(A) op(B) + beta C on processors with vector units, where one work item makes a large tile of C
// in registers. Host: engine/ops/matrix_product.py.
//
//   pack           copies op(A) or op(B) into panels, so that a tile reads both without a gap
//   product_tile   one tile of C from a panel of A and a panel of B, or from matrices that lie right already
//   product_rows   one tile of C where both matrices run along k: their rows are multiplied lane by lane
//
// A tile is ROWS x COLS elements, COLS = VECTORS * LANES. Sums run in an order that sizes alone decide, so
// results repeat. Rows of C lie c_row elements apart. C is not read where beta is 0, so it may hold anything.

#include "register_tile.h"

// panels[p][l][i] = matrix[(p * width + i) * step + l * k_step], 0 after the end of the matrix.
// Work items: (panel, part of k, product of the batch).
__kernel void pack(const int count, const int width, const int k,
                   __global const Dtype *matrix, const int offset, const int step, const int k_step,
                   const int batch_step, __global Dtype *panels)
{
    const int first = get_global_id(0) * width, filled = min(width, count - first);
    const long part = get_global_id(1), parts = get_global_size(1);
    matrix += offset + get_global_id(2) * batch_step + first * step;
    panels += (get_global_id(2) * get_global_size(0) + get_global_id(0)) * (size_t)k * width;
    const int end = k * (part + 1) / parts;
    for (int l = k * part / parts; l < end; l++) {
        __global const Dtype *from = matrix + l * k_step;
        __global Dtype *to = panels + l * width;
        if (step == 1)
            for (int i = 0; i < filled; i++) to[i] = from[i];
        else
            for (int i = 0; i < filled; i++) to[i] = from[i * step];
        for (int i = filled; i < width; i++) to[i] = 0;
    }
}

inline void store_lanes(Vector value, int from, int to, __global Dtype *c, Dtype alpha, Dtype beta)
{
    Dtype lanes[LANES];
    store(value, 0, lanes);
    for (int j = from; j < to; j++) {
        const Dtype product = alpha * lanes[j];
        c[j] = beta == 0 ? product : fma(beta, c[j], product);
    }
}

// The tile's rows begin at row = min(tile * ROWS, last_row): in a matrix that is read where it lies the last
// tile is drawn back so that it ends with the matrix, and rows that the tile before makes are not stored
// again; packed panels end in zeros instead, and last_row is no limit. Element (row + i, l) of A lies at
// a[row * a_start + i * a_row + l * a_k]; columns and B likewise, with lanes next to each other.
// Work items: (tile row, tile column, product of the batch).
__kernel void product_tile(const int m, const int n, const int k,
                           __global const Dtype *a, const int a_offset, const int last_row,
                           const int a_start, const int a_row, const int a_k, const int a_step,
                           __global const Dtype *b, const int b_offset, const int last_col,
                           const int b_start, const int b_k, const int b_step,
                           __global Dtype *c, const int c_offset, const int c_row, const int c_step,
                           const Dtype alpha, const Dtype beta)
{
    const int tile_row = get_global_id(0) * ROWS, tile_col = get_global_id(1) * COLS, batch = get_global_id(2);
    const int row = min(tile_row, last_row), row_skip = tile_row - row;
    const int col = min(tile_col, last_col), col_skip = tile_col - col;
    a += a_offset + (size_t)batch * a_step + (size_t)row * a_start;
    b += b_offset + (size_t)batch * b_step + (size_t)col * b_start;
    c += c_offset + (size_t)batch * c_step + (size_t)row * c_row + col;

    Vector sum[ROWS][VECTORS];
    clear_tile(sum);
    for (int l = 0; l < k; l++) {
        add_products(sum, a, a_row, b);
        a += a_k;
        b += b_k;
    }
    const int rows = min(ROWS, m - row), cols = min(COLS, n - col);
    if (col_skip == 0 && cols == COLS) {
        #pragma unroll
        for (int i = 0; i < ROWS; i++)
            if (i >= row_skip && i < rows)
                #pragma unroll
                for (int j = 0; j < VECTORS; j++) {
                    const Vector product = alpha * sum[i][j];
                    store(beta == 0 ? product : fma((Vector)beta, load(j, c + i * c_row), product), j, c + i * c_row);
                }
    } else {
        #pragma unroll
        for (int i = 0; i < ROWS; i++)
            if (i >= row_skip && i < rows)
                #pragma unroll
                for (int j = 0; j < VECTORS; j++)
                    store_lanes(sum[i][j], max(col_skip - j * LANES, 0), min(cols - j * LANES, LANES),
                                c + i * c_row + j * LANES, alpha, beta);
    }
}

// For A and B where k steps by one element in both: a row of A and a column of B are without gaps.
// Work items: (tile row of A_LINES, tile column of B_LINES, product of the batch).
__kernel void product_rows(const int m, const int n, const int k,
                           __global const Dtype *a, const int a_offset, const int a_row, const int a_step,
                           __global const Dtype *b, const int b_offset, const int b_col, const int b_step,
                           __global Dtype *c, const int c_offset, const int c_row, const int c_step,
                           const Dtype alpha, const Dtype beta)
{
    const int row = get_global_id(0) * A_LINES, col = get_global_id(1) * B_LINES, batch = get_global_id(2);
    a += a_offset + (size_t)batch * a_step;
    b += b_offset + (size_t)batch * b_step;
    c += c_offset + (size_t)batch * c_step;
    // Rows after the end repeat the last one and are not stored.
    __global const Dtype *x[A_LINES], *y[B_LINES];
    #pragma unroll
    for (int i = 0; i < A_LINES; i++) x[i] = a + (size_t)min(row + i, m - 1) * a_row;
    #pragma unroll
    for (int j = 0; j < B_LINES; j++) y[j] = b + (size_t)min(col + j, n - 1) * b_col;

    Vector sum[A_LINES][B_LINES];
    clear_lines(sum);
    int l = 0;
    for (; l + LANES <= k; l += LANES) add_line_products(sum, x, y, l);
    if (l < k) {
        Vector u[A_LINES];
        #pragma unroll
        for (int i = 0; i < A_LINES; i++) u[i] = load_some(x[i] + l, k - l);
        #pragma unroll
        for (int j = 0; j < B_LINES; j++) {
            const Vector v = load_some(y[j] + l, k - l);
            #pragma unroll
            for (int i = 0; i < A_LINES; i++) sum[i][j] = fma(u[i], v, sum[i][j]);
        }
    }
    #pragma unroll
    for (int i = 0; i < A_LINES; i++)
        #pragma unroll
        for (int j = 0; j < B_LINES; j++)
            if (row + i < m && col + j < n) {
                __global Dtype *to = c + (size_t)(row + i) * c_row + col + j;
                const Dtype product = alpha * sum_lanes(sum[i][j]);
                *to = beta == 0 ? product : fma(beta, *to, product);
            }
}
