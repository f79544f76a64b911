"""Pods as processes: what the kubelet does on a node. One container a pod, never restarted."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from demo.guard import inherited
from demo.kubernetes.events import record_event
from demo.kubernetes.store import Json, Store, timestamp

_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}


class Pods:
    """Starts, watches and ends the processes, and keeps each pod's status."""

    def __init__(
        self,
        store: Store,
        images: Mapping[str, Path],
        environment: Mapping[str, str],
        volume: Callable[[str], Path],
        folder: Path,
    ) -> None:
        self._store = store
        self._images = images
        self._environment = {**_ENVIRONMENT, **environment}
        self._volume = volume
        self._folder = folder
        self._running: dict[str, _Process] = {}  # by uid
        self._lock = threading.Lock()

    def start(self, pod: Json) -> None:
        """Run a pod that has its node."""
        container = pod["spec"]["containers"][0]
        image = container["image"].rpartition("@")[0] or container["image"]
        folder = self._images.get(re.sub(r":[\w.-]+$", "", image))
        if folder is None:
            message = f'Back-off pulling image "{container["image"]}": not found'
            self._set(
                pod,
                {"waiting": {"reason": "ImagePullBackOff", "message": message}},
                phase="Pending",
            )
            record_event(self._store, pod, "Warning", "Failed", message)
            return
        try:
            process = _Process(pod, folder, self._environment, self.log(pod), self._volume)
        except OSError as error:
            message = f"failed to create containerd task: {error.strerror}"
            ended = {
                "exitCode": 128,
                "reason": "StartError",
                "message": message,
                "finishedAt": timestamp(),
            }
            self._set(pod, {"terminated": ended}, phase="Failed")
            record_event(self._store, pod, "Warning", "Failed", message)
            return
        with self._lock:
            self._running[pod["metadata"]["uid"]] = process
        try:
            self._set(pod, {"running": {"startedAt": process.begun}}, phase="Running")
        except KeyError:  # deleted while it was being started
            process.end(0)
        record_event(
            self._store, pod, "Normal", "Started", f"Started container {container['name']}"
        )
        threading.Thread(target=self._follow, args=(pod, process), daemon=True).start()

    def enforce_deadlines(self, now: datetime) -> None:
        """End what runs longer than its ``activeDeadlineSeconds``, counted from the pod's start."""
        with self._lock:
            running = list(self._running.values())
        for process in running:
            seconds = process.pod["spec"].get("activeDeadlineSeconds")
            begun = datetime.fromisoformat(process.pod["status"]["startTime"])
            if (
                seconds is not None
                and (now - begun).total_seconds() >= seconds
                and not process.overdue
            ):
                process.overdue = True
                process.end(process.pod["spec"]["terminationGracePeriodSeconds"])

    def delete(self, pod: Json, grace: int | None = None) -> Json:
        """End the pod, and then let it be gone; what remains to be seen of it."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        grace = pod["spec"]["terminationGracePeriodSeconds"] if grace is None else grace
        mark = {"deletionTimestamp": timestamp(), "deletionGracePeriodSeconds": grace}
        with self._lock:  # who follows the process looks for the mark once it is over
            process = self._running.get(pod["metadata"]["uid"])
            if process is None:
                self._store.delete("Pod", namespace, name)
                return pod
            pod = self._store.update("Pod", namespace, name, lambda p: p["metadata"].update(mark))
        process.end(grace)
        return pod

    def kill_all(self) -> None:
        with self._lock:
            running = list(self._running.values())
        for process in running:
            process.end(0)
            process.wait()

    def log(self, pod: Json) -> Path:
        """Return the file with what the pod has written, each line after its time."""
        return self._folder / f"{pod['metadata']['uid']}.log"

    def log_lines(
        self, pod: Json, *, follow: bool, ended: threading.Event
    ) -> Iterator[tuple[datetime, str]]:
        """Yield what the pod has written; with ``follow`` also what it will write."""
        file = self.log(pod)
        if not file.exists():
            return
        with file.open(encoding="utf-8") as lines:
            part = ""
            while True:
                with self._lock:
                    running = pod["metadata"]["uid"] in self._running
                while part := part + lines.readline():
                    if not part.endswith("\n"):
                        break
                    when, _, text = part.partition(" ")
                    yield datetime.fromisoformat(when), text
                    part = ""
                if not follow or not running or ended.wait(0.1):
                    return

    def _follow(self, pod: Json, process: _Process) -> None:
        """Note what the process writes and how it ends."""
        with self.log(pod).open("w", encoding="utf-8", buffering=1) as log:
            for line in process.output():
                log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {line}\n")
        code = process.wait()
        code = 128 - code if code < 0 else code
        good = code == 0 and not process.overdue
        reason = "Completed" if code == 0 else "Error"
        why = {}
        if process.overdue:
            why = {
                "reason": "DeadlineExceeded",
                "message": "Pod was active on the node longer than the specified deadline",
            }
            record_event(self._store, pod, "Normal", "DeadlineExceeded", why["message"])
        ended = {
            "exitCode": code,
            "reason": reason,
            "startedAt": process.begun,
            "finishedAt": timestamp(),
        }
        with contextlib.suppress(KeyError):
            self._set(pod, {"terminated": ended}, phase="Succeeded" if good else "Failed", **why)
        with self._lock:
            del self._running[pod["metadata"]["uid"]]
        with contextlib.suppress(KeyError):
            metadata = pod["metadata"]
            now = self._store.get("Pod", metadata["namespace"], metadata["name"])["metadata"]
            if now["uid"] == metadata["uid"] and now.get("deletionTimestamp"):
                self._store.delete("Pod", metadata["namespace"], metadata["name"])

    def _set(self, pod: Json, state: Json, *, phase: str, **more: str) -> None:
        container = pod["spec"]["containers"][0]
        status = {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }

        def change(seen: Json) -> None:
            seen["status"] |= {"phase": phase, "containerStatuses": [status], **more}

        self._store.update("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"], change)


class _Process:
    """The process of one container, in a session of its own."""

    def __init__(
        self,
        pod: Json,
        folder: Path,
        of_image: dict[str, str],
        log: Path,
        volume: Callable[[str], Path],
    ) -> None:
        self.pod = pod
        self.begun = timestamp()
        self.overdue = False
        log.touch()
        container = pod["spec"]["containers"][0]
        environment = {each["name"]: each.get("value", "") for each in container.get("env") or ()}
        places = _places(pod["spec"], container, volume)

        def local(text: str) -> str:
            """With the container's paths as they are on this machine."""
            text = _VARIABLE.sub(lambda found: environment.get(found[1], found[0]), text)
            for mounted, real in places.items():
                text = re.sub(
                    rf"(?<![\w./-]){re.escape(mounted)}(?=/|$)",
                    str(real).replace("\\", r"\\"),
                    text,
                )
            return text

        command = [*(container.get("command") or ()), *(container.get("args") or ())]
        command = [sys.executable if part == "python" else local(part) for part in command]
        if not command:
            raise FileNotFoundError(2, "no command specified")
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=of_image
            | {name: local(value) for name, value in environment.items()}
            | inherited(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def output(self) -> Iterator[str]:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                yield line.decode("utf-8", "replace").rstrip("\n")

    def wait(self) -> int:
        return self._process.wait()

    def end(self, grace: float) -> None:
        """SIGTERM, and SIGKILL to all that is left after ``grace`` seconds."""
        if grace:
            self._process.send_signal(signal.SIGTERM)
            killer = threading.Timer(grace, self._kill)
            killer.daemon = True
            killer.start()
        else:
            self._kill()

    def _kill(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _places(spec: Json, container: Json, volume: Callable[[str], Path]) -> dict[str, Path]:
    """Where each mounted path is on this machine."""
    volumes = {each["name"]: each for each in spec.get("volumes") or ()}
    places = {}
    for mount in container.get("volumeMounts") or ():
        source = volumes[mount["name"]]
        if claim := source.get("persistentVolumeClaim"):
            places[mount["mountPath"]] = volume(claim["claimName"]) / mount.get("subPath", "")
        elif path := (source.get("hostPath") or {}).get("path"):
            places[mount["mountPath"]] = Path(path)
    return places
