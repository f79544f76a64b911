"""The same training on a cluster with Kueue.

A Job waits in a queue, and lets other teams' Jobs go first.

How long a Job waits is not known when it is created, so ``activeDeadlineSeconds``, which counts
from the Job's start, cannot hold it to the window. The training is told the moment instead: at
``STOP_AT`` it saves and ends with 75. And ``wait`` gives up at that moment a Job that never
started, so that none starts in the morning.

Waiting is deferred: neither the queue nor the training holds a worker.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, Param
from calendar_examples import OFF_PEAK, RETRY, TEAM_CALENDAR, ZONE
from calendar_examples.extras import missing, say_what_is_missing
from calendar_examples.notify import TellTheTeam

from calendar_timetable import Calendar, CalendarTimetable, hold_until_open

STOP_AT = (
    "{{ (dag_run.run_after + macros.timedelta(seconds=params.at_most_seconds)"
    " if dag_run.run_type == 'manual' else macros.calendar_schedule.window_end()) or '' }}"
)

with DAG(
    "gpu_training_kueue",
    description="On a GPU, in the night, queued by Kueue",
    doc_md=__doc__,
    schedule=CalendarTimetable(
        "0 20 * * *",
        timezone=ZONE,
        windows=OFF_PEAK,
        blackouts=Calendar(TEAM_CALENDAR, match="*maintenance*"),
        duration=timedelta(hours=1),
        max_delay=timedelta(hours=11),
    ),
    params={
        "image": Param(
            None, type=["null", "string"], description="default: the Variable trainer_image"
        ),
        "namespace": Param(
            None, type=["null", "string"], description="default: the Variable training_namespace"
        ),
        "name": Param(
            None,
            type=["null", "string"],
            pattern=r"^[a-z0-9-]+$",
            description="default: the week's",
        ),
        "steps": Param(300, type="integer", minimum=1),
        "at_most_seconds": Param(
            8 * 3600, type="integer", minimum=1, description="of a run that is started by hand"
        ),
    },
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=RETRY,
    on_failure_callback=TellTheTeam("GPU training failed: {{ dag_run.run_id }}"),
    tags=["calendar", "gpu"],
):
    if absent := missing("airflow.providers.cncf.kubernetes"):
        say_what_is_missing(absent)
    else:
        from airflow.providers.cncf.kubernetes.operators.kueue import (
            KubernetesStartKueueJobOperator,
        )
        from calendar_examples.kueue import WaitForJob
        from kubernetes.client import models as k8s

        submit = KubernetesStartKueueJobOperator(
            task_id="submit",
            name="gpu-training",
            queue_name="gpu-queue",
            suspend=True,
            backoff_limit=0,
            image=(
                "{{ params.image or var.value.get('trainer_image', "
                "'registry.example.com/trainer:1') }}"
            ),
            namespace="{{ params.namespace or var.value.get('training_namespace', 'training') }}",
            cmds=["python", "train.py"],
            arguments=[
                (
                    "--checkpoints=/checkpoints/"
                    "{{ params.name or dag_run.run_after.strftime('%G-w%V') }}"
                ),
                "--steps={{ params.steps }}",
            ],
            env_vars={"STOP_AT": STOP_AT},
            container_resources=k8s.V1ResourceRequirements(
                limits={"nvidia.com/gpu": "1", "cpu": "2", "memory": "4Gi"},
                requests={"cpu": "1", "memory": "2Gi"},
            ),
            node_selector={"nvidia.com/gpu.present": "true"},
            tolerations=[
                k8s.V1Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")
            ],
            volumes=[
                k8s.V1Volume(
                    name="checkpoints",
                    persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(
                        claim_name="checkpoints"
                    ),
                )
            ],
            volume_mounts=[k8s.V1VolumeMount(name="checkpoints", mount_path="/checkpoints")],
            ttl_seconds_after_finished=24 * 3600,
            pre_execute=hold_until_open,
            get_logs=False,
            log_pod_spec_on_failure=False,
        )
        WaitForJob(
            task_id="wait",
            job_name="{{ ti.xcom_pull(task_ids='submit', key='job_name') }}",
            namespace="{{ ti.xcom_pull(task_ids='submit', key='job_namespace') }}",
            give_up_at=STOP_AT,
            skip_on_exit_code=75,
            outlets=[Asset("gpu_model")],
        ).set_upstream(submit)
