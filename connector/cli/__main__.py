"""`python -m connector.cli`: the command line without its script."""

from connector.cli import main

main()
