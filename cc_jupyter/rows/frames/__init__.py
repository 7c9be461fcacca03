"""Tables of pandas, polars and dicts: how rows are read, and what a result is made of."""
