"""What people look at: the page of upcoming runs and its data, behind Airflow's login."""
