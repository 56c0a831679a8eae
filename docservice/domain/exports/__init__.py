"""The tables of exports: columns, rows, and the state of background exports."""
