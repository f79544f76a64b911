"""Train on a GPU at night.

What is not finished when the window ends is saved, and goes on the next night.

Due every day at 19:00. ``hold_until_open`` keeps the pod from being created outside the window,
however long the task was queued; ``activeDeadlineSeconds`` ends the pod with the window. The
training then saves a checkpoint and ends with 75: the task is skipped, not failed, and the next run
of the same week goes on from that checkpoint, to the same weights.

While the pod runs, or waits for a GPU, the task is deferred and holds no worker. Its pool counts
deferred tasks too:

    airflow pools set gpu 1 "GPUs of the cluster" --include-deferred

The image is built from ``trainer/`` beside this file. No environment is printed into logs.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, Param
from calendar_examples import OFF_PEAK, RETRY, TEAM_CALENDAR, ZONE
from calendar_examples.extras import missing, say_what_is_missing
from calendar_examples.notify import TellTheTeam

from calendar_timetable import Calendar, CalendarTimetable, hold_until_open

# Started by hand a run ignores windows, has a year left, and may take as long as the parameter
# says.
DEADLINE = "{{ [params.at_most_seconds, macros.calendar_schedule.seconds_left()] | min }}"

with DAG(
    "gpu_training",
    description="On a GPU, in the night, over as many nights as it takes",
    doc_md=__doc__,
    schedule=CalendarTimetable(
        "0 19 * * *",
        timezone=ZONE,
        windows=OFF_PEAK,
        blackouts=Calendar(TEAM_CALENDAR, match="*maintenance*"),
        duration=timedelta(hours=1),
        max_delay=timedelta(hours=12),
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
        "at_most_seconds": Param(8 * 3600, type="integer", minimum=1),
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
        from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
        from kubernetes.client import models as k8s

        KubernetesPodOperator(
            task_id="train",
            name="gpu-training",
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
            # A GPU is whole, and requested and limited alike; Kubernetes takes the request from the
            # limit.
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
            pod_template_dict={
                "apiVersion": "v1",
                "kind": "Pod",
                "spec": {
                    "activeDeadlineSeconds": DEADLINE,
                    "terminationGracePeriodSeconds": 60,  # to write the last checkpoint
                    "restartPolicy": "Never",
                    "containers": [],
                },
            },
            pool="gpu",
            deferrable=True,
            pre_execute=hold_until_open,
            # For a GPU; then the pod is deleted and the task tried again
            schedule_timeout_seconds=600,
            startup_timeout_seconds=600,  # to pull the image
            # Also a pending one: it would start whenever a GPU is free, window or not
            on_finish_action="delete_pod",
            skip_on_exit_code=75,
            log_pod_spec_on_failure=False,  # the specification holds the environment
            do_xcom_push=False,
            outlets=[Asset("gpu_model")],
        )
