"""Solver: trains a net by Caffe's rules. pycaffe's get_solver and Solver.

    solver = cnnviz.get_solver("solver.prototxt")
    solver.solve()

What happens is logged on the logger "cnnviz" in Caffe's words and order.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable

import numpy as np

import cnnviz
from cnnviz.engine.blob import Blob
from cnnviz.engine.device import Device, get_device
from cnnviz.engine.labels import LabelCheck
from cnnviz.engine.net import Net
from cnnviz.engine.ops.sums import sum_of_squares
from cnnviz.engine.scoring import output_values, weighted
from cnnviz.engine.snapshots import SnapshotFiles, learned_net
from cnnviz.engine.solver_nets import test_definitions, train_origin
from cnnviz.engine.update_rules import check_policy, create_rule, learning_rate
from cnnviz.errors import NetError, WeightsError
from cnnviz.formats.glog import number
from cnnviz.formats.prototxt import NetDefinition, SolverDefinition, read_solver, to_text
from cnnviz.formats.schema import NetState, SolverParameter
from cnnviz.formats.solverstate import SolverState, read_solverstate, write_solverstate

log = logging.getLogger("cnnviz")


def get_solver(file: str | os.PathLike | SolverDefinition, **options) -> Solver:
    """Returns the solver that a prototxt describes; ``options`` as for Solver."""
    return Solver(file, **options)


class Solver:
    """Trains ``net`` and tests it with ``test_nets``.

    Args:
        file: path of a solver prototxt, or a SolverDefinition.
        device: what to run on; default: ``get_device()``.

    Attributes:
        param: the SolverParameter.
        net: the training net; test_nets: nets that share its weights.
        iter: updates done so far.
        rate: learning rate of the last update.
        history: blobs of the update rule in the order of a solver state.
        net_class: what net and test_nets are made of.

    Raises:
        NetError: a wrong solver or net definition.
    """

    net_class: type[Net] = Net

    def __init__(self, file: str | os.PathLike | SolverDefinition, *, device: Device | None = None):
        self.definition = file if isinstance(file, SolverDefinition) else read_solver(file)
        self.param: SolverParameter = self.definition.proto
        self.device = device or get_device()
        self.iter = 0
        self.current_step = 0
        self.rate = 0.0
        self._stop = False
        self._snapshot_requested = False
        self._snapshots = SnapshotFiles(self.definition)
        self._check_labels = LabelCheck()
        self._losses: deque[float] = deque()
        try:
            check_policy(self.param)
            self._rule = create_rule(self.param)
            self._check()
        except NetError as error:
            raise NetError(f"{self.definition.path}: {error}.") from None
        log.info("Initializing solver from parameters: \n" + to_text(self.param).rstrip())
        seed = self.param.random_seed if self.param.random_seed >= 0 else None
        self._random = np.random.default_rng(seed)
        self.net = self._train_net()
        self.test_nets = self._test_nets()
        self._params = self.net.learnable_params_with_specs()
        self.history = [
            Blob(self.device, blob.shape, f"history {k} of {blob.label}")
            for k in range(self._rule.moments)
            for blob, _ in self._params
        ]
        for weights in self.param.weights:
            for path in weights.split(","):
                self.copy_weights(self.definition.resolve(path.strip()))
        log.info("Solver scaffolding done.")

    def _check(self) -> None:
        if self.param.regularization_type not in ("L1", "L2"):
            raise NetError(f"regularization_type is {self.param.regularization_type!r}; L1 or L2 is known")
        if self.param.average_loss < 1 or self.param.iter_size < 1:
            raise NetError("average_loss and iter_size must be at least 1")

    # Nets

    def _train_net(self) -> Net:
        log.info("Creating training net %s", train_origin(self.definition))
        state = NetState(phase=cnnviz.TRAIN)
        return self._build(self.definition.net(), state, self.param.train_state)

    def _build(self, definition: NetDefinition, state: NetState, last: NetState) -> Net:
        """The state is the solver's default, then what the net file says, then the solver's own."""
        state.MergeFrom(definition.proto.state)
        state.MergeFrom(last)
        seed = int(self._random.integers(2**63))
        return self.net_class(definition, state=state, device=self.device, seed=seed)

    def _test_nets(self) -> list[Net]:
        nets = []
        for i, (definition, origin, last) in enumerate(test_definitions(self.definition)):
            log.info("Creating test net (#%d) specified by %s", i, origin)
            net = self._build(definition, NetState(phase=cnnviz.TEST), last)
            net.share_with(self.net)
            net.debug_info |= self.param.debug_info
            nets.append(net)
        return nets

    def copy_weights(self, path: str | os.PathLike) -> None:
        """Starts from trained weights (fine-tuning): layers that the file lacks keep their fill."""
        log.info("Finetuning from %s", path)
        self.net.copy_from(path)

    def share_weights(self, net: Net) -> None:
        """Makes ``net`` use the training net's weights."""
        net.share_with(self.net)

    # Training

    def solve(
        self,
        resume_file: str | os.PathLike | None = None,
        on_iteration: Callable[[Solver], None] | None = None,
    ) -> None:
        """Trains until max_iter, testing and taking snapshots as the solver file says.

        Args:
            resume_file: a .solverstate to resume from.
            on_iteration: called after each iteration, e.g. to show progress.
        """
        log.info("Solving %s", self.net.name)
        log.info("Learning Rate Policy: %s", self.param.lr_policy)
        self._snapshots.check(self.iter)
        if resume_file is not None:
            self.restore(resume_file)
        self._stop = False
        self.step(self.param.max_iter - self.iter, on_iteration)
        param = self.param
        if param.snapshot_after_train and (not param.snapshot or self.iter % param.snapshot):
            self.snapshot()
        if self._stop:
            log.info("Optimization stopped early.")
            return
        if param.display and self.iter % param.display == 0:
            self.net.run_forward()
            self._remember_loss(self.net.loss())
            log.info("Iteration %d, loss = %s", self.iter, number(self._smoothed_loss()))
        if param.test_interval and self.iter % param.test_interval == 0:
            self.test_all()
        log.info("Optimization Done.")

    def step(self, count: int, on_iteration: Callable[[Solver], None] | None = None) -> None:
        """Does ``count`` updates.

        Args:
            count: number of iterations; ``stop`` ends earlier.
            on_iteration: called after each iteration, e.g. to show progress.
        """
        self._losses.clear()
        end = self.iter + count
        self._displayed = (self.iter, time.perf_counter())
        while self.iter < end:
            self._test_if_due()
            if self._stop:
                break
            display = bool(self.param.display and self.iter % self.param.display == 0)
            self.net.debug_info = display and self.param.debug_info
            loss = self.forward_backward()
            if loss is not None:
                self._remember_loss(loss)
            if display:
                self._log_progress()
            self._apply_update(display)
            self.iter += 1
            self._snapshot_if_due()
            if on_iteration is not None:
                on_iteration(self)
            if self._stop:
                break

    def stop(self) -> None:
        """Asks training to end after this iteration; may be called from a signal handler."""
        self._stop = True

    def request_snapshot(self) -> None:
        """Asks for a snapshot after this iteration; may be called from a signal handler."""
        self._snapshot_requested = True

    def forward_backward(self) -> float | None:
        """Runs one pass, or iter_size passes that add up the gradients; returns the mean loss if needed."""
        for blob, _ in self._params:
            blob.clear_diff()
        total = 0.0
        needed = self._loss_is_needed()
        for _ in range(self.param.iter_size):
            self.net.run_forward()
            self._check_labels(self.net)
            if needed:
                total += self.net.loss()
            self.net.run_backward()
        return total / self.param.iter_size if needed else None

    def _loss_is_needed(self) -> bool:
        """Reading the loss waits for the device: it is read only where the next display shows it."""
        if not self.param.display:
            return False
        return -self.iter % self.param.display < self.param.average_loss

    def _remember_loss(self, loss: float) -> None:
        self._losses.append(loss)
        while len(self._losses) > self.param.average_loss:
            self._losses.popleft()

    def _smoothed_loss(self) -> float:
        return sum(self._losses) / len(self._losses)

    def _log_progress(self) -> None:
        before, then = self._displayed
        now = time.perf_counter()
        seconds, count = now - then, self.iter - before
        self._displayed = (self.iter, now)
        speed = count / seconds if seconds > 0 else 0.0
        pace = (number(speed), number(seconds), self.param.display)
        loss = number(self._smoothed_loss())
        log.info("Iteration %d (%s iter/s, %ss/%d iters), loss = %s", self.iter, *pace, loss)
        for index, (name, value, weight) in enumerate(output_values(self.net, _read_outputs(self.net))):
            log.info(
                "    Train net output #%d: %s = %s%s", index, name, number(value), weighted(value, weight)
            )

    # Updating

    def learning_rate(self) -> float:
        """Returns the rate of the current iteration and moves on to the policy's next step."""
        param = self.param
        if param.lr_policy == "step":
            self.current_step = self.iter // param.stepsize
        elif param.lr_policy == "multistep":
            steps = param.stepvalue
            if self.current_step < len(steps) and self.iter >= steps[self.current_step]:
                self.current_step += 1
                log.info("MultiStep Status: Iteration %d, step = %d", self.iter, self.current_step)
        return learning_rate(param, self.iter, self.current_step)

    def current_rate(self) -> float:
        """Returns the rate of the current iteration."""
        param = self.param
        step = self.iter // param.stepsize if param.lr_policy == "step" else self.current_step
        return learning_rate(param, self.iter, step)

    def apply_update(self) -> None:
        """Changes the weights by the gradients that are there now."""
        self._apply_update(False)

    def _apply_update(self, display: bool) -> None:
        self.rate = rate = self.learning_rate()
        if display:
            log.info("Iteration %d, lr = %s", self.iter, number(rate))
        scale = self._clip_factor() / self.param.iter_size
        l1 = self.param.regularization_type == "L1"
        effective = self._rule.rate(rate, self.iter)
        for k, (blob, spec) in enumerate(self._params):
            histories = self.history[k :: len(self._params)]
            decay = self.param.weight_decay * spec.decay_mult
            self._rule.apply(blob, histories, scale, decay, l1, effective * spec.lr_mult)

    def _clip_factor(self) -> float:
        """Scales gradients down whose norm over all parameters exceeds clip_gradients."""
        limit = self.param.clip_gradients
        if limit < 0:
            return 1.0
        squares = sum(sum_of_squares(self.device, b.device_diff, b.count) for b, _ in self._params)
        norm = math.sqrt(squares)
        if norm <= limit:
            return 1.0
        log.info("Gradient clipping: scaling down gradients (L2 norm %s > %s)", number(norm), number(limit))
        return limit / norm

    # Testing

    def _test_if_due(self) -> None:
        param = self.param
        due = param.test_interval and self.iter % param.test_interval == 0
        if due and (self.iter > 0 or param.test_initialization):
            self.test_all()

    def test_all(self) -> list[dict[str, np.ndarray]]:
        """Tests with every test net; returns each net's mean outputs."""
        results = []
        for index in range(len(self.test_nets)):
            if self._stop:
                break
            results.append(self.test(index))
        return results

    def test(self, index: int = 0) -> dict[str, np.ndarray]:
        """Runs test net ``index`` over test_iter batches and returns the means of its outputs."""
        log.info("Iteration %d, Testing net (#%d)", self.iter, index)
        net, batches = self.test_nets[index], self.param.test_iter[index]
        sums: dict[str, np.ndarray] = {}
        loss = 0.0
        for _ in range(batches):
            if self._stop:
                log.info("Test interrupted.")
                return {}
            net.run_forward()
            self._check_labels(net)
            if self.param.test_compute_loss:
                loss += net.loss()
            for name, values in _read_outputs(net).items():
                sums[name] = sums.get(name, 0) + values.astype(np.float64)
        means = {name: values / batches for name, values in sums.items()}
        if self.param.test_compute_loss:
            log.info("Test loss: %s", number(loss / batches))
        for k, (name, value, weight) in enumerate(output_values(net, means)):
            log.info("    Test net output #%d: %s = %s%s", k, name, number(value), weighted(value, weight))
        return means

    # Snapshots

    def _snapshot_if_due(self) -> None:
        if self._snapshot_requested or (self.param.snapshot and self.iter % self.param.snapshot == 0):
            self._snapshot_requested = False
            self.snapshot()

    def snapshot(self) -> str:
        """Writes weights and solver state, each as a whole or not at all; returns the weights' path."""
        hdf5 = self.param.snapshot_format == SolverParameter.HDF5
        extension, kind = (".h5", "HDF5") if hdf5 else ("", "binary proto")
        stem = f"{self._snapshots.prefix()}_iter_{self.iter}"
        weights = f"{stem}.caffemodel{extension}"
        self._snapshots.check(self.iter)
        self._snapshots.remove_abandoned()
        log.info("Snapshotting to %s file %s", kind, weights)
        self.net.save(weights, self.param.snapshot_diff)
        state = f"{stem}.solverstate{extension}"
        log.info("Snapshotting solver state to %s file %s", kind, state)
        history = [blob.read_data() for blob in self.history]
        write_solverstate(state, SolverState(self.iter, weights, self.current_step, history))
        return weights

    def restore(self, path: str | os.PathLike) -> None:
        """Resumes from a .solverstate: iteration, history and the weights that it names.

        As in Caffe the data starts at its first item, and random numbers at the seed.

        Raises WeightsError if it belongs to another net or solver type.
        """
        log.info("Restoring previous solver status from %s", path)
        state = read_solverstate(path)
        if len(state.history) != len(self.history):
            raise WeightsError(
                f"{path}: holds {len(state.history)} history blobs, this solver ({self.param.type}) expects "
                f"{len(self.history)}. Resume with the net and solver type that wrote it."
            )
        for k, (blob, values) in enumerate(zip(self.history, state.history, strict=True)):
            if values.size != blob.count:
                raise WeightsError(
                    f"{path}: history {k} has shape {values.shape}, this solver expects {blob.shape}. "
                    "Resume with the net that wrote it."
                )
        if state.learned_net:
            self.net.copy_from(learned_net(path, state.learned_net))
        for blob, values in zip(self.history, state.history, strict=True):
            blob.data[...] = values.reshape(blob.shape)
        self.iter, self.current_step = state.iter, state.current_step

    def close(self) -> None:
        """Ends the reading threads of all nets."""
        for net in (self.net, *self.test_nets):
            net.close()


def _read_outputs(net: Net) -> dict[str, np.ndarray]:
    return {name: net.blobs[name].read_data() for name in net.outputs}
