"""UKD-SS: unsupervised knowledge distillation into a supervised student.

Hu, Xie, Hong, Tian, "Creating Something from Nothing: Unsupervised Knowledge Distillation for
Cross-Modal Hashing", CVPR 2020.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.methods import _deep
from pipeline.methods.mgah import MGAH
from pipeline.seeds import derive


class UKDSS(_deep.TwoNetHasher):
    """A student learns, as if they were labels, the neighbourhoods that a teacher's codes show.

    A re-implementation from the published description. The teacher is the discriminator of UGACH
    (``mgah``) with 128 bits. Two pairs are called similar when one is among the nearest of the
    other by the teacher's relaxed image codes or by its relaxed text codes. The student is
    DCMH-like: pairwise likelihood, quantisation error and bit balance.

    Kept from the authors: teacher bits, the .999 for "similar", the form of the losses, batch size,
    rate and epochs of the student, the share of neighbours (10,000 of 18,015). Assumed: networks
    with one hidden layer of 1,024 on the given features (theirs: VGG19, multi-scale text network),
    both trained on the pairs of a mini-batch at once. Two things differ for the student's sake:
    DCMH's balance term is kept, without which its codes became constant, and the quantisation error
    weighs 0.1 instead of 1, at which codes froze near their first signs.

    epochs          passes of the student
    batch_size      rows of a mini-batch of the student
    hidden          width of the student's hidden layer
    lr              learning rate of Adam, for the student
    quantisation    weight of the quantisation error
    neighbors       nearest by either view that are similar, as a share of the training set
    teacher_bits    code length of the teacher
    teacher_epochs  passes of the teacher's pre-training; teacher_rounds of its adversarial phase
    """

    def __init__(
        self,
        bits: int,
        seed: int,
        *,
        epochs: int = 60,
        batch_size: int = 256,
        hidden: int = 1024,
        lr: float = 1e-4,
        neighbors: float = 0.555,
        quantisation: float = 0.1,
        teacher_bits: int = 128,
        teacher_epochs: int = 30,
        teacher_rounds: int = 10,
        device: str = "auto",
    ) -> None:
        self.bits, self.seed, self.device = bits, seed, device
        self.epochs, self.batch_size, self.hidden, self.lr = epochs, batch_size, hidden, lr
        self.neighbors, self.quantisation = neighbors, quantisation
        self.teacher_bits = teacher_bits
        self.teacher_epochs, self.teacher_rounds = teacher_epochs, teacher_rounds

    def _train(self, image: Tensor, text: Tensor, generator: torch.Generator) -> None:
        taught = self._taught(image, text)
        k = max(1, round(self.neighbors * len(image)))
        reach = [radius(codes, k) for codes in taught]
        self.image_net_, self.text_net_ = (
            nn.Sequential(_deep.Standardize(x), _deep.mlp(x.shape[1], self.hidden, self.bits)).to(
                x.device
            )
            for x in (image, text)
        )

        def loss(rows: Tensor, epoch: int) -> Tensor:
            similar = similarity([t[rows] for t in taught], [r[rows] for r in reach])
            f, g = self.image_net_(image[rows]), self.text_net_(text[rows])
            return pair_loss(f, g, similar) + sum(
                self.quantisation * quantisation_loss(h) + balance_loss(h) for h in (f, g)
            )

        _deep.descend(
            loss,
            torch.optim.Adam(
                [*self.image_net_.parameters(), *self.text_net_.parameters()],
                lr=self.lr,
                fused=True,
            ),
            generator,
            n=len(image),
            epochs=self.epochs,
            batch_size=self.batch_size,
            report=partial(self.report, phase="student"),
        )

    def _taught(self, image: Tensor, text: Tensor) -> list[Tensor]:
        """The relaxed codes, in [0, 1], that a teacher fitted here gives both views."""
        teacher = MGAH(
            min(self.teacher_bits, len(image)),
            derive(self.seed, "teacher"),
            epochs=self.teacher_epochs,
            rounds=self.teacher_rounds,
            device=self.device,
        )
        teacher.on_epoch = self.on_epoch
        teacher.fit(image.cpu().numpy(), text.cpu().numpy())
        nets = (teacher.image_net_, image), (teacher.text_net_, text)
        return [
            torch.sigmoid(_deep.tensor(_deep.outputs(net, x.cpu().numpy(), x.device), x.device))
            for net, x in nets
        ]


def radius(codes: Tensor, k: int, block: int = 1024) -> Tensor:
    """Distance of every row of ``codes`` (n, d) to its k-th nearest, itself the first; (n,)."""
    parts = (torch.cdist(rows, codes).kthvalue(k, dim=1).values for rows in codes.split(block))
    return torch.cat(list(parts))


def similarity(codes: list[Tensor], reach: list[Tensor]) -> Tensor:
    """.999 where j is within the reach of i by one view at least, 0 elsewhere; (b, b)."""
    near = [torch.cdist(c, c) <= r[:, None] for c, r in zip(codes, reach, strict=True)]
    return 0.999 * (near[0] | near[1]).to(codes[0].dtype)


def pair_loss(f: Tensor, g: Tensor, similar: Tensor) -> Tensor:
    """Mean squared negative log-likelihood of S under sigmoid(theta), theta = f g' / 2."""
    theta = f @ g.T / 2
    return F.mse_loss(F.softplus(theta), similar * theta)


def quantisation_loss(h: Tensor) -> Tensor:
    """Mean squared distance of real codes from their signs."""
    return F.mse_loss(h, h.detach().sign())


def balance_loss(h: Tensor) -> Tensor:
    """Mean squared mean of each bit over the mini-batch, as in DCMH."""
    return h.mean(dim=0).square().mean()
