"""The kinds of white cell in generated smears, as rows of data.

Sizes and nucleus shares roughly follow haematology atlases. What separates the kinds is exact: a
blast is large and consists almost entirely of its nucleus. All other kinds are small, have a lobed
nucleus, or have much cytoplasm.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]  # limits of a uniform distribution

# Density of every nucleus in the azure plane. It is the same for all kinds, so that a model must
# recognise them by their shape and not by their colour.
AZURE_DENSITY: Range = (0.75, 1.1)


@dataclass(frozen=True)
class Leucocyte:
    """The appearance of one kind of white cell.

    Parameters
    ----------
    name : str
    diameter_um : (float, float)
        Limits of the diameter, in micrometres.
    nucleus_share : (float, float)
        Limits of the share of the cell's area that the nucleus covers, 0 to 1.
    chromatin_contrast, chromatin_pitch_um : float
        Contrast of the chromatin, and the distance of its clumps in micrometres.
    cytoplasm_eosin, cytoplasm_blue : (float, float)
        Limits of the cytoplasm's density in the eosin plane and in the blue plane.
    lobes : (int, int)
        Least and greatest number of lobes of the nucleus. 1 is a round nucleus.
    lobe_distance : float
        Distance of the lobes from the centre, in cell radii.
    granules : (float, float)
        Density of the granules in the eosin plane and in the azure plane. (0, 0) for none.
    nucleoli : (int, int)
        Least and greatest number of pale spots in the nucleus.
    """

    name: str
    diameter_um: Range
    nucleus_share: Range
    chromatin_contrast: float
    chromatin_pitch_um: float
    cytoplasm_eosin: Range
    cytoplasm_blue: Range
    lobes: tuple[int, int] = (1, 1)
    lobe_distance: float = 0.0
    granules: Range = (0.0, 0.0)
    nucleoli: tuple[int, int] = (0, 0)


# fmt: off
BLAST = Leucocyte(
    "lymphoblast", diameter_um=(13.5, 17.5), nucleus_share=(0.78, 0.90), nucleoli=(0, 2),
    chromatin_contrast=0.12, chromatin_pitch_um=0.5,
    cytoplasm_eosin=(0.0, 0.0), cytoplasm_blue=(0.5, 1.3),
)
LYMPHOCYTE = Leucocyte(
    "lymphocyte", diameter_um=(8.5, 10.5), nucleus_share=(0.62, 0.74),
    chromatin_contrast=0.18, chromatin_pitch_um=1.3,
    cytoplasm_eosin=(0.0, 0.1), cytoplasm_blue=(0.4, 1.2),
)
LARGE_LYMPHOCYTE = Leucocyte(
    "large lymphocyte", diameter_um=(12.0, 14.0), nucleus_share=(0.46, 0.58),
    chromatin_contrast=0.15, chromatin_pitch_um=1.1,
    cytoplasm_eosin=(0.0, 0.1), cytoplasm_blue=(0.3, 1.1),
)
NEUTROPHIL = Leucocyte(
    "neutrophil", diameter_um=(12.0, 14.0), nucleus_share=(0.36, 0.46),
    chromatin_contrast=0.18, chromatin_pitch_um=1.2, lobes=(3, 5), lobe_distance=0.55,
    cytoplasm_eosin=(0.3, 0.5), cytoplasm_blue=(0.0, 0.2), granules=(0.22, 0.05),
)
EOSINOPHIL = Leucocyte(
    "eosinophil", diameter_um=(12.0, 14.0), nucleus_share=(0.34, 0.44),
    chromatin_contrast=0.18, chromatin_pitch_um=1.2, lobes=(2, 2), lobe_distance=0.46,
    cytoplasm_eosin=(0.4, 0.6), cytoplasm_blue=(0.0, 0.15), granules=(0.9, 0.0),
)
MONOCYTE = Leucocyte(
    "monocyte", diameter_um=(13.5, 16.5), nucleus_share=(0.48, 0.58),
    chromatin_contrast=0.15, chromatin_pitch_um=1.0, lobes=(3, 3), lobe_distance=0.36,
    cytoplasm_eosin=(0.1, 0.3), cytoplasm_blue=(0.3, 0.7), granules=(0.1, 0.05),
)
# fmt: on
# Share of each kind among normal leucocytes. Lymphocytes are more frequent than in blood, because
# they are the kind that is hardest to tell from blasts.
NORMAL: dict[Leucocyte, float] = {
    LYMPHOCYTE: 0.26,
    LARGE_LYMPHOCYTE: 0.14,
    NEUTROPHIL: 0.36,
    EOSINOPHIL: 0.07,
    MONOCYTE: 0.17,
}  # fmt: skip
