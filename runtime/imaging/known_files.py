"""The files that lie beside images in a laboratory: a name, a signature and a remedy for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# image: Pillow reads it. reader: a package reads it. picture: another program has to export it.
# broken: a picture by its name, without its content. partial: its transfer has not ended.
# other: no picture of a field.
Role = Literal["image", "reader", "picture", "broken", "partial", "other"]


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    Parameters
    ----------
    name : str
        As it stands in a message, for example ``"Zeiss CZI file"``.
    role : str
    fix : str
        What to do to get an image that alledge reads; empty if nothing can be said.
    """

    name: str
    role: Role
    fix: str = ""


SAVE_AS = "save it as an 8-bit RGB TIFF, PNG or JPEG"
SLIDE_FIX = "export the field of view, not the whole slide"
WAIT_FIX = "wait until its transfer has ended; if it is whole, give it its own name"
COPY_FIX = "copy it from the camera again"
QUPATH = "or QuPath: File > Export images > Original pixels"
RAW_FIX = "save JPEG in the camera, or export an 8-bit TIFF or JPEG with the camera's own program"

TIFF = FileKind("TIFF", "image")
JPEG = FileKind("JPEG", "image")
JPEG_2000 = FileKind("JPEG 2000", "image")
HEIC = FileKind("HEIC picture", "reader")
AVIF = FileKind("AVIF picture", "reader")
DICOM = FileKind("DICOM file", "reader")
OLE = FileKind("office document", "other")
TEXT = FileKind("text file", "other")
UNKNOWN = FileKind("file of an unknown kind", "other")
EMPTY = FileKind("empty file (0 bytes)", "other")
WEB_PAGE = FileKind("web page", "other", "download the image itself")
ZEROS = FileKind("file of zeros, whose transfer failed", "broken", COPY_FIX)
PARTIAL = FileKind("half-transferred file", "partial", WAIT_FIX)
TEMPORARY = FileKind("temporary file", "other", WAIT_FIX)
APPLE_DOUBLE = FileKind("AppleDouble file of macOS", "other", "name the file without ._")
SYSTEM_FILE = FileKind("file of the operating system", "other")
LOCK_FILE = FileKind("lock file of an office program", "other")

CZI = FileKind(
    "Zeiss CZI file", "picture",
    f"ZEN: File > Export/Import > Export, file type TIFF, 8 bit; {QUPATH}",
)  # fmt: skip
LIF = FileKind(
    "Leica LIF file", "picture",
    f"LAS X: right-click the image > Export Image, TIFF, 8 bit RGB; {QUPATH}",
)  # fmt: skip
ND2 = FileKind(
    "Nikon ND2 file", "picture", f"NIS-Elements: File > Save As, TIFF, 8 bit RGB; {QUPATH}"
)
OLYMPUS = "cellSens or OlyVIA: File > Save As (Export), TIFF or JPEG, 8 bit RGB"
VSI = FileKind("Olympus VSI file", "picture", f"{OLYMPUS}; {QUPATH}")
OIB = FileKind("Olympus OIB file", "picture", "FluoView: File > Export, TIFF, 8 bit RGB")
OIF = FileKind("Olympus OIF file", "picture", "FluoView: File > Export, TIFF, 8 bit RGB")
OIR = FileKind("Olympus OIR file", "picture", "FluoView: File > Export, TIFF, 8 bit RGB")
ZVI = FileKind("Zeiss ZVI file", "picture", "AxioVision: File > Export, TIFF, 8 bit RGB")
LSM = FileKind("Zeiss LSM file", "picture", "ZEN: File > Export, TIFF, 8 bit RGB")
NDPI = FileKind(
    "Hamamatsu NDPI slide", "picture", f"NDP.view2: export the field as TIFF or JPEG; {QUPATH}"
)
SCN = FileKind(
    "Leica SCN slide", "picture", f"Aperio ImageScope: Extract Region, TIFF or JPEG; {QUPATH}"
)
MRXS = FileKind(
    "3DHISTECH MRXS slide", "picture",
    f"SlideViewer or CaseViewer: export the field of view as TIFF or JPEG; {QUPATH}",
)  # fmt: skip
BIF = FileKind("Ventana BIF slide", "picture", f"{SLIDE_FIX}, as TIFF or JPEG; {QUPATH}")
OTHER_SLIDE = FileKind("slide of a scanner", "picture", f"{SLIDE_FIX}, as TIFF or JPEG")
RAW = FileKind("raw file of a camera", "picture", RAW_FIX)
BARE_DICOM = FileKind(
    "DICOM file without its preamble", "picture", f"export it again from your archive, or {SAVE_AS}"
)
HDF5 = FileKind("HDF5 file", "other")
JXL = FileKind(
    "JPEG XL picture", "picture",
    f"{SAVE_AS}; `djxl IN.jxl OUT.png` of the JPEG XL reference tools does it without loss",
)  # fmt: skip

# Each row: the offset of the bytes, the bytes, the kind. The first row that fits is taken.
SIGNATURES: tuple[tuple[int, bytes, FileKind], ...] = (
    (0, b"\xff\xd8\xff", JPEG),
    (0, b"\x89PNG\r\n\x1a\n", FileKind("PNG", "image")),
    (0, b"GIF87a", FileKind("GIF", "image")),
    (0, b"GIF89a", FileKind("GIF", "image")),
    (8, b"CR\x02\x00", RAW),  # Canon CR2: a TIFF whose first page is a preview
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (0, b"II+\0", TIFF),
    (0, b"MM\0+", TIFF),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000),
    (0, b"\xff\x4f\xff\x51", JPEG_2000),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", JXL),
    (0, b"\xff\x0a", JXL),
    (0, b"ZISRAWFILE", CZI),
    (0, b"\xda\xce\xbe\x0a", ND2),
    (0, b"SIS\0", FileKind("part of an Olympus VSI file", "other")),
    (0, b"OLYMPUSRAWFORMAT", OIR),
    (0, b"IIRO", RAW), (0, b"IIRS", RAW), (0, b"MMOR", RAW),  # Olympus
    (0, b"IIU\0", RAW),  # Panasonic
    (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"FOVb", RAW),
    (0, b"\x08\0\x05\0CS", BARE_DICOM),
    (0, b"\x08\0\x08\0CS", BARE_DICOM),
    (0, b"\x08\0\0\0UL", BARE_DICOM),
    (0, b"\x02\0\0\0UL", BARE_DICOM),
    (0, b"8BPS", FileKind("Photoshop document", "picture", f"Photoshop: Save a Copy; {SAVE_AS}")),
    (0, b"II\xbc\x01", FileKind("JPEG XR picture", "picture", SAVE_AS)),
    (0, b"\x76\x2f\x31\x01", FileKind("OpenEXR picture", "picture", SAVE_AS)),
    (0, b"SIMPLE  =", FileKind("FITS file", "picture", SAVE_AS)),
    (0, b"gimp xcf", FileKind("GIMP document", "picture", f"GIMP: File > Export As; {SAVE_AS}")),
    (0, b"\0\x05\x16\x07", APPLE_DOUBLE),
    (0, b"\0\0\0\x01Bud1", SYSTEM_FILE),  # .DS_Store
    (0, b"%PDF", FileKind("PDF document", "other", "export its pictures as TIFF, PNG or JPEG")),
    (0, b"%!PS", FileKind("PostScript document", "other")),
    (0, b"PK\x03\x04", FileKind("ZIP archive", "other", "unpack it first")),
    (0, b"PK\x05\x06", FileKind("ZIP archive", "other")),
    (0, b"\x1f\x8b", FileKind("gzip archive", "other", "unpack it first")),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("7-Zip archive", "other", "unpack it first")),
    (0, b"Rar!\x1a\x07", FileKind("RAR archive", "other", "unpack it first")),
    (0, b"BZh", FileKind("bzip2 archive", "other", "unpack it first")),
    (0, b"\xfd7zXZ\0", FileKind("xz archive", "other", "unpack it first")),
    (0, b"\x28\xb5\x2f\xfd", FileKind("Zstandard archive", "other", "unpack it first")),
    (257, b"ustar", FileKind("tar archive", "other", "unpack it first")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (0, b"{\\rtf", OLE),
    (0, b"SQLite format 3\0", FileKind("SQLite database", "other")),
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"\x93NUMPY", FileKind("NumPy array", "other")),
    (0, b"\x1aE\xdf\xa3", FileKind("video", "other", "save a still picture of it")),
    (0, b"\0\0\x01\xba", FileKind("video", "other", "save a still picture of it")),
    (0, b"\0\0\x01\xb3", FileKind("video", "other", "save a still picture of it")),
    (0, b"\0\0\x01\0", FileKind("icon", "other")),
    (0, b"ID3", FileKind("sound", "other")),
    (0, b"OggS", FileKind("sound or video", "other")),
    (0, b"MZ", FileKind("program", "other")),
    (0, b"\x7fELF", FileKind("program", "other")),
)  # fmt: skip
VIDEO = FileKind("video", "other", "save a still picture of it")
OFFICE_SUFFIXES = frozenset({".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp"})

# Files whose content begins as another format: the suffix decides, because what Pillow would read
# is a thumbnail, a label or one part. Each row: the suffix, the kind.
CONTAINERS: dict[str, FileKind] = {
    ".vsi": VSI, ".mrxs": MRXS, ".nd2": ND2, ".lsm": LSM, ".oib": OIB, ".oif": OIF, ".oir": OIR,
    ".zvi": ZVI, ".ndpi": NDPI, ".scn": SCN, ".bif": BIF, ".czi": CZI, ".lif": LIF,
    ".ims": FileKind("Imaris file", "picture", f"Imaris: File > Export, TIFF; {QUPATH}"),
    **dict.fromkeys((".vms", ".vmu", ".ndpis"), FileKind("Hamamatsu slide", "picture", NDPI.fix)),
    **dict.fromkeys((".isyntax", ".i2syntax", ".svslide", ".qptiff", ".kfb", ".sdpc", ".tron",
                     ".mdsx", ".dmetrix", ".afi", ".dsx"), OTHER_SLIDE),
    **dict.fromkeys((".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".srf", ".dng", ".orf",
                     ".rw2", ".raf", ".pef", ".3fr", ".iiq", ".kdc", ".dcr", ".erf", ".mef", ".mos",
                     ".rwl", ".srw", ".x3f"), RAW),
}  # fmt: skip
# As what files of `CONTAINERS` begin, if it is an image; all others begin as a TIFF.
BEGIN_AS = {
    ".mrxs": "JPEG", ".nd2": "JPEG 2000",
    **dict.fromkeys((".czi", ".lif", ".oib", ".oif", ".oir", ".zvi", ".ims"), ""),
}  # fmt: skip
# What a file with such a suffix should be; it is a picture by its name.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".btf", ".bmp", ".dib", ".gif",
     ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".jpf", ".heic", ".heif",
     ".hif", ".avif", ".jxl", ".dcm", ".dicom", ".svs", *CONTAINERS}
)  # fmt: skip
PARTIAL_SUFFIXES = frozenset(
    {".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".tmp", ".temp",
     ".aria2", ".!sync", ".!qb", ".!ut", ".bc!", ".inprogress", ".incomplete", ".uploading",
     ".unfinished"}
)  # fmt: skip
SYSTEM_NAMES = frozenset(
    {".ds_store", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r",
     ".picasa.ini", "picasa.ini", ".directory", ".localized", "folder.jpg~"}
)  # fmt: skip
# Folders that hold copies: thumbnails, deleted files, and what macOS adds to an archive.
SYSTEM_FOLDERS = frozenset(
    {"__macosx", "@eadir", ".@__thumb", ".thumbnails", "$recycle.bin", "#recycle", "lost+found",
     "system volume information"}
)  # fmt: skip
