"""The executable specification: one SimPy process per request, reads like prose."""
