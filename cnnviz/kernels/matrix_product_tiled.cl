// C = alpha op(A) op(B) + beta C on devices of many small cores, where a work group shares tiles of A and B
// in local memory. Host: engine/ops/matrix_product.py.
//
// op(A) is m x k: element (i, l) lies at a[a_offset + i * a_row + l * a_col]; op(B) is k x n likewise;
// C is row-major, its rows c_row elements apart. A transposed matrix is the same memory with its two strides swapped.
// Work items: group (x, y) of SIDE x SIDE items makes the TILE x TILE block of C at column x * TILE, row
// y * TILE; item (p, q) makes its elements at columns p + SIDE * u, rows q + SIDE * v. The third dimension
// counts independent products, a_step, b_step and c_step elements apart.
// Sums run over k in order, so results repeat. C is not read where beta is 0, so it may hold anything.

#ifndef Dtype
#define Dtype float
#endif
#ifndef SIDE
#define SIDE 16   // SIDE x SIDE items must fit a work group
#endif
#define PER_ITEM 4
#define TILE (SIDE * PER_ITEM)
#define DEPTH 16

__kernel __attribute__((reqd_work_group_size(SIDE, SIDE, 1)))
void product_tiled(const int m, const int n, const int k,
                   __global const Dtype *a, const int a_offset, const int a_row, const int a_col, const int a_step,
                   __global const Dtype *b, const int b_offset, const int b_row, const int b_col, const int b_step,
                   __global Dtype *c, const int c_offset, const int c_row, const int c_step,
                   const Dtype alpha, const Dtype beta)
{
    // One column more than a tile has, so that items of one group hit different banks.
    __local Dtype a_tile[DEPTH][TILE + 1];
    __local Dtype b_tile[DEPTH][TILE + 1];
    const int p = get_local_id(0), q = get_local_id(1);
    const int item = q * SIDE + p;
    const int row = get_group_id(1) * TILE, col = get_group_id(0) * TILE;
    a += a_offset + get_group_id(2) * a_step;
    b += b_offset + get_group_id(2) * b_step;
    c += c_offset + get_group_id(2) * c_step;

    Dtype sum[PER_ITEM][PER_ITEM];
    for (int v = 0; v < PER_ITEM; v++)
        for (int u = 0; u < PER_ITEM; u++) sum[v][u] = 0;

    for (int start = 0; start < k; start += DEPTH) {
        for (int e = item; e < TILE * DEPTH; e += SIDE * SIDE) {
            // Neighbouring items read neighbouring addresses, whichever way the matrix lies.
            const int al = a_col == 1 ? e % DEPTH : e / TILE;
            const int ai = a_col == 1 ? e / DEPTH : e % TILE;
            a_tile[al][ai] = row + ai < m && start + al < k ? a[(row + ai) * a_row + (start + al) * a_col] : 0;
            const int bl = b_col == 1 ? e / TILE : e % DEPTH;
            const int bj = b_col == 1 ? e % TILE : e / DEPTH;
            b_tile[bl][bj] = col + bj < n && start + bl < k ? b[(start + bl) * b_row + (col + bj) * b_col] : 0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int l = 0; l < DEPTH; l++) {
            Dtype x[PER_ITEM];
            for (int v = 0; v < PER_ITEM; v++) x[v] = a_tile[l][q + SIDE * v];
            for (int u = 0; u < PER_ITEM; u++) {
                const Dtype y = b_tile[l][p + SIDE * u];
                for (int v = 0; v < PER_ITEM; v++) sum[v][u] = fma(x[v], y, sum[v][u]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int v = 0; v < PER_ITEM; v++)
        for (int u = 0; u < PER_ITEM; u++) {
            const int i = row + q + SIDE * v, j = col + p + SIDE * u;
            if (i < m && j < n) {
                const Dtype value = alpha * sum[v][u];
                c[i * c_row + j] = beta == 0 ? value : fma(beta, c[i * c_row + j], value);
            }
        }
}
