"""`python -m docservice` is the `docservice` command."""

from docservice.cli.main import main

main()
