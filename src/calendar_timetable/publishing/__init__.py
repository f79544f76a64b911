"""Runs written into a calendar that others see."""
