from __future__ import annotations

from string import Formatter
from typing import get_args

import pytest

from l2ltr_core.notes import SENTENCES, Note, NoteKind


def test_every_kind_of_note_has_a_sentence() -> None:
    assert SENTENCES.keys() == set(get_args(NoteKind))


def test_a_note_says_its_values_in_their_order() -> None:
    note = Note("headings_differ", (10.4, 90.0))
    assert note.sentence == "The photo gives two headings (10 in GPano, 90 in EXIF); GPano's was used."


def test_text_from_a_photo_is_quoted_as_it_is() -> None:
    assert "({0} = {} {north}) is" in Note("heading_not_a_number", ("{0}", "{} {north}")).sentence


@pytest.mark.parametrize("kind", SENTENCES)
def test_no_sentence_names_a_flag_of_the_command_or_numbers_its_values(kind: NoteKind) -> None:
    assert "--" not in SENTENCES[kind] and SENTENCES[kind].endswith(".")
    assert not any(field for _, field, _, _ in Formatter().parse(SENTENCES[kind]))
