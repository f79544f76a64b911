"""Register calendar_timetable where it is installed without its entry points.

For example from a folder on PYTHONPATH.

Copy this file into Airflow's plugins folder. With the package installed by pip it is not needed:
Airflow finds the plugin by itself, and loads it once even when this file is there too.
"""

from calendar_timetable.plugin import CalendarSchedulePlugin

__all__ = ["CalendarSchedulePlugin"]
