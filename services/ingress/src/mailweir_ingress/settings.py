"""What the process is told by its environment (`MAILWEIR_INGRESS_*`)."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from mailweir_runtime.listen import OptionalListen, parse_host_port
from mailweir_runtime.settings import CommaList, OptionalPath, ServiceSettings, settings_config


def _addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(parse_host_port(value)) for value in values)


Addresses = Annotated[
    CommaList, AfterValidator(_addresses), Field(examples=["0.0.0.0:2525,[::]:2525"])
]
"""A settings field: `host:port` values separated by commas; empty for none."""


class Settings(ServiceSettings):
    """Process settings of the ingress."""

    model_config = settings_config("INGRESS")

    mx_listen: Addresses = ("127.0.0.1:2525",)
    """Where mail from other servers is taken (port 25 outside)."""
    submission_listen: Addresses = ()
    """Where our users send, with STARTTLS before AUTH (port 587 outside)."""
    submissions_listen: Addresses = ()
    """Where our users send, with TLS from the first byte (port 465 outside)."""
    tls_cert_file: OptionalPath = None
    """Certificate with its chain, PEM; empty offers no TLS. Renewed files are taken up."""
    tls_key_file: OptionalPath = None
    """The certificate's key, PEM."""
    signing_keys_dir: OptionalPath = None
    """Directory of the keys that mail is signed with, `<domain>/<selector>.pem`; empty signs nothing."""
    store_directory: OptionalPath = None
    """A directory on the disk that the broker stores on, if it is a disk of this machine; empty for none."""
    store_free_bytes: int = Field(1_073_741_824, ge=0)
    """Mail is put off with 451 while less than this is free there: room for getting mail out again."""
    health_listen: OptionalListen = ""
    """Where gRPC's health check is served, for probes: `host:port` or `unix:/path`; empty for nowhere."""
    scoring_target: str = Field("127.0.0.1:9000", min_length=1)
    """gRPC target of the scoring service: `unix:/path`, `host:port` or `dns:///name:port`."""
    reputation_target: str = ""
    """gRPC target of the reputation service; empty where it is not deployed: its check is skipped."""
    greylist_target: str = ""
    """gRPC target of the greylist service; empty where it is not deployed: its check is skipped."""
    ratelimit_target: str = ""
    """gRPC target of the ratelimit service; empty where it is not deployed: its check is skipped."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together")
        if (self.submission_listen or self.submissions_listen) and self.tls_cert_file is None:
            raise ValueError(
                "submission needs tls_cert_file and tls_key_file: nobody may log in without TLS"
            )
        if not (self.mx_listen or self.submission_listen or self.submissions_listen):
            raise ValueError("there is no address to listen on")
        return self
