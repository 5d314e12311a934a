"""UCMFH with the other view withheld at test, as retrieval across views asks it."""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.methods.base import Hasher
from pipeline.methods.ucmfh import UCMFH


@dataclass(eq=False, kw_only=True)
class UCMFHWithheld(UCMFH):
    """UCMFH whose codes are made from one view alone, one row at a time.

    Trained as ``ucmfh``, which see for the parameters. A view that is not there is replaced by its
    training mean. The difference to ``ucmfh`` is what seeing both views at test is worth.

    Theirs: the training, as said in ``ucmfh``.

    Ours: codes from one view alone.

    Not known: nothing that matters.
    """

    sees_both_views: ClassVar[bool] = False

    encode_pairs = Hasher.encode_pairs
