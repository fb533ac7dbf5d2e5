"""What a rendered object says, as types: a field that is misspelt or of the wrong type fails the parse.

Only what tests look at is spelt out; the whole objects are validated against Kubernetes' own schemas.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    """The base: names in camel case, types strict, unknown fields kept for `extra_fields`."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, strict=True, frozen=True, extra="allow"
    )

    @property
    def unknown(self) -> frozenset[str]:
        """Return the fields that this type does not know."""
        return frozenset(self.__pydantic_extra__ or {})


class Metadata(Shape):
    """An object's metadata."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Selector(Shape):
    """A label selector, by equality alone."""

    model_config = ConfigDict(extra="forbid")
    match_labels: dict[str, str] = Field(default_factory=dict)


class EnvVar(Shape):
    """A variable of a container."""

    name: str
    value: str | None = None


class ContainerPort(Shape):
    """A port of a container."""

    name: str
    container_port: int
    host_port: int | None = None


class GrpcAction(Shape):
    """gRPC's health check."""

    port: int
    service: str


class HttpAction(Shape):
    """A GET."""

    path: str
    port: str | int


class Probe(Shape):
    """A probe."""

    grpc: GrpcAction | None = None
    http_get: HttpAction | None = None
    period_seconds: int
    timeout_seconds: int
    failure_threshold: int = 3


class Sleep(Shape):
    """The action `sleep`."""

    seconds: int


class Exec(Shape):
    """A command."""

    command: list[str]


class Handler(Shape):
    """What a life-cycle hook does."""

    sleep: Sleep | None = None
    exec: Exec | None = None


class Lifecycle(Shape):
    """Life-cycle hooks."""

    pre_stop: Handler


class Capabilities(Shape):
    """Capabilities of a container."""

    model_config = ConfigDict(extra="forbid")
    drop: list[str]


class ContainerSecurity(Shape):
    """Security of a container; no other field may be there."""

    model_config = ConfigDict(extra="forbid")
    allow_privilege_escalation: bool
    read_only_root_filesystem: bool
    capabilities: Capabilities


class Seccomp(Shape):
    """A seccomp profile."""

    type: str


class PodSecurity(Shape):
    """Security of a pod; no other field may be there."""

    model_config = ConfigDict(extra="forbid")
    run_as_non_root: bool
    run_as_user: int
    run_as_group: int
    fs_group: int
    fs_group_change_policy: str
    seccomp_profile: Seccomp


class Resources(Shape):
    """What a container is promised and may take."""

    model_config = ConfigDict(extra="forbid")
    requests: dict[str, str]
    limits: dict[str, str]


class Mount(Shape):
    """A volume in a container."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str | None = None


class Container(Shape):
    """A container."""

    name: str
    image: str
    image_pull_policy: str
    args: list[str] = Field(default_factory=list)
    command: list[str] = Field(default_factory=list)
    env: list[EnvVar] = Field(default_factory=list)
    ports: list[ContainerPort] = Field(default_factory=list)
    resources: Resources
    security_context: ContainerSecurity
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    volume_mounts: list[Mount] = Field(default_factory=list)

    @property
    def environment(self) -> dict[str, str | None]:
        """Return the variables by name; None for what comes from the pod."""
        return {variable.name: variable.value for variable in self.env}


class SecretSource(Shape):
    """A Secret as a volume."""

    secret_name: str
    default_mode: int
    items: list[dict[str, str]] = Field(default_factory=list)


class EmptyDir(Shape):
    """A directory that is gone with the pod."""

    size_limit: str


class Volume(Shape):
    """A volume of a pod."""

    name: str
    empty_dir: EmptyDir | None = None
    secret: SecretSource | None = None
    config_map: dict[str, Any] | None = None
    persistent_volume_claim: dict[str, Any] | None = None
    projected: dict[str, Any] | None = None


class Spread(Shape):
    """A topology spread constraint."""

    max_skew: int
    topology_key: str
    when_unsatisfiable: str
    label_selector: Selector
    match_label_keys: list[str]


class PodSpec(Shape):
    """A pod."""

    service_account_name: str
    automount_service_account_token: bool
    enable_service_links: bool
    security_context: PodSecurity
    termination_grace_period_seconds: int = 30
    topology_spread_constraints: list[Spread] = Field(default_factory=list)
    priority_class_name: str | None = None
    containers: list[Container]
    volumes: list[Volume] = Field(default_factory=list)

    @property
    def container(self) -> Container:
        """Return the one container."""
        [only] = self.containers
        return only

    def volume(self, name: str) -> Volume:
        """Return a volume by name."""
        [found] = [volume for volume in self.volumes if volume.name == name]
        return found


class PodTemplate(Shape):
    """A pod template."""

    metadata: Metadata
    spec: PodSpec


class RollingUpdate(Shape):
    """How many pods a rollout takes and adds."""

    max_unavailable: int | str
    max_surge: int | str | None = None


class Strategy(Shape):
    """How pods are replaced."""

    type: str
    rolling_update: RollingUpdate | None = None


class WorkloadSpec(Shape):
    """What Deployment, DaemonSet and StatefulSet have alike."""

    replicas: int | None = None
    selector: Selector
    template: PodTemplate
    strategy: Strategy | None = None
    update_strategy: Strategy | None = None
    pod_management_policy: str | None = None
    service_name: str | None = None
    volume_claim_templates: list[dict[str, Any]] = Field(default_factory=list)


class Workload(Shape):
    """A Deployment, DaemonSet or StatefulSet."""

    kind: Literal["Deployment", "DaemonSet", "StatefulSet"]
    metadata: Metadata
    spec: WorkloadSpec

    @property
    def pod(self) -> PodSpec:
        """Return its pod."""
        return self.spec.template.spec


class ServicePort(Shape):
    """A port of a Service."""

    name: str
    port: int
    target_port: str


class ServiceSpec(Shape):
    """What a Service is."""

    type: str = "ClusterIP"
    cluster_ip: str | None = Field(None, alias="clusterIP")
    external_traffic_policy: str | None = None
    load_balancer_source_ranges: list[str] = Field(default_factory=list)
    publish_not_ready_addresses: bool = False
    selector: dict[str, str]
    ports: list[ServicePort]


class Service(Shape):
    """A Service."""

    metadata: Metadata
    spec: ServiceSpec


class Budget(Shape):
    """A PodDisruptionBudget."""

    class Spec(Shape):
        """Its specification."""

        max_unavailable: int
        unhealthy_pod_eviction_policy: str
        selector: Selector

    metadata: Metadata
    spec: Spec


class ScalingPolicy(Shape):
    """How fast a number of pods may change."""

    type: str
    value: int
    period_seconds: int


class ScalingRules(Shape):
    """How a number of pods changes in one direction."""

    stabilization_window_seconds: int
    select_policy: str = "Max"
    policies: list[ScalingPolicy]


class Autoscaler(Shape):
    """A HorizontalPodAutoscaler."""

    class Spec(Shape):
        """Its specification."""

        scale_target_ref: dict[str, str]
        min_replicas: int
        max_replicas: int
        metrics: list[dict[str, Any]]
        behavior: dict[str, ScalingRules]

    metadata: Metadata
    spec: Spec


class PolicyPort(Shape):
    """A port of a NetworkPolicy's rule."""

    port: int | str
    protocol: str = "TCP"


class Peer(Shape):
    """One side of a NetworkPolicy's rule."""

    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    ip_block: dict[str, Any] | None = None

    @property
    def component(self) -> str:
        """Return the component of ours that it names, else empty."""
        labels = self.pod_selector.match_labels if self.pod_selector else {}
        return "" if self.namespace_selector else labels.get("app.kubernetes.io/component", "")


class Rule(Shape):
    """A rule: an empty list of peers is anywhere."""

    peers_from: list[Peer] | None = Field(None, alias="from")
    peers_to: list[Peer] | None = Field(None, alias="to")
    ports: list[PolicyPort]


class NetworkPolicy(Shape):
    """A NetworkPolicy."""

    class Spec(Shape):
        """Its specification."""

        pod_selector: Selector
        policy_types: list[str]
        ingress: list[Rule] | None = None
        egress: list[Rule] | None = None

    metadata: Metadata
    spec: Spec
