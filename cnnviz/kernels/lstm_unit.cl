// One time step of LSTM cells. Gates before their functions lie as i, f, o, g along the 4 D axis:
//   i, f, o = sigmoid, g = tanh;  c = cont f c_prev + i g;  h = o tanh(c)
// Backward, from dc and dh: dc gains dh o (1 - tanh(c)^2), then dc_prev = dc cont f and the gates' gradients.
// Hosts: engine/layers/lstm_unit.py, engine/layers/lstm.py. One work item (d, n), groups may reach beyond.
// Offsets, in elements, say where the step begins in each buffer.

#ifndef Dtype
#define Dtype float
#endif

Dtype sigmoid(const Dtype x) { return 1 / (1 + exp(-x)); }

#define FOR_CELL                                                                               \
    const size_t d = get_global_id(0), n = get_global_id(1);                                      \
    if (d >= dim || n >= num) return;                                                          \
    const int cell = n * dim + d, gate = gates_at + 4 * n * dim + d;                           \
    const Dtype i = sigmoid(gates[gate]);                                                      \
    const Dtype f = cont[cont_at + n] * sigmoid(gates[gate + dim]);                            \
    const Dtype o = sigmoid(gates[gate + 2 * dim]);                                            \
    const Dtype g = tanh(gates[gate + 3 * dim]);

__kernel void lstm_unit_forward(const int num, const int dim, __global const Dtype *cont,
                                const int cont_at, __global const Dtype *gates, const int gates_at,
                                __global const Dtype *c_prev, const int c_prev_at, __global Dtype *c,
                                const int c_at, __global Dtype *h, const int h_at)
{
    FOR_CELL
    const Dtype value = f * c_prev[c_prev_at + cell] + i * g;
    c[c_at + cell] = value;
    h[h_at + cell] = o * tanh(value);
}

__kernel void lstm_unit_backward(const int num, const int dim, __global const Dtype *cont,
                                 const int cont_at, __global const Dtype *gates, const int gates_at,
                                 __global const Dtype *c_prev, const int c_prev_at,
                                 __global const Dtype *c, const int c_at, __global const Dtype *dc,
                                 __global const Dtype *dh, const int dh_at, __global Dtype *dgates,
                                 __global Dtype *dc_prev)
{
    FOR_CELL
    const Dtype t = tanh(c[c_at + cell]), above = dh[dh_at + cell];
    const Dtype slope = dc[c_at + cell] + above * o * (1 - t * t);
    dc_prev[c_prev_at + cell] = slope * f;
    dgates[gate] = slope * g * i * (1 - i);
    dgates[gate + dim] = slope * c_prev[c_prev_at + cell] * f * (1 - f);
    dgates[gate + 2 * dim] = above * t * o * (1 - o);
    dgates[gate + 3 * dim] = slope * i * (1 - g * g);
}
