"""A Kubernetes API over HTTP whose pods run as processes of this machine.

The GPU examples run against it here.

It answers the requests that Airflow's Kubernetes operators make, and refuses what a real API server
would refuse. It is no Kubernetes: images are folders, volumes are folders, nodes are names, and
GPUs are only counted.
"""

from demo.kubernetes.cluster import CPU_NODE, Cluster, Node, gpu_node

__all__ = ["CPU_NODE", "Cluster", "Node", "gpu_node"]
