"""From documents to a language model in service.

Fine-tune at night, judge, deploy, look, take back what is no good.

    unfinished > ingest > tokenise [pod] > pretrain [GPU pod] > fine_tune [GPU pod]
        > evaluate [pod] > decide
        better: deploy > check > (roll_back, if it does not answer as it should)          else: keep

Documents, tokens, weights and metrics lie on a volume that workers see as the Variable
``genai_folder`` and pods as ``/data``; tasks tell each other nothing but names. A model is made per
week: a night that is too short is continued in the next, and once a week's model is judged, the
rest of the week's runs have nothing to do.

The service is ``trainer/serve.py``. The Connection ``genai_serving`` (HTTP) says where; without it
the model is put in its place and nobody is asked to load it.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, Metadata, Param, TriggerRule, task
from calendar_examples import OFF_PEAK, RETRY, TEAM_CALENDAR, ZONE
from calendar_examples.extras import missing, say_what_is_missing
from calendar_examples.notify import TellTheTeam

from calendar_timetable import Calendar, CalendarTimetable, hold_until_open

model_in_service = Asset("genai_model_in_service")
NAME = "{{ params.name or dag_run.run_after.strftime('%G-w%V') }}"
RUN = f"/data/runs/{NAME}"
SECONDS = "{{ [params.at_most_seconds, macros.calendar_schedule.seconds_left()] | min }}"

with DAG(
    "genai_finetune",
    description="Fine-tune a language model in the night, and put it into service if it is better",
    doc_md=__doc__,
    schedule=CalendarTimetable(
        "0 21 * * *",
        timezone=ZONE,
        windows=OFF_PEAK,
        blackouts=[
            Calendar(TEAM_CALENDAR, match="*freeze*"),
            Calendar(TEAM_CALENDAR, match="*maintenance*"),
        ],
        duration=timedelta(hours=2),
        max_delay=timedelta(hours=9),
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
        "base_steps": Param(200, type="integer", minimum=1),
        "steps": Param(150, type="integer", minimum=1),
        "margin": Param(
            0.02, type="number", minimum=0, description="share by which perplexity must fall"
        ),
        "at_most_seconds": Param(8 * 3600, type="integer", minimum=1),
    },
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=RETRY,
    on_failure_callback=TellTheTeam("Fine-tuning failed: {{ dag_run.run_id }}"),
    tags=["calendar", "gpu", "genai"],
):
    if absent := missing("airflow.providers.cncf.kubernetes"):
        say_what_is_missing(absent)
    else:
        from calendar_examples import genai
        from calendar_examples.pods import TrainerPod

        @task.short_circuit
        def unfinished(name: str) -> bool:
            return not genai.is_judged(name)

        @task
        def ingest(name: str) -> int:
            """The documents, as files; how many."""
            return genai.ingest(name)

        def pod(task_id: str, *command: str, **options) -> TrainerPod:
            return TrainerPod(
                task_id=task_id, command=command, at_most_seconds=SECONDS, claim="genai", **options
            )

        tokenise = pod(
            "tokenise", "tokenise.py", f"--documents={RUN}/documents", f"--out={RUN}/tokens"
        )
        pretrain = pod(
            "pretrain",
            "train.py",
            "--checkpoints=/data/base",
            "--steps={{ params.base_steps }}",
            gpu=True,
            pool="gpu",
            pre_execute=hold_until_open,
        )
        fine_tune = pod(
            "fine_tune",
            "train.py",
            f"--corpus={RUN}/tokens/train.npy",
            "--start-from=/data/base",
            f"--checkpoints={RUN}/model",
            "--steps={{ params.steps }}",
            "--rate=0.001",
            gpu=True,
            pool="gpu",
            pre_execute=hold_until_open,
        )
        evaluate = pod(
            "evaluate",
            "evaluate.py",
            f"--model={RUN}/model",
            f"--corpus={RUN}/tokens/held_out.npy",
            "--data=/data",
        )

        @task.branch
        def decide(name: str, params=None) -> str:
            """The gate: perplexity on documents that were held out.

            It is compared with that of the model in service.
            """
            return "deploy" if genai.is_better(name, params["margin"]) else "keep"

        @task
        def keep(name: str) -> str:
            return genai.keep(name)

        @task
        def deploy(name: str) -> None:
            """Put the new model in its place, and have the service load it."""
            genai.deploy(name)

        @task(outlets=[model_in_service], retries=0)
        def check(name: str):
            """Ask the service what its users would ask."""
            answers = genai.check(name)
            yield Metadata(model_in_service, {"name": name, "answers": answers})

        @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
        def roll_back(name: str) -> None:
            """Put the model before it back in its place.

            The run fails all the same, and says why.
            """
            genai.roll_back(name)

        begin = unfinished(NAME)
        begin >> ingest(NAME) >> tokenise >> pretrain >> fine_tune >> evaluate
        choice = decide(NAME)
        evaluate >> choice >> [keep(NAME), (deployed := deploy(NAME))]
        checked = check(NAME)
        deployed >> checked >> (undone := roll_back(NAME))
        deployed >> undone
