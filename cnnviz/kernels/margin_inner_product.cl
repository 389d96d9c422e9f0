// y[n, label] = (|x| f + lambda y) / (1 + lambda), where y = |x| c before, c the cosine; f by -DMARGIN:
//   SINGLE     c
//   DOUBLE     2 s c^2 - 1                      s = sign(c)
//   TRIPLE     u (4 c^3 - 3 c) + v              u = sign(|c| - 1/2), v = s (1 + u) - 2
//   QUADRUPLE  u (8 c^4 - 8 c^2 + 1) + v        u = s sign(2 c^2 - 1), v = 2 s + u - 3
// Host: engine/layers/margin_inner_product.py. One work item per n, in margin_normalize and margin_add per
// element. squares: |x|^2; cosines: c of the labels. A label outside of [0, classes) makes y[n, 0] NaN.

#ifndef Dtype
#define Dtype float
#endif
#ifndef MARGIN
#define MARGIN SINGLE
#endif

#define SINGLE 1
#define DOUBLE 2
#define TRIPLE 3
#define QUADRUPLE 4

#define ARGS const int num, const int classes, const Dtype lambda, __global const Dtype *labels, \
             __global const Dtype *squares

// f, and the gradient of |x| f is toward_w w + toward_x x / |x|.
typedef struct { Dtype f, toward_w, toward_x; } Margin;

Margin margin_of(const Dtype c)
{
    const Dtype s = sign(c), c2 = c * c;
    Margin m;
#if MARGIN == DOUBLE
    m.f = 2 * s * c2 - 1;
    m.toward_w = 4 * s * c;
    m.toward_x = -(2 * s * c2 + 1);
#elif MARGIN == TRIPLE
    const Dtype u = sign(fabs(c) - (Dtype)0.5), v = s * (1 + u) - 2;
    m.f = u * (4 * c2 - 3) * c + v;
    m.toward_w = u * (12 * c2 - 3);
    m.toward_x = -(8 * u * c2 * c - v);
#elif MARGIN == QUADRUPLE
    const Dtype u = s * sign(2 * c2 - 1), v = 2 * s + u - 3;
    m.f = u * (8 * c2 * c2 - 8 * c2 + 1) + v;
    m.toward_w = u * (32 * c2 - 16) * c;
    m.toward_x = -(u * (24 * c2 * c2 - 8 * c2 - 1) - v);
#else
    m.f = c;
    m.toward_w = 1;
    m.toward_x = 0;
#endif
    return m;
}

// A row of zeros stays as it is.
__kernel void margin_normalize(const int count, const int length, __global const Dtype *squares,
                               __global Dtype *weights)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const Dtype square = squares[(int)i / length];
    weights[i] = square > 0 ? weights[i] / sqrt(square) : weights[i];
}

__kernel void margin_forward(ARGS, __global Dtype *cosines, __global Dtype *y)
{
    const size_t n = get_global_id(0);
    if (n >= num) return;
    const int label = (int)labels[n], known = label >= 0 && label < classes;
    const Dtype norm = sqrt(squares[n]), score = known ? y[n * classes + label] : NAN;
    cosines[n] = norm > 0 ? score / norm : 0;
#if MARGIN != SINGLE
    y[n * classes + (known ? label : 0)] = (norm * margin_of(cosines[n]).f + lambda * score) / (1 + lambda);
#else
    if (!known) y[n * classes] = NAN;
#endif
}

// Scales the label's dy to the part along its w; along[n] is the part along x.
__kernel void margin_backward(ARGS, __global const Dtype *cosines, __global Dtype *dy, __global Dtype *along)
{
    const size_t n = get_global_id(0);
    if (n >= num) return;
    const int label = (int)labels[n];
    along[n] = 0;
#if MARGIN != SINGLE
    if (label < 0 || label >= classes || squares[n] == 0) return;
    const Margin m = margin_of(cosines[n]);
    const Dtype toward_x = m.toward_x / sqrt(squares[n]), length = hypot(m.toward_w, toward_x);
    const Dtype d = dy[n * classes + label] / (1 + lambda);
    along[n] = d * toward_x / length;
    dy[n * classes + label] = d * (lambda + m.toward_w / length);
#endif
}

__kernel void margin_add(const int count, const int length, __global const Dtype *along,
                         __global const Dtype *x, __global Dtype *dx)
{
    const size_t i = get_global_id(0);
    if (i < count) dx[i] += along[(int)i / length] * x[i];
}
