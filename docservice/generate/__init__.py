"""A believable school in any size: people, contents, and weeks of what they do, the same each time."""

from docservice.generate.plan import Plan
from docservice.generate.writer import Generated, generate

__all__ = ["Generated", "Plan", "generate"]
