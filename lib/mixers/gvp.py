"""SubGVP (P2): messages between tokens whose CA atoms are near, made by geometric vector perceptrons."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from lib.mixers.embedding import length
from lib.mixers.equivariant import VectorDropout, VectorNorm
from lib.models.graph import neighbours
from lib.models.radial import cosine_cutoff


CUTOFF = 8.0  # Å between CA atoms
CENTRES = 16  # Gaussians of the distance


class GVP(nn.Module):
    """Geometric vector perceptron (Jing et al. 2021, algorithm 1) with vector gates: sizes are (scalars, vectors)."""

    def __init__(self, size: tuple[int, int], out: tuple[int, int], activate: bool = True):
        super().__init__()
        self.activate = activate
        hidden = max(size[1], out[1])
        self.first = nn.Linear(size[1], hidden, bias=False)
        self.second = nn.Linear(hidden, out[1], bias=False)
        self.scalar = nn.Linear(size[0] + hidden, out[0])
        self.gate = nn.Linear(out[0], out[1])

    def forward(self, scalars: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """(..., scalars), (..., 3, vectors) -> the same with the sizes of the output."""
        vectors = self.first(vectors)
        scalars = self.scalar(torch.cat([scalars, length(vectors)], dim=-1))
        vectors = self.second(vectors) * torch.sigmoid(self.gate(scalars)).unsqueeze(-2)
        return relu(scalars) if self.activate else scalars, vectors


class Edges:
    """Directed pairs of present tokens within the cutoff, tokens of all frames in one row.

    centre, neighbour: (edge,); direction: (edge, 3); fade: (edge, 1) falls to 0 at the cutoff; basis: (edge, CENTRES).
    """

    def __init__(self, ca: Tensor, present: Tensor):
        index = present.flatten().nonzero().squeeze(1)
        graph = neighbours(ca.flatten(0, 1)[index], index // ca.shape[1], CUTOFF)
        centre, neighbour, pair, direction = graph.edges()
        other = pair < len(graph.distance)  # a token sends no message to itself
        self.centre, self.neighbour = index[centre[other]], index[neighbour[other]]
        self.direction = direction[other]
        distance = graph.distance[pair[other]].unsqueeze(-1)
        self.fade = cosine_cutoff(distance, CUTOFF)
        step = CUTOFF / (CENTRES - 1)
        self.basis = torch.exp(-0.5 * (distance / step - torch.arange(CENTRES).to(distance)) ** 2)

    def mean(self, messages: Tensor, tokens: int) -> Tensor:
        """Faded messages (edge, ...) added up at their centres, over 1 + the sum of the weights: (token, ...)."""
        total = self.fade.new_ones(tokens, 1).index_add(0, self.centre, self.fade)
        weighted = messages * self.fade.view(-1, *[1] * (messages.dim() - 1))
        summed = messages.new_zeros(tokens, *messages.shape[1:]).index_add(0, self.centre, weighted)
        return summed / total.view(-1, *[1] * (messages.dim() - 1))


class Convolution(nn.Module):
    """Messages by two GVPs from both ends of an edge, averaged; then two GVPs on the token; residual, then norm."""

    def __init__(self, size: tuple[int, int], dropout: float):
        super().__init__()
        scalars, vectors = size
        self.message = nn.ModuleList([GVP((2 * scalars + CENTRES, 2 * vectors + 1), size), GVP(size, size, False)])
        self.feed = nn.ModuleList([GVP(size, (2 * scalars, vectors)), GVP((2 * scalars, vectors), size, False)])
        self.norms = nn.ModuleList([nn.LayerNorm(scalars) for _ in range(2)])
        self.vector_norms = nn.ModuleList([VectorNorm(vectors) for _ in range(2)])
        self.drop, self.drop_vectors = nn.Dropout(dropout), VectorDropout(dropout)

    def forward(self, scalars: Tensor, vectors: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """(token, scalars), (token, 3, vectors) -> the same shapes."""
        message = torch.cat([scalars[edges.centre], scalars[edges.neighbour], edges.basis], dim=-1)
        arrow = torch.cat([vectors[edges.centre], vectors[edges.neighbour], edges.direction.unsqueeze(-1)], dim=-1)
        for layer in self.message:
            message, arrow = layer(message, arrow)
        change = edges.mean(message, len(scalars)), edges.mean(arrow, len(scalars))
        scalars, vectors = self.add(0, scalars, vectors, *change)
        change = (scalars, vectors)
        for layer in self.feed:
            change = layer(*change)
        return self.add(1, scalars, vectors, *change)

    def add(self, i: int, scalars: Tensor, vectors: Tensor, change: Tensor, turn: Tensor) -> tuple[Tensor, Tensor]:
        """Residual and norm number i."""
        return self.norms[i](scalars + self.drop(change)), self.vector_norms[i](vectors + self.drop_vectors(turn))


class SubGVP(nn.Module):
    """Convolutions on the CA graph of each frame, pairs within 8 Å; order of tokens does not matter.

    Our choices: inside, a quarter as many vectors as scalars (Jing et al. have 16 to 100); two GVPs a message; and
    messages that fade out towards the cutoff, so that outputs are continuous in the positions.
    """

    def __init__(self, width: int, depth: int, heads: int, dropout: float):
        super().__init__()
        size = (width, max(1, width // 4))
        self.into = GVP((width, width), size, False)
        self.layers = nn.ModuleList([Convolution(size, dropout) for _ in range(depth)])
        self.out = GVP(size, (width, width), False)

    def forward(self, scalars: Tensor, vectors: Tensor, ca: Tensor, present: Tensor):
        """(frame, token, W), (frame, token, 3, W), and ca (frame, token, 3) Å and present, which are handed on."""
        shape, edges = scalars.shape[:2], Edges(ca, present)
        scalars, vectors = self.into(scalars.flatten(0, 1), vectors.flatten(0, 1))
        for layer in self.layers:
            scalars, vectors = layer(scalars, vectors, edges)
        scalars, vectors = self.out(scalars, vectors)
        return scalars.unflatten(0, shape), vectors.unflatten(0, shape), ca, present
