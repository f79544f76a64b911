"""The pods of genai_finetune.

The trainer's image, the data's volume, and a GPU where it is asked for.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import models as k8s


class TrainerPod(KubernetesPodOperator):
    """One program of ``trainer/`` in a pod that waits without a worker.

    The example gpu_training explains it line by line.
    """

    def __init__(
        self,
        *,
        command: tuple[str, ...],
        at_most_seconds: str,
        claim: str,
        gpu: bool = False,
        **kwargs: Any,
    ):
        limits = {"cpu": "2", "memory": "4Gi"} | ({"nvidia.com/gpu": "1"} if gpu else {})
        tolerations = (
            [k8s.V1Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")]
            if gpu
            else []
        )
        source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=claim)
        spec = {
            "activeDeadlineSeconds": at_most_seconds,
            "terminationGracePeriodSeconds": 60,
            "restartPolicy": "Never",
            "containers": [],
        }
        arguments: dict[str, Any] = {
            "name": "genai-{{ task.task_id }}",
            "image": (
                "{{ params.image or var.value.get('trainer_image', "
                "'registry.example.com/trainer:1') }}"
            ),
            "namespace": (
                "{{ params.namespace or var.value.get('training_namespace', 'training') }}"
            ),
            "cmds": ["python"],
            "arguments": list(command),
            "container_resources": k8s.V1ResourceRequirements(
                limits=limits, requests={"cpu": "1", "memory": "1Gi"}
            ),
            "tolerations": tolerations,
            "volumes": [k8s.V1Volume(name="data", persistent_volume_claim=source)],
            "volume_mounts": [k8s.V1VolumeMount(name="data", mount_path="/data")],
            "pod_template_dict": {"apiVersion": "v1", "kind": "Pod", "spec": spec},
            "deferrable": True,
            "schedule_timeout_seconds": 600,
            "startup_timeout_seconds": 600,
            "on_finish_action": "delete_pod",
            "skip_on_exit_code": 75,
            "log_pod_spec_on_failure": False,
            "do_xcom_push": False,
        }
        super().__init__(**(arguments | kwargs))
