"""The reader of query strings: required, repeated, unknown and empty parameters, by Kolibri's rules or by our own.

Kolibri's lists are lenient: of a parameter that comes several times the last value counts, and unknown ones are
ignored. Rule: django, http/request.py (QueryDict), django_filters over kolibri/core/logger/api.py. Lists of our own are
strict: what is repeated or unknown is refused, since a mistyped filter would show more than was asked for. In both an
empty parameter counts as absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from docservice.errors import FieldError, MissingParameters, ValidationFailed
from docservice.rest.parameters import Parameter, Refused

Asked = TypeVar("Asked")


@dataclass(frozen=True)
class QueryString(Generic[Asked]):
    """What an operation takes in its query string.

    Attributes:
        parameters: in the order in which their errors are listed.
        build: makes what the handler gets of the values that were sent, by name.
        strict: refuse parameters that are repeated or unknown.
    """

    parameters: tuple[Parameter, ...]
    build: Callable[[dict[str, Any]], Asked]
    strict: bool = True

    def require(self, query: Mapping[str, str]) -> None:
        """Check that the required parameters are there; they may be empty.

        Raises:
            MissingParameters: with those that are not.
        """
        missing = [each.name for each in self.parameters if each.required and each.name not in query]
        if missing:
            raise MissingParameters(missing)

    def read(self, query: Mapping[str, str]) -> Asked:
        """Return what a query string asks for.

        Args:
            query: of the request; it may have a name several times.

        Raises:
            PageNotFound: the page is not a number.
            ValidationFailed: with every parameter that does not fit.
        """
        errors = self._unfit_names(query) if self.strict else []
        texts = dict(query.items())  # the last of several values
        values: dict[str, Any] = {}
        for parameter in self.parameters:
            text = texts.get(parameter.name)
            if text is None or not (parameter.empty_counts or text.strip()):
                continue
            try:
                values[parameter.name] = parameter.read(text)
            except Refused as refused:
                errors.append(FieldError((parameter.name,), refused.code, refused.message))
            except ValidationFailed as refused:
                errors.extend(refused.errors)
        if errors:
            raise ValidationFailed(errors)
        return self.build(values)

    def _unfit_names(self, query: Mapping[str, str]) -> list[FieldError]:
        known = [parameter.name for parameter in self.parameters]
        several = Counter(name for name, _ in query.items())
        message = f"Unknown parameter. Known are: {', '.join(sorted(known))}."
        unknown = [FieldError((name,), "invalid", message) for name in several if name not in known]
        repeated = [name for name in known if several[name] > 1]
        return unknown + [FieldError((name,), "invalid", "Give this parameter once.") for name in repeated]
