"""What a device computes fast with; on a CPU OpenVINO: int8 linear maps, the rest in bfloat16 where that gains.

What goes into a linear map is rounded as it comes, by the range of each token's own numbers (OpenVINO's
dynamic quantisation): there is nothing to calibrate, and no image that the numbers depend on. OpenVINO is an
optional extra, imported when it is first needed.
"""

from __future__ import annotations

import hashlib
import io
import math
import time
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ltr_core.model.config import ModelConfig
from l2ltr_core.model.inference import InferenceBranch
from l2ltr_core.model.network import Branch
from l2ltr_core.model.quantized import quantize

TOKENS_AT_ONCE = 512
"""Most tokens of images that form a batch; large images gain nothing by one."""
CACHE_VERSION = 3
"""Version of the conversion in `quantized`; branches compiled by an earlier one are not used again."""


CPU = torch.device("cpu")
MEASURED_SIZE, MEASURED_ROUNDS, WANTED_GAIN = 512, 6, 1.2
"""Size and repetitions of the matrix product that tells whether bfloat16 is faster, and the least speed-up."""


class CompiledModelCache(Protocol):
    """Cache of compiled branches that outlives the process."""

    def read(self, name: str) -> bytes | None:
        """What was kept under that name, None unless it is there whole."""

    def write(self, name: str, content: bytes) -> None:
        """Keep it, whole or not at all."""


class CompiledBranch:
    """A branch for descriptors alone, converted when it is first called. Safe to share between threads.

    A graph has a fixed number of images: there is one for single images and, where company helps, one for
    several.
    """

    def __init__(
        self,
        read: Callable[[], Branch],
        config: ModelConfig,
        grid: tuple[int, int],
        name: str,
        cache: CompiledModelCache | None,
    ) -> None:
        """`read` gives the branch, whose tokens form `grid`; `name` is what it is filed under in the cache."""
        self._read, self._name, self._cache = read, name, cache
        self._images_at_once = max(1, TOKENS_AT_ONCE // (grid[0] * grid[1] + 1))
        self._properties = {
            "INFERENCE_PRECISION_HINT": "bf16" if gains_by_bfloat16(CPU) else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            # Numbers with a range in common; where they do not fill every map's inputs, nothing is rounded.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(math.gcd(config.width, config.mlp_width)),
        }
        self._requests: dict[int, Any] = {}
        self._lock = Lock()

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB -> what `InferenceBranch.forward` gives. Raises what the cache raises."""
        batch, parts = images.contiguous().numpy(), []
        with self._lock:
            while len(batch):
                together = self._images_at_once if len(batch) > self._images_at_once // 2 else 1
                parts.append(self._describe(batch[:together], together))
                batch = batch[together:]
        return torch.from_numpy(np.concatenate(parts))

    def _describe(self, batch: NDArray[np.float32], together: int) -> NDArray[np.float32]:
        """Descriptors of at most `together` images, from the graph for so many."""
        if together not in self._requests:
            self._requests[together] = self._compiled(together).create_infer_request()
        filled = np.zeros((together, *batch.shape[1:]), np.float32)
        filled[: len(batch)] = batch
        return self._requests[together].infer([filled])[0][: len(batch)].copy()

    def _compiled(self, together: int) -> Any:
        from openvino import Core

        core = Core()
        name = f"{self._name}-{together}-{_made_by(core, self._properties)}"
        content = self._cache.read(name) if self._cache else None
        if content is not None:
            return core.import_model(io.BytesIO(content), "CPU", self._properties)
        compiled = self._converted(core, together)
        if self._cache:
            self._cache.write(name, compiled.export_model().getvalue())
        return compiled

    def _converted(self, core: Any, together: int) -> Any:
        branch = self._read()
        quantized = quantize(InferenceBranch(branch, CPU, packed=False))
        graph = _as_graph(quantized, torch.zeros(together, 3, *branch.size_px))
        return core.compile_model(graph, "CPU", self._properties)


def describe_torch(dtype: torch.dtype) -> str:
    """What torch would compute with."""
    return f"torch {torch.__version__}, {str(dtype).removeprefix('torch.')}"


def describe_openvino() -> str | None:
    """What OpenVINO would compute with here; None where it is not installed or would not help.

    It helps on x86 processors that multiply int8 numbers fast (VNNI).
    """
    if find_spec("openvino") is None or not torch.cpu._is_vnni_supported():
        return None
    from openvino import __version__

    elsewhere = "bfloat16" if gains_by_bfloat16(CPU) else "float32"
    return f"OpenVINO {__version__.partition('-')[0]}, int8 linear maps, {elsewhere} elsewhere"


def gains_by_bfloat16(device: torch.device) -> bool:
    """Whether a device computes faster in bfloat16 than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    able = device.type == "cpu" and torch.backends.mkldnn.is_available()
    return able and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _multiplies_faster()


@cache
def _multiplies_faster() -> bool:
    """Whether this CPU multiplies matrices clearly faster in bfloat16, measured once, in a few hundredths of a second.

    To have the instructions is not enough: on a Xeon without AMX a product takes twice as long with them. Nothing is
    drawn by chance, so that a training run goes on after it as it would have without.
    """
    exact = torch.ones(MEASURED_SIZE, MEASURED_SIZE)
    best_s = []
    for matrix in (exact, exact.bfloat16()):
        spent_s = []
        for _ in range(MEASURED_ROUNDS):
            start = time.perf_counter()
            matrix @ matrix
            spent_s.append(time.perf_counter() - start)
        best_s.append(min(spent_s))
    return best_s[0] > WANTED_GAIN * best_s[1]


def _as_graph(branch: InferenceBranch, images: Tensor) -> Any:
    """OpenVINO's graph of a branch for as many images as these, (B, 3, H, W).

    What `openvino.convert_model` does, less the reports on its use that it sends.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    reader = FrontEndManager().load_by_framework("pytorch")
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that tracing is old, and that it fixes the number of images
        traced = TorchScriptPythonDecoder(branch, example_input=images)
        graph = reader.convert(reader.load(traced))
    graph.reshape(list(images.shape))
    return graph


def _made_by(core: Any, properties: Mapping[str, Any]) -> str:
    """Changes with whatever a converted branch depends on besides the weights: 12 hexadecimal digits."""
    from openvino import get_version

    processor = core.get_property("CPU", "FULL_DEVICE_NAME")
    makers = (CACHE_VERSION, get_version(), processor, properties["INFERENCE_PRECISION_HINT"])
    return hashlib.sha256(repr(makers).encode()).hexdigest()[:12]
