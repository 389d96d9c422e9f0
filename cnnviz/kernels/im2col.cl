// Windows of an image as columns of a matrix, in any number of spatial axes, and the way back.
//   im2col: col[n, (c, k...), (o...)] = x[n, c, o * stride - pad + k * dilation], 0 outside the image
//   col2im: dx[n, c, i...] = sum of all col[n, (c, k...), (o...)] that came from there
// Host: engine/ops/im2col.py. col2im gathers, so that no two work items write one place.
// `axes` holds for each of AXES axes: image size, kernel, stride, pad, dilation, output size.
// Work items: im2col one per element of col, col2im one per element of dx.

#ifndef Dtype
#define Dtype float
#endif
#ifndef AXES
#define AXES 2
#endif

#define SIZE(d) axes[(d) * 6]
#define KERNEL(d) axes[(d) * 6 + 1]
#define STRIDE(d) axes[(d) * 6 + 2]
#define PAD(d) axes[(d) * 6 + 3]
#define DILATION(d) axes[(d) * 6 + 4]
#define OUT(d) axes[(d) * 6 + 5]

__kernel void im2col(const int count, __constant int *axes, __global const Dtype *x, const int x_offset,
                     __global Dtype *col)
{
    const int index = get_global_id(0);
    if (index >= count) return;
    int rest = index, out[AXES];
    for (int d = AXES - 1; d >= 0; d--) {
        out[d] = rest % OUT(d);
        rest /= OUT(d);
    }
    int position = 0, step = 1, inside = 1;
    for (int d = AXES - 1; d >= 0; d--) {
        const int i = out[d] * STRIDE(d) - PAD(d) + rest % KERNEL(d) * DILATION(d);
        rest /= KERNEL(d);
        inside &= i >= 0 && i < SIZE(d);
        position += i * step;
        step *= SIZE(d);
    }
    // What remains of the index is (n, c) in one number.
    col[index] = inside ? x[x_offset + rest * step + position] : 0;
}

__kernel void col2im(const int count, __constant int *axes, __global const Dtype *col,
                     __global Dtype *dx, const int dx_offset)
{
    const int index = get_global_id(0);
    if (index >= count) return;
    int rest = index, image[AXES], kernel_count = 1, out_count = 1;
    for (int d = AXES - 1; d >= 0; d--) {
        image[d] = rest % SIZE(d) + PAD(d);
        rest /= SIZE(d);
        kernel_count *= KERNEL(d);
        out_count *= OUT(d);
    }
    Dtype sum = 0;
    for (int k = 0; k < kernel_count; k++) {
        int left = k, position = 0, step = 1, hit = 1;
        for (int d = AXES - 1; d >= 0; d--) {
            const int from = image[d] - left % KERNEL(d) * DILATION(d);
            left /= KERNEL(d);
            const int o = from / STRIDE(d);
            hit &= from >= 0 && from == o * STRIDE(d) && o < OUT(d);
            position += o * step;
            step *= OUT(d);
        }
        if (hit) sum += col[(rest * kernel_count + k) * out_count + position];
    }
    dx[dx_offset + index] = sum;
}
