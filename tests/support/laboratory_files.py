"""Makes the files that lie beside images in a laboratory: other formats, and what is no image."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TEXT = b"patient list\n" * 9
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return the content of an image file."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def unread_files(image: Image.Image) -> dict[str, tuple[bytes, str]]:
    """Return name, content and the word that names the kind, of files that are not read."""
    jpeg, tiff = encoded(image, "JPEG"), encoded(image, "TIFF")
    jp2 = encoded(image, "JPEG2000")
    lif = "<LMSDataContainerHeader/>".encode("utf-16-le")
    return {
        "x.czi": (b"ZISRAWFILE\0\0\0\0\0\0" + bytes(500), "Zeiss CZI"),
        "renamed.jpg": (b"ZISRAWFILE\0\0\0\0\0\0" + bytes(500), "Zeiss CZI"),
        "x.lif": (b"\x70\0\0\0\xff\0\0\0\x2a" + struct.pack("<I", 25) + lif, "Leica LIF"),
        "x.nd2": (b"\xda\xce\xbe\x0a" + bytes(500), "Nikon ND2"),
        "old.nd2": (jp2, "Nikon ND2"),
        "x.vsi": (tiff, "Olympus VSI"),
        "x.oib": (OLE, "Olympus OIB"),
        "x.oif": ("﻿[ProfileSaveInfo]".encode("utf-16-le"), "Olympus OIF"),
        "x.oir": (b"OLYMPUSRAWFORMAT" + bytes(90), "Olympus OIR"),
        "x.zvi": (OLE, "Zeiss ZVI"),
        "x.lsm": (tiff, "Zeiss LSM"),
        "x.mrxs": (jpeg, "3DHISTECH MRXS"),
        "x.ndpi": (tiff, "Hamamatsu NDPI"),
        "x.scn": (tiff, "Leica SCN"),
        "x.bif": (tiff, "Ventana BIF"),
        "x.jxl": (b"\xff\x0a" + bytes(range(90)), "JPEG XL"),
        "boxed.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(90), "JPEG XL"),
        "x.NEF": (tiff, "raw file of a camera"),
        "x.cr2": (b"II*\0\x10\0\0\0CR\2\0" + tiff, "raw file of a camera"),
        "x.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw file of a camera"),
        "bare.dcm": (b"\x08\0\x05\0CS\x0a\0ISO_IR 100" + bytes(90), "DICOM file without"),
        "x.psd": (b"8BPS\0\1" + bytes(90), "Photoshop"),
        "x.jpg.part": (jpeg, "half-transferred"),
        "begun.jpg.part": (b"", "half-transferred"),
        "x.jpg.crdownload": (jpeg, "half-transferred"),
        "x.JPG.filepart": (jpeg[:200], "half-transferred"),
        "x.tif.tmp": (bytes(900), "half-transferred"),
        "upload.tmp": (jpeg, "half-transferred"),
        ".x.jpg.aB3dE9": (jpeg, "half-transferred"),
        "Unconfirmed 4711.crdownload": (jpeg, "half-transferred"),
        "zeros.jpg": (bytes(5000), "zeros"),
        "page.jpg": (b"<!DOCTYPE html><html>not found</html>", "web page"),
        "notes.png": (TEXT, "text file"),
        "report.tif": (b"%PDF-1.7\n" + bytes(90), "PDF"),
        "film.jpg": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video"),
    }


def clutter() -> dict[str, tuple[bytes, str]]:
    """Return name, content and kind, of files that are no pictures and nobody misses."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("word/document.xml", "<w/>")
    return {
        "labels.csv": (b"image,label\nx.jpg,blast\n", "text file"),
        "notes.txt": ("Größe\n".encode(), "text file"),
        "Thumbs.db": (OLE, "file of the operating system"),
        "ehthumbs.db": (b"", "file of the operating system"),
        "desktop.ini": (b"[.ShellClassInfo]\r\n", "file of the operating system"),
        ".DS_Store": (b"\0\0\0\x01Bud1" + bytes(90), "file of the operating system"),
        "._x.jpg": (b"\0\x05\x16\x07\0\2\0\0Mac OS X        ", "AppleDouble"),
        "~$letter.docx": (b"\x05admin", "lock file"),
        "~WRL0001.tmp": (bytes(90), "temporary file"),
        "letter.docx": (archive.getvalue(), "office document"),
        "images.zip": (archive.getvalue(), "ZIP archive"),
        "x.pdf": (b"%PDF-1.7", "PDF document"),
        "x.mp4": (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "video"),
        "x.avi": (b"RIFF1234AVI LIST", "video"),
        "table.xls": (OLE, "office document"),
        "empty": (b"", "empty file"),
        "noise.bin": (b"\1\2\xff\xfe\0\3", "unknown kind"),
    }


def dicom(
    path: Path,
    pixels: NDArray[Any],
    photometric: str = "RGB",
    *,
    bits: int = 8,
    syntax: str = "1.2.840.10008.1.2.1",
    frames: list[bytes] | None = None,
    **tags: Any,
) -> Path:
    """Write a DICOM file with a patient's name in it.

    Parameters
    ----------
    path : Path
    pixels : (H, W) or (H, W, 3) ndarray
    photometric : str
    bits : int
        Bits stored.
    syntax : str
        Of the transfer.
    frames : list of bytes, optional
        Compressed frames; by default the pixels, uncompressed.
    **tags
        Further tags.

    Returns
    -------
    Path
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.77.1.2")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = UID(syntax)
    record = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    record.PatientName, record.PatientID = "SECRET^NAME", "SECRET-ID"
    record.Rows, record.Columns = pixels.shape[:2]
    record.SamplesPerPixel = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        record.PlanarConfiguration = 0
    record.PhotometricInterpretation = photometric
    record.BitsAllocated = 8 * pixels.dtype.itemsize
    record.BitsStored, record.HighBit, record.PixelRepresentation = bits, bits - 1, 0
    record.ManufacturerModelName = "Scope 5"
    record.PixelData = encapsulate(frames) if frames else pixels.tobytes()
    if frames:
        record["PixelData"].is_undefined_length = True
    for name, value in tags.items():
        setattr(record, name, value)
    record.save_as(path, enforce_file_format=True)
    return path


def ycbcr(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB pixels as YCbCr of full range."""
    return np.asarray(Image.fromarray(pixels).convert("YCbCr"))
