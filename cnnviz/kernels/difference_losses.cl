// loss = scale sum of v f(d),  d = u (a - b);  da = scale dloss v u f'(d),  db = -da
// u, v: the inside and outside weights, 1 where there are none. f by -DKIND:
//   SQUARE       d^2
//   SMOOTH       sigma^2 d^2 / 2 where |d| < 1 / sigma^2, else |d| - 1 / (2 sigma^2)
// Host: engine/layers/difference_losses.py. One work item per element. da or db may be null.

#ifndef Dtype
#define Dtype float
#endif
#ifndef KIND
#define KIND SQUARE
#endif

#define SQUARE 0
#define SMOOTH 1

#define DIFFERENCE \
    const size_t i = get_global_id(0); \
    if (i >= count) return; \
    const Dtype u = inside ? inside[i] : 1, v = outside ? outside[i] : 1, d = u * (a[i] - b[i]);

#define ARGS const int count, const Dtype square_of_sigma, __global const Dtype *a, __global const Dtype *b, \
             __global const Dtype *inside, __global const Dtype *outside

__kernel void difference_forward(ARGS, __global Dtype *losses)
{
    DIFFERENCE
#if KIND == SQUARE
    losses[i] = v * d * d;
#else
    const Dtype width = 1 / square_of_sigma;
    losses[i] = v * (fabs(d) < width ? square_of_sigma * d * d / 2 : fabs(d) - width / 2);
#endif
}

// The sum over the channels of each item and place. One work item for each.
__kernel void difference_items(const int num, const int channels, const int places,
                               __global const Dtype *losses, __global Dtype *sums)
{
    const size_t at = get_global_id(0);
    if (at >= (size_t)num * places) return;
    const size_t first = at / places * channels * places + at % places;
    Dtype sum = 0;
    for (int c = 0; c < channels; ++c) sum += losses[first + (size_t)c * places];
    sums[at] = sum;
}

__kernel void difference_backward(ARGS, const Dtype scale, __global const Dtype *dloss, __global Dtype *da,
                                  __global Dtype *db)
{
    DIFFERENCE
#if KIND == SQUARE
    const Dtype slope = 2 * d;
#else
    const Dtype slope = fabs(d) < 1 / square_of_sigma ? square_of_sigma * d : sign(d);
#endif
    const Dtype gradient = scale * dloss[0] * v * u * slope;
    if (da) da[i] = gradient;
    if (db) db[i] = -gradient;
}
