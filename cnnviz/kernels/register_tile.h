// What kernels share that fill vector registers. A tile of a result is ROWS x COLS elements, COLS = VECTORS * LANES;
// the sizes that fit a device are chosen in engine/ops/register_tile.py.

#ifndef Dtype
#define Dtype float
#endif
#ifndef LANES
#define LANES 16   // elements of a vector register: 4, 8 or 16, e.g. 16 floats with AVX-512
#endif
#ifndef ROWS
#define ROWS 8
#endif
#ifndef VECTORS
#define VECTORS 2
#endif
#define COLS (VECTORS * LANES)
#define JOIN_(x, y) x##y
#define JOIN(x, y) JOIN_(x, y)
#define Vector JOIN(Dtype, LANES)
#define load JOIN(vload, LANES)
#define store JOIN(vstore, LANES)

// The first `count` elements from there on, then zeros.
inline Vector load_some(__global const Dtype *from, int count)
{
    Dtype lanes[LANES];
    for (int j = 0; j < LANES; j++) lanes[j] = j < count ? from[j] : 0;
    return load(0, lanes);
}

inline void clear_tile(Vector sum[ROWS][VECTORS])
{
    #pragma unroll
    for (int i = 0; i < ROWS; i++)
        #pragma unroll
        for (int j = 0; j < VECTORS; j++) sum[i][j] = 0;
}

// sum[i, j] += a[i step] b[j] for one column of ROWS numbers and one row of COLS.
inline void add_products(Vector sum[ROWS][VECTORS], __global const Dtype *a, const int step,
                         __global const Dtype *b)
{
    Vector y[VECTORS];
    #pragma unroll
    for (int j = 0; j < VECTORS; j++) y[j] = load(j, b);
    #pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const Vector x = a[i * step];
        #pragma unroll
        for (int j = 0; j < VECTORS; j++) sum[i][j] = fma(x, y[j], sum[i][j]);
    }
}

// Where sums run along memory instead, lanes hold parts of one sum: a tile of A_LINES x B_LINES of them.
#ifndef A_LINES
#define A_LINES 4
#endif
#define B_LINES (ROWS - 2)

inline void clear_lines(Vector sum[A_LINES][B_LINES])
{
    #pragma unroll
    for (int i = 0; i < A_LINES; i++)
        #pragma unroll
        for (int j = 0; j < B_LINES; j++) sum[i][j] = 0;
}

// sum[i, j] += a[i][l] b[j][l], lane by lane, for LANES elements from l on.
inline void add_line_products(Vector sum[A_LINES][B_LINES], __global const Dtype *a[A_LINES],
                              __global const Dtype *b[B_LINES], const int l)
{
    Vector u[A_LINES];
    #pragma unroll
    for (int i = 0; i < A_LINES; i++) u[i] = load(0, a[i] + l);
    #pragma unroll
    for (int j = 0; j < B_LINES; j++) {
        const Vector v = load(0, b[j] + l);
        #pragma unroll
        for (int i = 0; i < A_LINES; i++) sum[i][j] = fma(u[i], v, sum[i][j]);
    }
}

inline Dtype sum_lanes(Vector value)
{
    Dtype lanes[LANES];
    store(value, 0, lanes);
    #pragma unroll
    for (int reach = LANES / 2; reach > 0; reach /= 2)
        #pragma unroll
        for (int i = 0; i < reach; i++) lanes[i] += lanes[i + reach];
    return lanes[0];
}
