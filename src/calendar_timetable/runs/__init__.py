"""Runs of this Airflow, past and planned."""
