"""Measures the service against the bare ceilings of the same machine, in the same run (docs/PERFORMANCE.md).

python -m benchmarks [--quick]
"""
