"""An ONNX graph in the making."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 18
"""The oldest that has what is needed; read by ONNX Runtime 1.14 and later."""
ML_OPSET = 2
IR_VERSION = 8


class Graph:
    """Nodes, constants, inputs and outputs.

    Names of values that are made here begin with "~", so that none is the name of an input.
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], tuple[str, NDArray[Any]]] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def add(self, op: str, *inputs: str, domain: str = "", out: str | None = None, **attributes: Any) -> str:
        """Add a node of one result and return its name; an input "" is one that is left out."""
        from onnx import helper

        name = out or f"~{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], domain=domain, **attributes))
        return name

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Return the name of a constant; equal ones are kept once."""
        array = np.ascontiguousarray(value, dtype)
        array = array.reshape(np.shape(value))  # a single number became a list of one
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = (f"~c{len(self._constants)}", array)
        return self._constants[key][0]

    def ints(self, *values: int) -> str:
        """Return the name of a list of whole numbers, as sizes and axes are given."""
        return self.constant(np.array(values, dtype=np.int64))

    def input(self, name: str, dtype: Any, shape: Sequence[int | str]) -> str:
        """Add an input; a size that is a word is any."""
        from onnx import helper

        self._inputs.append(helper.make_tensor_value_info(name, _kind(dtype), list(shape)))
        return name

    def output(self, name: str, value: str, dtype: Any, shape: Sequence[int | str]) -> None:
        """Name a result."""
        from onnx import helper

        self.add("Identity", value, out=name)
        self._outputs.append(helper.make_tensor_value_info(name, _kind(dtype), list(shape)))

    def model(self, name: str, facts: dict[str, str]) -> Any:
        """Return the checked model, with `facts` as its metadata."""
        from onnx import checker, helper, numpy_helper

        constants = [numpy_helper.from_array(array, key) for key, array in self._constants.values()]
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        made = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="ringfence", domain="ringfence"
        )
        helper.set_model_props(made, facts)
        checker.check_model(made, full_check=True)
        return made


def _kind(dtype: Any) -> int:
    """ONNX's number of a NumPy dtype; text is object."""
    from onnx import TensorProto, helper

    found = np.dtype(dtype)
    return int(TensorProto.STRING if found.kind == "O" else helper.np_dtype_to_tensor_dtype(found))
