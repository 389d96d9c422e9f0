"""LSTM, RNN and LSTMUnit. Sequences begin at the first step, so that no state is carried between runs."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case, given

STEPS, NUM = 4, 3
CONT = given([[0, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]])
X, CONT_SHAPE = (STEPS, NUM, 2, 3), (STEPS, NUM)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unit(cell, gates, cont):
    """One step: the new cell and hidden state."""
    i, f, o, g = np.split(gates, 4, axis=-1)
    cell = cont[..., None] * sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return cell, sigmoid(o) * np.tanh(cell)


def lstm(x, cont, w, b, w_hidden, static=0.0, h=None, c=None):
    num, dim = x.shape[1], w_hidden.shape[1]
    h = np.zeros((num, dim)) if h is None else h
    c = np.zeros((num, dim)) if c is None else c
    tops = []
    for step in range(len(x)):
        gates = x[step].reshape(num, -1) @ w.T + b + static + (cont[step][:, None] * h) @ w_hidden.T
        c, h = unit(c, gates, cont[step])
        tops.append(h)
    return np.array(tops), h[None], c[None]


def rnn(x, cont, w, b, w_hidden, w_out, b_out, static=0.0, h=None):
    num, dim = x.shape[1], w_hidden.shape[1]
    h = np.zeros((num, dim)) if h is None else h
    tops = []
    for step in range(len(x)):
        h = np.tanh(x[step].reshape(num, -1) @ w.T + b + static + (cont[step][:, None] * h) @ w_hidden.T)
        tops.append(np.tanh(h @ w_out.T + b_out))
    return np.array(tops), h[None]


def flat(x):
    return x.reshape(len(x), -1)


CASES = [
    Case("LSTM", "default", [X, CONT_SHAPE], "recurrent_param { num_output: 5 }", fills={1: CONT},
         reference=lambda x, cont, w, b, v: lstm(x, cont, w, b, v)[0]),
    Case("LSTM", "static", [X, CONT_SHAPE, (NUM, 2, 2)], "recurrent_param { num_output: 5 }", fills={1: CONT},
         reference=lambda x, cont, s, w, b, ws, v: lstm(x, cont, w, b, v, flat(s) @ ws.T)[0]),
    Case("LSTM", "exposed", [X, CONT_SHAPE, (1, NUM, 2), (1, NUM, 2)],
         "recurrent_param { num_output: 2 expose_hidden: true }", tops=3, gradient=False,
         fills={1: given([[1, 0, 1], [1, 1, 0], [1, 0, 1], [1, 1, 1]])},
         reference=lambda x, cont, h, c, w, b, v: list(lstm(x, cont, w, b, v, 0, h[0], c[0]))),
    Case("LSTM", "one step of one sequence", [(1, 1, 7), (1, 1)], "recurrent_param { num_output: 3 }",
         fills={1: given([0])}, reference=lambda x, cont, w, b, v: lstm(x, cont, w, b, v)[0]),
    Case("RNN", "default", [X, CONT_SHAPE], "recurrent_param { num_output: 5 }", fills={1: CONT},
         reference=lambda x, cont, *weights: rnn(x, cont, *weights)[0]),
    Case("RNN", "static", [X, CONT_SHAPE, (NUM, 4)], "recurrent_param { num_output: 2 }", fills={1: CONT},
         reference=lambda x, cont, s, w, b, ws, *rest: rnn(x, cont, w, b, *rest, static=s @ ws.T)[0]),
    Case("RNN", "exposed", [X, CONT_SHAPE, (1, NUM, 3)],
         "recurrent_param { num_output: 3 expose_hidden: true }", tops=2, gradient=False,
         fills={1: given([[1, 0, 1], [1, 1, 0], [1, 0, 1], [1, 1, 1]])},
         reference=lambda x, cont, h, *weights: list(rnn(x, cont, *weights, h=h[0]))),
    Case("LSTMUnit", "default", [(1, NUM, 5), (1, NUM, 20), (1, NUM)], tops=2, fills={2: given([1, 0, 1])},
         reference=lambda c, gates, cont: list(unit(c, gates, cont))),
    Case("ContinuationIndicator", "bottom", [(3, 5)], "continuation_indicator_param { time_step: 4 }",
         reference=lambda x: np.repeat([[0], [1], [1], [1]], 3, axis=1), gradient=False),
]  # fmt: skip
