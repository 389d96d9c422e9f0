// Update rules of the solvers. Host: engine/update_rules.py. One work item per parameter value.
//
// Every rule begins with the same gradient: g = scale dw + decay R(w), with R(w) = w (L2) or sign(w) (L1);
// scale is 1 / iter_size times the clipping factor. It ends with dw = update, w -= update, so that dw
// holds the last update, as in Caffe. h and h2 are the histories of the solver state.

#ifndef Dtype
#define Dtype float
#endif

inline Dtype gradient(const Dtype w, const Dtype dw, const Dtype scale, const Dtype decay, const int l1)
{
    // A NaN weight has no sign and stays a NaN through dw.
    const Dtype sign = (w > 0) - (w < 0);
    return scale * dw + decay * (l1 ? sign : w);
}

#define ARGS const int count, const Dtype scale, const Dtype decay, const int l1, const Dtype rate, \
             __global Dtype *w, __global Dtype *dw

#define BEGIN \
    const size_t i = get_global_id(0); \
    if (i >= count) return; \
    const Dtype g = gradient(w[i], dw[i], scale, decay, l1);

#define END(value) { const Dtype update = (value); dw[i] = update; w[i] -= update; }

// h = momentum h + rate g;  update = h
__kernel void sgd(ARGS, __global Dtype *h, const Dtype momentum)
{
    BEGIN
    END(h[i] = momentum * h[i] + rate * g)
}

// h' = momentum h + rate g;  update = (1 + momentum) h' - momentum h
__kernel void nesterov(ARGS, __global Dtype *h, const Dtype momentum)
{
    BEGIN
    const Dtype before = h[i];
    const Dtype now = h[i] = momentum * before + rate * g;
    END((1 + momentum) * now - momentum * before)
}

// h += g^2;  update = rate g / (sqrt(h) + delta)
__kernel void adagrad(ARGS, __global Dtype *h, const Dtype delta)
{
    BEGIN
    const Dtype sum = h[i] += g * g;
    END(rate * g / (sqrt(sum) + delta))
}

// h = rms_decay h + (1 - rms_decay) g^2;  update = rate g / (sqrt(h) + delta)
__kernel void rmsprop(ARGS, __global Dtype *h, const Dtype rms_decay, const Dtype delta)
{
    BEGIN
    const Dtype mean = h[i] = rms_decay * h[i] + (1 - rms_decay) * g * g;
    END(rate * g / (sqrt(mean) + delta))
}

// h = momentum h + (1 - momentum) g^2;  u = g sqrt((h2 + delta) / (h + delta));
// h2 = momentum h2 + (1 - momentum) u^2;  update = rate u
__kernel void adadelta(ARGS, __global Dtype *h, __global Dtype *h2, const Dtype momentum, const Dtype delta)
{
    BEGIN
    const Dtype mean = h[i] = momentum * h[i] + (1 - momentum) * g * g;
    const Dtype u = g * sqrt((h2[i] + delta) / (mean + delta));
    h2[i] = momentum * h2[i] + (1 - momentum) * u * u;
    END(rate * u)
}

// h = b1 h + (1 - b1) g;  h2 = b2 h2 + (1 - b2) g^2;  update = rate h / (sqrt(h2) + delta)
// (rate holds the correction sqrt(1 - b2^t) / (1 - b1^t))
__kernel void adam(ARGS, __global Dtype *h, __global Dtype *h2, const Dtype b1, const Dtype b2, const Dtype delta)
{
    BEGIN
    const Dtype m = h[i] = b1 * h[i] + (1 - b1) * g;
    const Dtype v = h2[i] = b2 * h2[i] + (1 - b2) * g * g;
    END(rate * m / (sqrt(v) + delta))
}
