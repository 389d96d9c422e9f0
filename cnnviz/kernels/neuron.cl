// Elementwise layers: y = f(x), dx = dy f'(x).
// For each function F the two lines F_Y and F_D give f and f' in terms of x, y and up to three constants
// a, b, c; the layer in engine/layers picks F with -DFUNCTION=F. Host: engine/layers/_neuron.py. One work
// item per element. In place: y may be x and dx may be dy; backward must then be given a copy of x, unless
// F_D uses only y, or only the sign of x where y has the same. NaN gives NaN.

#ifndef Dtype
#define Dtype float
#endif
#ifndef FUNCTION
#define FUNCTION IDENTITY
#endif

Dtype sigmoid(const Dtype x) { return 1 / (1 + exp(-x)); }
Dtype softplus(const Dtype x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

#define CONSTANT_Y a
#define CONSTANT_D 0
#define IDENTITY_Y x
#define IDENTITY_D 1
#define LINEAR_Y (a + b * x)
#define LINEAR_D b
#define ABSOLUTE_Y fabs(x)
#define ABSOLUTE_D sign(x)

// Of the family of max(0, x)
#define RELU_Y (x > 0 ? x : a * x + 0)  // + 0 turns -0 into 0
#define RELU_D (x > 0 ? 1 : a)
#define RELU6_Y (x > 0 ? (x > 6 ? 6 : x) : a * x + 0)
#define RELU6_D (x > 0 ? (x < 6 ? 1 : 0) : a)
#define CLIP_Y (x < a ? a : x > b ? b : x)
#define CLIP_D (x >= a && x <= b ? 1 : 0)
#define ELU_Y (x > 0 ? x : a * expm1(x))
#define ELU_D (x > 0 ? 1 : y + a)
#define SOFTPLUS_Y softplus(x)
#define SOFTPLUS_D sigmoid(x)
#define SWISH_Y (x * sigmoid(a * x))
#define SWISH_D (a * y + sigmoid(a * x) * (1 - a * y))
#define MISH_Y (x * tanh(softplus(x)))
#define MISH_D mish_slope(x)
#define HARD_SIGMOID_Y clipped(line(a, x, b))
#define HARD_SIGMOID_D (y > 0 && y < 1 ? a : 0)
#define HARD_SWISH_Y (x * clipped(line(a, x, b)))
#define HARD_SWISH_D hard_swish_slope(line(a, x, b), a * x)

// Between two limits
#define SIGMOID_Y sigmoid(x)
#define SIGMOID_D (y * (1 - y))
#define TANH_Y tanh(x)
#define TANH_D (1 - y * y)
#define ARCTAN_Y atan(x)
#define ARCTAN_D (1 / (x * x + 1))
#define SOFTSIGN_Y (x / (1 + fabs(x)))
#define SOFTSIGN_D (1 / ((1 + fabs(x)) * (1 + fabs(x))))
#define STEP_Y (x > a ? 1 : x <= a ? 0 : x)
#define BINARY_STEP_Y (x >= 0 ? 1 : x < 0 ? 0 : x)
#define BINARY_STEP_D 0

// Powers and exponentials
#define POWER_Y pow(a + b * x, c)
#define POWER_D (b * c * pow(a + b * x, c - 1))
#define SQUARE_Y ((a + b * x) * (a + b * x))
#define SQUARE_D (2 * b * (a + b * x))
#define EXP_Y (b * exp(a * x))
#define EXP_D (a * y)
#define LOG_Y (c * log(a + b * x))
#define LOG_D (b * c / (a + b * x))

// Others
#define BENT_IDENTITY_Y ((sqrt(x * x + 1) - 1) / 2 + x)
#define BENT_IDENTITY_D (x / (2 * sqrt(x * x + 1)) + 1)
#define SOFT_EXPONENTIAL_Y (a < 0 ? -log(1 - a * (x + a)) / a : a > 0 ? expm1(a * x) / a + a : x)
#define SOFT_EXPONENTIAL_D (a < 0 ? 1 / (1 - a * (a + x)) : exp(a * x))
#define SINUSOID_Y sin(x)
#define SINUSOID_D cos(x)
#define SINC_Y (x == 0 ? 1 : sin(x) / x)
#define SINC_D sinc_slope(x)
#define GAUSSIAN_Y exp(-x * x)
#define GAUSSIAN_D (-2 * x * y)

Dtype clipped(const Dtype x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

// Rounded twice on every device: at the corners of hard functions it must be 0 and 1 to the last bit.
Dtype line(const Dtype a, const Dtype x, const Dtype b)
{
#pragma OPENCL FP_CONTRACT OFF
    return a * x + b;
}

// The corners, h = 0 and h = 1, belong to the piece between them.
Dtype hard_swish_slope(const Dtype h, const Dtype ax) { return clipped(h) + (h >= 0 && h <= 1 ? ax : 0); }

Dtype mish_slope(const Dtype x)
{
    const Dtype t = tanh(softplus(x));
    return t + x * sigmoid(x) * (1 - t * t);
}

Dtype sinc_slope(const Dtype x)
{
    const Dtype s = x * x;  // near 0 the two fractions cancel: the first terms of the series instead
    if (s < (Dtype)0.0625) return -x / 3 * (1 - s / 10 * (1 - s / 28 * (1 - s / 54)));
    return cos(x) / x - sin(x) / s;
}

#define JOIN_NAMES(function, part) function##part
#define PART(function, part) JOIN_NAMES(function, part)

__kernel void neuron_forward(const int count, const Dtype a, const Dtype b, const Dtype c,
                             __global const Dtype *bottom, __global Dtype *top)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const Dtype x = bottom[i];
    top[i] = PART(FUNCTION, _Y);
}

#ifdef HAS_DERIVATIVE
__kernel void neuron_backward(const int count, const Dtype a, const Dtype b, const Dtype c,
                              __global const Dtype *bottom, __global const Dtype *top,
                              __global const Dtype *top_diff, __global Dtype *bottom_diff)
{
    const size_t i = get_global_id(0);
    if (i >= count) return;
    const Dtype x = bottom[i], y = top[i];
    bottom_diff[i] = top_diff[i] * PART(FUNCTION, _D);
}
#endif
