"""The tokenizer of a `tokenizer.model`, SentencePiece's file of a BPE vocabulary, without the package that wrote it.

The file is a protocol buffer: field 1, repeated, is a piece (1 its text, 2 its score, 3 its kind), field 2 how it was
trained (3 the kind of model). Llama's texts begin with a space, and so does each text between two control tokens.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...files.protobuf import message_fields
from ..family import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NORMAL, UNKNOWN, CONTROL = 1, 2, 3
"""Kinds of pieces; those of single bytes are 6."""

BPE = 2
"""The kind of model that Llama's file says it is."""

SPACE = "\u2581"


class VocabularyPiece(NamedTuple):
    """A token: its text with `SPACE` for spaces, the score by which merges are ordered, and its kind."""

    text: str
    score: float
    kind: int


def read_pieces(file: Path) -> list[VocabularyPiece]:
    """The tokens of a file, by their ids. Raises `BackboneError` for one that is damaged or of another kind."""
    try:
        fields = list(message_fields(file.read_bytes()))
        pieces = [_piece(value) for number, value in fields if number == 1 and isinstance(value, bytes)]
        trained = [dict(message_fields(value)) for number, value in fields if number == 2 and isinstance(value, bytes)]
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise BackboneError(f"{file} cannot be read as a SentencePiece model ({error}); fetch it again") from error
    if not pieces or [each.get(3) for each in trained] != [BPE]:
        raise BackboneError(f"{file} is not a SentencePiece model of the kind BPE, which Llama's is; fetch it again")
    return pieces


def llama_tokenizer(file: Path, context: int) -> PreTrainedTokenizerBase:
    """The tokenizer of a file as Llama reads it, for texts of up to `context` tokens. Raises `BackboneError`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = read_pieces(file)
    ids = {piece.text: index for index, piece in enumerate(pieces)}
    special = {piece.text: ids[piece.text] for piece in pieces if piece.kind in (UNKNOWN, CONTROL)}
    if not {"<unk>", "<s>", "</s>"} <= special.keys():
        raise BackboneError(f"{file} lacks <unk>, <s> or </s>, which Llama's has; is it of another model?")
    model = models.BPE(ids, _merges(pieces, ids), unk_token="<unk>", fuse_unk=True, byte_fallback=True)  # noqa: S106
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", special["<s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",  # noqa: S106 - no password
        bos_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _merges(pieces: list[VocabularyPiece], ids: dict[str, int]) -> list[tuple[str, str]]:
    """The pairs that become a piece, those of the best score first."""
    merges = []
    for piece in sorted((piece for piece in pieces if piece.kind == NORMAL), key=lambda piece: -piece.score):
        cuts = [(piece.text[:cut], piece.text[cut:]) for cut in range(1, len(piece.text))]
        pairs = [pair for pair in cuts if pair[0] in ids and pair[1] in ids]
        merges += sorted(pairs, key=lambda pair: (ids[pair[0]], ids[pair[1]]))
    return merges


def _piece(message: bytes) -> VocabularyPiece:
    fields = dict(message_fields(message))
    text, score, kind = fields.get(1, b""), fields.get(2, b"\0\0\0\0"), fields.get(3, NORMAL)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or not isinstance(kind, int):
        raise ValueError("a piece is not a text, a score and a kind")
    return VocabularyPiece(text.decode(), struct.unpack("<f", score)[0], kind)
