"""Turning open time into start times: pure arithmetic, standard library only.

No module here reads a file, a socket, a database or Airflow; ``tests/project/test_architecture.py``
holds that.
"""
