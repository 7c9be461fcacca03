"""Other processes and machines that send the requests of a run: executors and Dask clusters."""
