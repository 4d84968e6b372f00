"""C MuJoCo inside the compiled program: one `mujoco.batch.Batch`, called by ordered io_callbacks.

The Batch is a calculator. Before each control step its rows are written from `State`, and after it
they are read back as float32, so what was computed before leaves no trace and equal states give
equal futures. `start` hands the step to a thread of the engine, so that the program computes on
while the physics runs; `wait` collects it. Nothing in the result depends on timing.
"""

import functools
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jax.experimental import io_callback
from jaxtyping import Array, Bool, Float

from robot_gcrl.errors import EngineError
from robot_gcrl.physics.calculator import Argument, Calculator, Outcome
from robot_gcrl.physics.cores import cores
from robot_gcrl.physics.engine import Held, Starts, State, Ticket
from robot_gcrl.physics.model_check import check_field, check_field_shape, check_model
from robot_gcrl.physics.reset import blank_state, put_at_starts


class NativeEngine:
    """N worlds on a pool of threads.

    A world that diverges keeps the numbers that it had before the step, and `State.diverged` says
    so; MuJoCo's own message about it is not printed.
    """

    name = "native"
    takes_constants = False

    def __init__(
        self,
        model: mujoco.MjModel,
        *,
        num_worlds: int,
        substeps: int,
        threads: int | None = None,
        overlap: bool = True,
    ) -> None:
        """Builds the engine.

        Args:
          model: the task's model.
          num_worlds: N.
          substeps: physics steps per control step.
          threads: that step worlds; None takes all cores, but one if `overlap`.
          overlap: whether `start` returns while the physics runs; the result is the same.

        Raises:
          EngineError: a model that has state outside `State`.
        """
        check_model(self.name, model)
        # MuJoCo would write MUJOCO_LOG.TXT into the user's folder for each world that diverges.
        log = mujoco.MjLogConfig.get()
        log.logto_file = False
        log.set()
        available = cores()
        self.num_worlds = num_worlds
        self.threads = threads or max(1, available - 1 if overlap else available)
        self._model = model
        self._substeps = substeps
        self._overlap = overlap
        self._calculators: dict[tuple[tuple[str, ...], bool], Calculator] = {}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="physics")
        self._under_way: Future[Outcome] | None = None
        self._splits = np.cumsum([1, model.nq, model.nv, model.na, model.nv]).tolist()

    def init(
        self,
        qpos: Float[Array, "N nq"],
        qvel: Float[Array, "N nv"],
        fields: Mapping[str, Float[Array, "N ..."]],
    ) -> State:
        """See `Engine.init`."""
        for name, value in fields.items():
            check_field(self._model, name)
            check_field_shape(self._model, name, value.shape, self.num_worlds)
        blank = blank_state(self._model, qpos, qvel, fields)
        starts = Starts(jnp.ones(self.num_worlds, bool), qpos, qvel, {})
        return self.step(blank, jnp.zeros((self.num_worlds, self._model.nu), jnp.float32), starts)

    def step(
        self,
        state: State,
        ctrl: Float[Array, "N nu"],
        starts: Starts,
        held: Held | None = None,
    ) -> State:
        """See `Engine.step`."""
        begun = put_at_starts(state, starts)
        calculator = self._calculator(begun, held)
        outcome = io_callback(
            calculator.run,
            self._outcome_shape(),
            *_arguments(begun, ctrl, starts, held),
            ordered=True,
        )
        return self._collect(state, begun, *outcome)

    def start(
        self,
        state: State,
        ctrl: Float[Array, "N nu"],
        starts: Starts,
        held: Held | None = None,
    ) -> Ticket:
        """See `Engine.start`."""
        begun = put_at_starts(state, starts)
        if not self._overlap:
            ended = self.step(state, ctrl, starts, held)
            # Only the callback knows `diverged`, so the token is data that cannot be folded.
            return Ticket(jnp.minimum(ended.diverged.sum(dtype=jnp.int32), 0), ended)
        begin = functools.partial(self._begin, self._calculator(begun, held))
        token = io_callback(
            begin,
            jax.ShapeDtypeStruct((), jnp.int32),
            *_arguments(begun, ctrl, starts, held),
            ordered=True,
        )
        # `wait` needs the numbers from before the reset for worlds that diverge in the step.
        return Ticket(token, state._replace(fields=begun.fields))

    def wait(self, ticket: Ticket, after: Float[Array, ""]) -> State:
        """See `Engine.wait`.

        Raises:
          EngineError: when the program runs, wrapped by JAX: the physics failed as a whole, or no
            step is under way.
        """
        if not self._overlap:
            return ticket.state
        outcome = io_callback(self._end, self._outcome_shape(), ticket.token, after, ordered=True)
        return self._collect(ticket.state, ticket.state, *outcome)

    def _begin(self, calculator: Calculator, *arguments: Argument) -> np.ndarray:
        if self._under_way is not None:
            # A program was interrupted between start and wait: its result belongs to nobody.
            self._under_way.exception()
        # The rows are written here, not in the thread: the arguments may alias buffers that XLA
        # uses again as soon as this function returns.
        loaded = calculator.load(*arguments)
        self._under_way = self._worker.submit(calculator.compute, *loaded)
        return np.zeros((), np.int32)

    def _end(self, token: Argument, after: Argument) -> Outcome:
        del token, after
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            raise EngineError(
                "Engine 'native' was waited for with no step under way. Expected one call of wait "
                "after each start. Use Engine.step where nothing runs in between."
            )
        return under_way.result()

    def _calculator(self, state: State, held: Held | None) -> Calculator:
        kind = tuple(sorted(state.fields)), held is not None
        if kind not in self._calculators:
            self._calculators[kind] = Calculator(
                self._model, *kind, self.num_worlds, self._substeps, self.threads
            )
        return self._calculators[kind]

    def _outcome_shape(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        width = self._splits[-1] + self._model.nsensordata
        return (
            jax.ShapeDtypeStruct((self.num_worlds, width), jnp.float32),
            jax.ShapeDtypeStruct((self.num_worlds,), jnp.bool_),
        )

    def _collect(
        self,
        before: State,
        begun: State,
        rows: Float[Array, "N columns"],
        diverged: Bool[Array, " N"],
    ) -> State:
        kept = jnp.concatenate([_rows(before), before.sensordata], axis=-1)
        rows = jnp.where(diverged[:, None], kept, rows)
        time, qpos, qvel, act, warmstart, sensordata = jnp.split(rows, self._splits, axis=-1)
        return State(qpos, qvel, act, warmstart, time[:, 0], begun.fields, sensordata, diverged)


def _rows(state: State) -> Float[Array, "N columns"]:
    return jnp.concatenate(
        [state.time[:, None], state.qpos, state.qvel, state.act, state.qacc_warmstart], axis=-1
    )


def _arguments(
    begun: State, ctrl: Float[Array, "N nu"], starts: Starts, held: Held | None
) -> list[Array]:
    rows = jnp.concatenate([_rows(begun), ctrl], axis=-1)
    late = [] if held is None else [held.ctrl, held.substeps]
    return [rows, starts.mask, *late, *(begun.fields[name] for name in sorted(begun.fields))]
