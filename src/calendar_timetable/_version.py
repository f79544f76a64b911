"""The version of this package: nothing has to import the package to know it."""

__version__ = "0.9.0"
