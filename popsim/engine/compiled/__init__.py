"""The fast engine: an event loop over arrays, compiled by numba. Only this folder knows numba."""
