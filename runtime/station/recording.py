"""From the result of a classifier to a row of the history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ... import __version__
from .history.chain import digest_of
from .history.entries import FileName, NewEntry, PictureKind, SeenFile, Source

if TYPE_CHECKING:
    from ..classifier import Classifier
    from ..previews import Picture
    from ..records import Result


class Recorder:
    """Makes rows of the history of what one classifier says.

    Parameters
    ----------
    classifier : Classifier
    """

    def __init__(self, classifier: Classifier) -> None:
        bundle = classifier.bundle
        self.bundle = bundle.digest
        self.site = None if classifier.site is None else classifier.site.digest
        self._name = bundle.name
        self._facts: dict[str, Any] = {
            "labels": list(bundle.labels),
            "positive": list(bundle.positive),
            "versions": {"alledge": __version__, "engine": classifier.backend.engine},
        }

    def result(
        self,
        result: Result,
        content: str,
        size: int,
        *,
        source: Source,
        name: FileName | None = None,
        seen: SeenFile | None = None,
    ) -> NewEntry:
        """Return the row of a result.

        Parameters
        ----------
        result : Result
            Its status is no error.
        content : str
            Digest of the image file.
        size : int
            Of the image file, in bytes.
        source : {"folder", "upload"}
        name : FileName, optional
        seen : SeenFile, optional
        """
        image: dict[str, Any] = {"bytes": size, "width": None, "height": None}
        pictures: dict[PictureKind, Picture] = {}
        if (preview := result.preview) is not None:
            image |= {"width": preview.width, "height": preview.height}
            pictures = {"preview": preview.large, "thumbnail": preview.thumbnail}
        return NewEntry(
            "result",
            content,
            self.bundle,
            {**result.to_json(), "image": None},
            {**self._facts, "source": source, "image": image, "reason": None},
            site=self.site,
            name=name,
            seen=seen,
            pictures=pictures,
        )

    def unread(
        self,
        reason: str,
        *,
        source: Source,
        foreign: bool = False,
        content: str | None = None,
        state: str | None = None,
        name: FileName | None = None,
        seen: SeenFile | None = None,
    ) -> NewEntry:
        """Return the row of a file that could not be read.

        Parameters
        ----------
        reason : str
        source : {"folder", "upload"}
        foreign : bool
            Whether it is no picture at all.
        content : str, optional
            Digest of the file, where it was read as a whole.
        state : str, optional
            What identifies the state of the file; by default its content and the reason.
        name : FileName, optional
        seen : SeenFile, optional
        """
        if state is None:
            parts = [content, self.bundle, reason, __version__]
            state = digest_of(json.dumps(parts).encode("ascii"))
        return NewEntry(
            "unread",
            content,
            self.bundle,
            None,
            {
                **self._facts,
                "source": source,
                "image": None,
                "reason": reason,
                "outcome": "foreign" if foreign else "error",
            },
            state=state,
            name=name,
            seen=seen,
        )
