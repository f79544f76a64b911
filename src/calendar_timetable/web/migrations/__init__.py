"""What ``airflow db migrate`` runs for the tables of this package."""
