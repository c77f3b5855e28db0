"""From photos and map squares to unit descriptors: all that a checkpoint wants done to its images."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial
from itertools import islice, repeat
from numbers import Real
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from l2ltr_core.errors import ConfigurationError, ImageError
from l2ltr_core.geometry import panorama as sphere
from l2ltr_core.geometry.polar import to_polar
from l2ltr_core.images import decode_rgb
from l2ltr_core.model.config import CheckpointCard
from l2ltr_core.model.inference import InferenceBranch
from l2ltr_core.model.network import L2LTR, Branch
from l2ltr_core.model.runtime import (
    CompiledBranch,
    CompiledModelCache,
    describe_openvino,
    describe_torch,
    gains_by_bfloat16,
)
from l2ltr_core.photo import load_panorama
from l2ltr_core.types import RGB, Descriptors, Encoded, Panorama, Progress

Side: TypeAlias = Literal["ground", "aerial"]
Precision: TypeAlias = Literal["exact", "fast"]
AerialInput: TypeAlias = str | Path | bytes | Image.Image | RGB
"""A north-up square: a file, its bytes, or its pixels (S, S, 3) uint8."""
GroundInput: TypeAlias = AerialInput | Panorama
"""A photo: a file, its bytes, a Panorama, or the pixels (H, W, 3) uint8 of a full 360 x 180 degree one."""
T = TypeVar("T")


class Encoder:
    """A checkpoint at work. Safe to share between threads; a branch is read when it is first needed."""

    def __init__(
        self,
        card: CheckpointCard,
        load_branch: Callable[[Side], Branch],
        *,
        device: str = "auto",
        precision: Precision = "exact",
        cache: CompiledModelCache | None = None,
    ) -> None:
        """`cache` keeps what `fast` converts. Raises ConfigurationError for a device or precision not here."""
        self.card = card
        self.device = choose_device(device)
        self.precision = precision
        self._load_branch = load_branch
        self._branches: dict[Side, Branch] = {}
        self._inference_branches: dict[Side, InferenceBranch] = {}
        self._compiled_branches: dict[Side, CompiledBranch] = {}
        self._cache = cache
        self._lock = Lock()
        self._mean = torch.tensor(card.view.mean, device=self.device).view(3, 1, 1)
        self._std = torch.tensor(card.view.std, device=self.device).view(3, 1, 1)
        fast_on_cpu = precision == "fast" and self.device.type == "cpu"
        self._openvino = describe_openvino() if fast_on_cpu else None
        self._dtype = torch.float32 if self._openvino else choose_dtype(precision, self.device)

    @classmethod
    def from_network(
        cls, network: L2LTR, card: CheckpointCard, *, device: str = "auto", precision: Precision = "exact"
    ) -> Encoder:
        """Look through a network in memory, for instance while it is being trained, as it is now."""
        branches: dict[Side, Branch] = {
            "ground": deepcopy(network.ground),
            "aerial": deepcopy(network.aerial),
        }
        return cls(card, branches.__getitem__, device=device, precision=precision)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process with both branches, to work there on the device it has."""
        branches = {side: self._read(side) for side in ("ground", "aerial")}
        return _arrived, (self.card, branches, self.precision)

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.card.name

    @property
    def fingerprint(self) -> str:
        """What descriptors of this checkpoint are filed under."""
        return self.card.fingerprint

    @property
    def runtime(self) -> str:
        """What computes the descriptors, and in which numbers.

        `exact` is always torch in float32. `fast` on a CPU is OpenVINO where the extra is installed and the
        CPU multiplies int8 numbers fast (VNNI), else torch in bfloat16; attention and tokens are then still
        torch's in float32.
        """
        return self._openvino or describe_torch(self._dtype)

    @property
    def columns(self) -> tuple[int, int] | None:
        """Azimuths of a column descriptor and the numbers of each, None for a checkpoint without."""
        return self.card.model.columns

    @property
    def network(self) -> L2LTR:
        """Both branches, in evaluation mode: for reading only."""
        with torch.device("meta"):
            network = L2LTR(self.card.model)
        network.ground, network.aerial = self.branch("ground"), self.branch("aerial")
        return network.eval()

    def branch(self, side: Side) -> Branch:
        """The `ground` or `aerial` network, in evaluation mode: for reading and inspecting only."""
        with self._lock:
            if side not in self._branches:
                self._branches[side] = self._read(side).to(self.device)
            return self._branches[side]

    def _inference(self, side: Side) -> InferenceBranch:
        """The same branch, arranged to be fast; what it was made from is not kept."""
        with self._lock:
            if side not in self._inference_branches:
                self._inference_branches[side] = InferenceBranch(self._read(side), self.device, self._dtype)
            return self._inference_branches[side]

    def _describer(self, side: Side) -> Callable[[Tensor], Tensor]:
        """What turns a normalised batch into descriptors."""
        if self._openvino is None:
            return self._inference(side)
        with self._lock:
            if side not in self._compiled_branches:
                model = self.card.model
                grid = model.ground_grid if side == "ground" else model.aerial_grid
                self._compiled_branches[side] = CompiledBranch(
                    partial(self._read, side), model, grid, f"{self.fingerprint}-{side}", self._cache
                )
            return self._compiled_branches[side]

    def _read(self, side: Side) -> Branch:
        if side not in ("ground", "aerial"):
            raise ConfigurationError(f"The branch is {side!r}; give 'ground' or 'aerial'.")
        return self._load_branch(side).eval().requires_grad_(False)

    def encode_ground(
        self,
        images: Iterable[GroundInput],
        *,
        heading_deg: float | Sequence[float] | None = None,
        prepared: bool = False,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> Descriptors:
        """Photos -> (N, D) float32, unit rows: the CLS descriptors of `describe_ground`."""
        return self.describe_ground(
            images, heading_deg=heading_deg, prepared=prepared, batch_size=batch_size, progress=progress
        ).cls

    def encode_aerial(
        self,
        images: Iterable[AerialInput],
        *,
        prepared: bool = False,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> Descriptors:
        """North-up squares of any size -> (N, D) float32, unit rows: the CLS descriptors of `describe_aerial`."""
        return self.describe_aerial(images, prepared=prepared, batch_size=batch_size, progress=progress).cls

    def describe_ground(
        self,
        images: Iterable[GroundInput],
        *,
        heading_deg: float | Sequence[float] | None = None,
        prepared: bool = False,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> Encoded:
        """Photos -> CLS descriptors (N, D) and, of a checkpoint that has any, columns (N, w, d), float32.

        `heading_deg` is where the centre column looks, degrees clockwise from north, one for all or one a
        photo; without it each photo's own counts, and north for a photo that does not say. `prepared`
        images are in the model's view and size already. `progress` is given 0 as the total if it is unknown.
        Raises ImageError or MetadataError for a photo that cannot be used.
        """
        one_for_all = heading_deg is None or isinstance(heading_deg, Real)
        headings: Any = repeat(heading_deg) if one_for_all else heading_deg
        pairs: Iterator[tuple[GroundInput, float | None]] = zip(images, headings, strict=not one_for_all)
        views = (self._ground_input(image, heading, prepared) for image, heading in pairs)
        return self._describe("ground", views, operator.length_hint(images), batch_size, progress)

    def describe_aerial(
        self,
        images: Iterable[AerialInput],
        *,
        prepared: bool = False,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> Encoded:
        """North-up squares of any size -> CLS descriptors (N, D) and columns (N, w, d), as for photos.

        The squares should show `card.view.chip_m` metres. `prepared` images are in the model's (polar)
        view and size already. `progress` is given 0 as the total if it is unknown. Raises ImageError.
        """
        views = (self._aerial_input(image, prepared) for image in images)
        return self._describe("aerial", views, operator.length_hint(images), batch_size, progress)

    def ground_view(self, panorama: Panorama, heading_deg: float) -> RGB:
        """What the ground branch looks at: north in the centre, (H, W, 3) uint8.

        `heading_deg` is where the panorama's centre column looks, degrees clockwise from north.
        """
        return sphere.ground_view(
            panorama, heading_deg, self.card.view.ground_vertical_field_deg, self.card.model.ground_size_px
        )

    def aerial_view(self, chip: RGB) -> RGB:
        """What the aerial branch looks at, from a north-up square (S, S, 3): (H, W, 3) uint8."""
        size_px = self.card.model.aerial_size_px
        if self.card.view.polar:
            return np.rint(to_polar(chip, size_px)).astype(np.uint8)
        height, width = size_px
        return np.asarray(Image.fromarray(chip).resize((width, height), Image.Resampling.BILINEAR))

    def attention(
        self,
        image: GroundInput,
        branch: Side = "ground",
        layers: Sequence[int] = (0,),
        *,
        heading_deg: float | None = None,
        prepared: bool = False,
    ) -> list[NDArray[np.float32]]:
        """Attention of one image: one (heads, T queries, T keys) float32 array a layer, token 0 is CLS.

        Rows sum to 1. Layers count from 0; under self-cross attention the keys of layer l belong to the
        input of layer l-1. Raises ConfigurationError for a layer that the model does not have.
        """
        self._require_layers(layers)
        with torch.inference_mode():
            maps = self.branch(branch).attention(self._one(image, branch, heading_deg, prepared), layers)
        return [weights[0].float().cpu().numpy() for weights in maps]

    def cls_attention(
        self,
        image: GroundInput,
        branch: Side = "ground",
        layers: Sequence[int] = (0,),
        *,
        heading_deg: float | None = None,
        prepared: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """One image's descriptor (D,) and the CLS rows of its attention (layers, heads, T keys), float32.

        Costs hardly more than the descriptor alone; row 0 of what `attention` gives. OpenVINO has no part in
        it. Raises ConfigurationError for a layer that the model does not have.
        """
        self._require_layers(layers)
        view = self._one(image, branch, heading_deg, prepared)[:1]
        with torch.inference_mode():
            said, rows = self._inference(branch).look(view, layers)
        return said[0, : self.card.model.width].cpu().numpy(), rows[0].float().cpu().numpy()

    def layer_tokens(
        self,
        image: GroundInput,
        branch: Side = "ground",
        *,
        heading_deg: float | None = None,
        prepared: bool = False,
    ) -> NDArray[np.float32]:
        """What each layer is given, then what the last one gives: (depth + 1, T, D) float32, CLS first."""
        with torch.inference_mode():
            tokens = self.branch(branch).layer_tokens(self._one(image, branch, heading_deg, prepared))
        return torch.stack([layer[0] for layer in tokens]).float().cpu().numpy()

    def tokens(
        self,
        image: GroundInput,
        branch: Side = "ground",
        *,
        heading_deg: float | None = None,
        prepared: bool = False,
    ) -> NDArray[np.float32]:
        """All tokens after the last LayerNorm: (T, D) float32, CLS first."""
        with torch.inference_mode():
            tokens = self.branch(branch).tokens(self._one(image, branch, heading_deg, prepared))
        return tokens[0].float().cpu().numpy()

    def positional_embedding(self, branch: Side) -> NDArray[np.float32]:
        """(1 + N, D) float32: CLS, then the grid row by row."""
        return self.branch(branch).positional_embedding[0].detach().float().cpu().numpy().copy()

    def _require_layers(self, layers: Sequence[int]) -> None:
        depth = self.card.model.depth
        for layer in layers:
            if not 0 <= layer < depth:
                raise ConfigurationError(f"There is no layer {layer}; the model has layers 0 to {depth - 1}.")

    def _one(self, image: GroundInput, side: Side, heading_deg: float | None, prepared: bool) -> Tensor:
        """One image's view, once for each thread: only the first is meant.

        On a CPU torch splits a lone image's sums between the threads, and its float32 result then differs
        by 1e-5 from the same image's in a batch; a batch is split between its images.
        """
        if side == "ground":
            view = self._ground_input(image, heading_deg, prepared)
        elif isinstance(image, Panorama):
            raise ImageError("A panorama was given for the aerial branch; give a north-up square.")
        else:
            view = self._aerial_input(image, prepared)
        return self._normalize([view] * (torch.get_num_threads() if self.device.type == "cpu" else 1))

    def _ground_input(self, image: GroundInput, heading_deg: float | None, prepared: bool) -> RGB:
        if prepared:
            pixels = image.pixels if isinstance(image, Panorama) else _pixels(image)
            return _prepared(pixels, self.card.model.ground_size_px)
        panorama = _panorama(image)
        heading_deg = panorama.heading_deg if heading_deg is None else heading_deg
        return self.ground_view(panorama, heading_deg or 0.0)

    def _aerial_input(self, image: AerialInput, prepared: bool) -> RGB:
        pixels = _pixels(image)
        if prepared:
            return _prepared(pixels, self.card.model.aerial_size_px)
        height, width = pixels.shape[:2]
        if height != width:
            raise ImageError(
                f"The aerial image is {width} x {height} pixels; a north-up square was expected."
            )
        return self.aerial_view(pixels)

    def _describe(
        self, side: Side, views: Iterator[RGB], total: int, batch_size: int, progress: Progress | None
    ) -> Encoded:
        if batch_size < 1:
            raise ConfigurationError(f"The batch size is {batch_size}; give a whole number above 0.")
        describe = self._describer(side)
        parts, done = [self._none], 0
        for batch in _ahead(_batches(views, batch_size)):
            with torch.inference_mode():
                parts.append(self._encoded(describe(self._normalize(batch)).cpu().numpy()))
            done += len(batch)
            if progress is not None:
                progress(done, total)
        return Encoded.joined(parts)

    @property
    def _none(self) -> Encoded:
        """The description of no view."""
        columns = None if self.columns is None else np.empty((0, *self.columns), np.float32)
        return Encoded(np.empty((0, self.card.model.width), np.float32), columns)

    def _encoded(self, rows: NDArray[np.float32]) -> Encoded:
        """What a branch gives in one row a view, CLS first and then the columns, taken apart."""
        cls, columns = np.split(rows, [self.card.model.width], axis=1)
        return Encoded(cls, None if self.columns is None else columns.reshape(-1, *self.columns))

    def _normalize(self, views: Sequence[RGB]) -> Tensor:
        """Views (H, W, 3) uint8 -> (B, 3, H, W) float32 on the device, channels last in memory."""
        batch = torch.from_numpy(np.stack(views))
        if self.device.type == "cuda":  # copied while the GPU still works on the last one
            batch = batch.pin_memory()
        batch = batch.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
        return (batch - self._mean) / self._std


def choose_device(name: str) -> torch.device:
    """The device of that name, or for `auto` the best there is. Raises ConfigurationError."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    kind, colon, number = name.partition(":")
    if kind not in available or (colon and not re.fullmatch("[0-9]{1,3}", number)):
        raise ConfigurationError(f"The device is {name!r}; give auto, cpu, cuda or mps.")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not available[kind] or int(number or 0) >= count:
        raise ConfigurationError(f"This machine has no device {name!r}; give auto or cpu.")
    return torch.device(kind, int(number)) if number else torch.device(kind)


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """What a precision by name computes in: `exact` float32, `fast` bfloat16. Raises ConfigurationError."""
    if precision == "exact":
        return torch.float32
    if precision != "fast":
        raise ConfigurationError(f"The precision is {precision!r}; give 'exact' or 'fast'.")
    if not gains_by_bfloat16(device):
        raise ConfigurationError(
            f"This {device.type} device has no fast bfloat16; give the precision 'exact'."
        )
    return torch.bfloat16


def _pixels(image: AerialInput) -> RGB:
    """(H, W, 3) uint8 of whatever was given. Raises ImageError."""
    if isinstance(image, str | Path | bytes):
        return decode_rgb(image)
    if isinstance(image, Image.Image):
        return np.asarray(image.convert("RGB"))
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"The image is {found}; a file, its bytes or an array (H, W, 3) uint8 was expected.")
    return image


def _panorama(image: GroundInput) -> Panorama:
    if isinstance(image, Panorama):
        return image
    return load_panorama(image) if isinstance(image, str | Path | bytes) else Panorama(_pixels(image))


def _prepared(pixels: RGB, size_px: tuple[int, int]) -> RGB:
    if pixels.shape[:2] != size_px:
        found, expected = " x ".join(map(str, pixels.shape[:2])), " x ".join(map(str, size_px))
        raise ImageError(
            f"The prepared image is {found} (height x width); the checkpoint looks at {expected}."
        )
    return pixels


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one being made in another thread while the caller works on this one."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare") as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _arrived(card: CheckpointCard, branches: dict[Side, Branch], precision: Precision) -> Encoder:
    """An encoder that came from another process."""
    return Encoder(card, branches.__getitem__, precision=precision)
