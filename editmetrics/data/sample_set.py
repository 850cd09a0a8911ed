"""The samples that were found, and what was not matched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..files.text import DataError, mended
from ..sample import Sample
from ..wording import first_few

KINDS = {
    "ambiguous": "names that more than one file has, so that none is used",
    "sources": "source images without an edited image",
    "edited": "edited images without a source image",
    "without_prompt": "images without a prompt",
    "prompts": "prompts that name no image",
    "without_mask": "images without a mask",
    "masks": "masks that belong to no image",
    "without_reference": "images without a reference",
    "references": "references that belong to no image",
    "unusable": "files and folders that cannot be read here",
    "unreadable": "rows that cannot be used",
}
"""What `SampleSet.unmatched` is keyed by, and what it says of the names there."""


@dataclass(frozen=True)
class SampleSet:
    """Samples in the order of their names (or rows), and what found no partner, by kind (the keys of `KINDS`).

    It can be iterated over and has a length, so that it goes wherever samples go.

    >>> found = SampleSet([Sample("cat", edited="edits/cat.png")], {"sources": ["dog"]})
    >>> len(found), found.problems()
    (1, ['source images without an edited image (1): dog'])
    """

    samples: Sequence[Sample]
    unmatched: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        said = {kind: [mended(name) for name in names] for kind, names in self.unmatched.items()}
        object.__setattr__(self, "unmatched", said)  # names of files need not be text, and this is written

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def problems(self, examples: int = 3) -> list[str]:
        """One line for each kind of thing that is not matched: how many, and the first `examples` names."""
        return [
            f"{KINDS[kind]} ({len(names)}): {first_few(names, examples)}"
            for kind, names in self.unmatched.items()
            if names
        ]

    def require_complete(self) -> None:
        """Raise `DataError`, listing every name, unless all is matched."""
        if problems := self.problems(examples=max(map(len, self.unmatched.values()), default=0)):
            raise DataError("not everything is matched:\n  " + "\n  ".join(problems))
