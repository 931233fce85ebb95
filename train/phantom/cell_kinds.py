"""The kinds of white cell that generated smears hold, as rows of data; imports nothing.

Sizes and shares of nuclei follow haematology atlases loosely; what they must keep is the order:
a blast is large and nearly all nucleus, everything else is small, lobed or rich in cytoplasm.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]  # low, high: drawn uniformly

# Density of any nucleus in the azure plane: colour must not tell the kinds apart, shape must.
AZURE_DENSITY: Range = (0.75, 1.1)


@dataclass(frozen=True)
class Leucocyte:
    """What one kind of white cell looks like.

    Parameters
    ----------
    name : str
    diameter_um : (float, float)
    nucleus : (float, float)
        Share of the cell's area that its nucleus covers.
    chromatin, grain_um : float
        Contrast of the chromatin, and the pitch of its clumps in micrometres.
    pink, blue : (float, float)
        Densities of the cytoplasm in the eosin and the blue plane.
    lobes : (int, int)
        Number of lobes of the nucleus; 1 is round.
    bend : float
        How far the lobes lie from the middle, in cell radii.
    granules : (float, float)
        Densities of the cytoplasm's granules in the eosin and the azure plane; 0 for none.
    nucleoli : (int, int)
        Number of pale spots in the nucleus.
    """

    name: str
    diameter_um: Range
    nucleus: Range
    chromatin: float
    grain_um: float
    pink: Range
    blue: Range
    lobes: tuple[int, int] = (1, 1)
    bend: float = 0.0
    granules: Range = (0.0, 0.0)
    nucleoli: tuple[int, int] = (0, 0)


BLAST = Leucocyte(
    "lymphoblast",
    diameter_um=(13.5, 17.5),
    nucleus=(0.78, 0.90),
    chromatin=0.12,
    grain_um=0.5,
    pink=(0.0, 0.0),
    blue=(0.5, 1.3),
    nucleoli=(0, 2),
)
LYMPHOCYTE = Leucocyte(
    "lymphocyte",
    diameter_um=(8.5, 10.5),
    nucleus=(0.62, 0.74),
    chromatin=0.18,
    grain_um=1.3,
    pink=(0.0, 0.1),
    blue=(0.4, 1.2),
)
LARGE_LYMPHOCYTE = Leucocyte(
    "large lymphocyte",
    diameter_um=(12.0, 14.0),
    nucleus=(0.46, 0.58),
    chromatin=0.15,
    grain_um=1.1,
    pink=(0.0, 0.1),
    blue=(0.3, 1.1),
)
NEUTROPHIL = Leucocyte(
    "neutrophil",
    diameter_um=(12.0, 14.0),
    nucleus=(0.36, 0.46),
    chromatin=0.18,
    grain_um=1.2,
    pink=(0.3, 0.5),
    blue=(0.0, 0.2),
    lobes=(3, 5),
    bend=0.55,
    granules=(0.22, 0.05),
)
EOSINOPHIL = Leucocyte(
    "eosinophil",
    diameter_um=(12.0, 14.0),
    nucleus=(0.34, 0.44),
    chromatin=0.18,
    grain_um=1.2,
    pink=(0.4, 0.6),
    blue=(0.0, 0.15),
    lobes=(2, 2),
    bend=0.46,
    granules=(0.9, 0.0),
)
MONOCYTE = Leucocyte(
    "monocyte",
    diameter_um=(13.5, 16.5),
    nucleus=(0.48, 0.58),
    chromatin=0.15,
    grain_um=1.0,
    pink=(0.1, 0.3),
    blue=(0.3, 0.7),
    lobes=(3, 3),
    bend=0.36,
    granules=(0.1, 0.05),
)
# Kind -> share among normal leucocytes (richer in lymphocytes than blood: they are the hard ones).
NORMAL: dict[Leucocyte, float] = {
    LYMPHOCYTE: 0.26,
    LARGE_LYMPHOCYTE: 0.14,
    NEUTROPHIL: 0.36,
    EOSINOPHIL: 0.07,
    MONOCYTE: 0.17,
}
