// Losses that are a multiple of -log p[label], p = softmax(x). A label outside of [0, classes) gives NaN.

#include "labels.h"

// The label's probability, and its logarithm, that of FLT_MIN where it is below.
#define CHANCE \
    const Dtype chance = known ? p[C(label)] : NAN; \
    const Dtype log_chance = log(chance < FLT_MIN ? (Dtype)FLT_MIN : chance);

// Writes dx = factor (p - (c == label)) dloss / divisor, 0 where the label is ignored: the gradient of
// -factor log p[label] with respect to x.
#define WRITE_GRADIENT(factor) \
    const Dtype scale = ignored ? 0 : (factor) * dloss[0] / divisor[0]; \
    for (int c = 0; c < classes; ++c) dx[C(c)] = ignored ? 0 : scale * (p[C(c)] - (c == label));
