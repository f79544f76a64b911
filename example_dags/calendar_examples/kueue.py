"""Waiting for a Kubernetes Job without a worker, up to a given moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.cncf.kubernetes.triggers.job import KubernetesJobTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferralTimeout

GRACE = timedelta(minutes=5)  # for a training to save, past the moment at which it is to stop


class WaitForJob(BaseOperator):
    """Wait for a Job: succeed, fail or skip with it.

    It skips when the Job was interrupted (``skip_on_exit_code``) or never got its turn.

    At ``give_up_at`` (ISO time; empty: never) and some grace the Job is deleted, and the task is
    skipped.
    """

    template_fields: Sequence[str] = ("job_name", "namespace", "give_up_at")

    def __init__(
        self,
        *,
        job_name: str,
        namespace: str,
        give_up_at: str = "",
        skip_on_exit_code: int | None = None,
        kubernetes_conn_id: str = "kubernetes_default",
        poll_interval: float = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name
        self.namespace = namespace
        self.give_up_at = give_up_at
        self.skip_on_exit_code = skip_on_exit_code
        self.kubernetes_conn_id = kubernetes_conn_id
        self.poll_interval = poll_interval

    def execute(self, context: Any) -> None:
        trigger = KubernetesJobTrigger(
            job_name=self.job_name,
            job_namespace=self.namespace,
            pod_names=[],
            pod_namespace=self.namespace,
            base_container_name="base",
            kubernetes_conn_id=self.kubernetes_conn_id,
            poll_interval=self.poll_interval,
        )
        timeout = None
        if self.give_up_at:
            left = datetime.fromisoformat(self.give_up_at) + GRACE - datetime.now(UTC)
            timeout = max(left, timedelta(seconds=1))
        self.defer(trigger=trigger, method_name="resume", timeout=timeout)

    def resume(self, context: Any, event: dict[str, Any]) -> None:
        """Say what became of the Job."""
        codes = self._exit_codes()
        if event["status"] == "success":
            return
        if self.skip_on_exit_code in codes:
            raise AirflowSkipException(f"Job {self.job_name} was interrupted; the next run goes on")
        raise AirflowFailException(f"Job {self.job_name}: {event['message']}; exit codes {codes}")

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any
    ) -> Any:
        """As the base does, but a Job that was not done in time is taken away."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            hook = KubernetesHook(conn_id=self.kubernetes_conn_id)
            hook.batch_v1_client.delete_namespaced_job(
                self.job_name, self.namespace, propagation_policy="Background"
            )
            raise AirflowSkipException(
                f"Job {self.job_name} was not done by {self.give_up_at}"
            ) from None

    def _exit_codes(self) -> list[int]:
        """How the Job's containers ended; logs what they wrote."""
        hook = KubernetesHook(conn_id=self.kubernetes_conn_id)
        chosen = f"job-name={self.job_name}"
        codes = []
        for pod in hook.core_v1_client.list_namespaced_pod(
            self.namespace, label_selector=chosen
        ).items:
            for line in hook.get_pod_logs(
                pod.metadata.name, container="base", namespace=self.namespace
            ):
                self.log.info("%s", line.decode(errors="replace").rstrip())
            ended = (status.state.terminated for status in pod.status.container_statuses or ())
            codes += [state.exit_code for state in ended if state]
        return codes
