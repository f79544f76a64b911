"""The distribution's own name, by which Airflow looks for a provider's example DAGs.

With ``[core] load_examples`` Airflow 3.3 imports every provider by the name of its distribution,
and loads the folder ``example_dags`` that it finds there. All else is in ``calendar_timetable``.
"""
