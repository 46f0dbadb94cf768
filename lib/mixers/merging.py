"""Token merging (P3): `window` tokens that follow each other in sequence become one, which makes attention cheap."""

from torch import Tensor, nn
from torch.nn.functional import pad

from lib.mixers.embedding import centre_of


class TokenMerging(nn.Module):
    """One linear map of a window's scalars side by side, another of its vectors; absent tokens enter as zeros.

    The last window is filled up with absent tokens, and a window is absent when all its tokens are.
    """

    def __init__(self, width: int, window: int):
        super().__init__()
        self.window = window
        self.scalar = nn.Linear(window * width, width)
        self.vector = nn.Linear(window * width, width, bias=False)

    def forward(self, scalars: Tensor, vectors: Tensor, ca: Tensor | None, present: Tensor):
        """(frame, token, W), (frame, token, 3, W), ca (frame, token, 3) Å, present (frame, token) -> the same of
        (frame, window, ...); ca is the mean over the present tokens of a window.
        """
        present = self.windows(present)
        scalars = self.windows(scalars) * present.unsqueeze(-1)
        vectors = self.windows(vectors) * present[..., None, None]
        if ca is not None:
            ca = centre_of(self.windows(ca).flatten(0, 1), present.flatten(0, 1)).unflatten(0, present.shape[:2])
        return self.scalar(scalars.flatten(2)), self.vector(vectors.movedim(2, 3).flatten(3)), ca, present.any(2)

    def windows(self, values: Tensor) -> Tensor:
        """(frame, token, ...) -> (frame, window, token of it, ...), filled up with zeros."""
        missing = -values.shape[1] % self.window
        return pad(values, [0, 0] * (values.dim() - 2) + [0, missing]).unflatten(1, (-1, self.window))
