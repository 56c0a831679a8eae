"""Sentences of Kolibri's API that several requests are refused with; clients compare their text.

Rule: django, forms/fields.py (ChoiceField) and forms/models.py (ModelChoiceField); rest_framework, relations.py
(PrimaryKeyRelatedField).
"""

from __future__ import annotations

from docservice.errors import FieldError

NOT_A_CHOICE = "Select a valid choice. That choice is not one of the available choices."
"""Return the error of a filter that names a record which does not exist, or which the caller may not see."""


def not_a_choice(text: str) -> str:
    """Return the refusal of a word that is not in the list of choices."""
    return f"Select a valid choice. {text} is not one of the available choices."


def no_such_choice(field: str) -> FieldError:
    """Return the error of a filter that refers to a record that does not exist."""
    return FieldError((field,), "invalid_choice", NOT_A_CHOICE)


def no_such_object(field: str, key: str) -> FieldError:
    """Return the error of a field of a body that refers to a record that does not exist."""
    return FieldError((field,), "does_not_exist", f'Invalid pk "{key}" - object does not exist.')
