"""A believable school in any size: people, contents, and weeks of what they do, the same each time."""

from docservice.generate.estimate import Estimate, estimate
from docservice.generate.plan import Plan
from docservice.generate.writer import Generated, generate

__all__ = ["Estimate", "Generated", "Plan", "estimate", "generate"]
