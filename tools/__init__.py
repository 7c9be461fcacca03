"""Tools for the developers of cc_jupyter; they are not part of the wheel."""
