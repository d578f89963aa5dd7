"""Which settings are there? The one table behind files, variables, options, `config show` and `config init`."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from msgspec import Struct

from moderate_cli.catalog.services import DEFAULT_REGION
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import shortened, suggestion
from moderate_cli.models import RiskLevel
from moderate_cli.settings import value_types
from moderate_cli.settings.resolved import CredentialsChoice, FailOn, ParamsIn
from moderate_cli.settings.value_types import SettingType, prices


class Setting(Struct, frozen=True, kw_only=True):
    """A setting: its key in files, its type, and its help.

    `option` is the name of its option where it differs, `also` a further variable, read after its own; `example` is
    YAML.
    """

    name: str
    type: SettingType
    default: Any = None
    default_text: str | None = None
    help: str
    example: str
    option: str = ""
    also: str | None = None

    @property
    def parameter(self) -> str:
        """The name of its option, as a Python identifier."""
        return self.option or self.name

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return f"MODERATE_{self.parameter.upper()}"

    @property
    def shown_default(self) -> str:
        """The default, for people."""
        return self.default_text or str(self.default)

    def read(self, given: object, *, subject: str) -> Any:
        """Return the value of an option or a variable, which is text in most cases; raises as `check`."""
        value = given
        if isinstance(given, str):
            with suppress(ValueError):  # what cannot be parsed fails the check
                value = self.type.parse(given)
        return self.check(value, subject=subject, written=_written(given, value))

    def check(self, value: object, *, subject: str, written: str) -> Any:
        """Return the checked value; raises UsageError that names the subject and what was written."""
        try:
            return self.type.check(value)
        except UsageError as error:
            raise UsageError(f"{subject}: {error.message}", hint=error.hint) from error
        except ValueError as error:
            near = suggestion(str(value), self.type.choices)
            raise UsageError(f"{subject} must be {self.type.expected}, not {written}{near}") from error


def _written(given: object, value: object) -> str:
    """Return a wrong value as a settings file's errors show it: numbers as they are, other text in quotes."""
    if isinstance(given, list | tuple):
        return f"[{shortened(', '.join(map(repr, given)))}]"
    text = shortened(str(given).strip())
    return text if isinstance(value, int | float) else repr(text)


_ALL = (
    Setting(
        name="region",
        type=value_types.region(),
        default=DEFAULT_REGION,
        help="The region to call; ALIBABA_CLOUD_REGION_ID is read too.",
        example="eu-central-1",
        also="ALIBABA_CLOUD_REGION_ID",
    ),
    Setting(
        name="endpoint",
        type=value_types.address(),
        default_text="the region's",
        help="Override the region's endpoint.",
        example="green-cip.eu-central-1.aliyuncs.com",
    ),
    Setting(
        name="vpc",
        type=value_types.flag(),
        default=False,
        default_text="false",
        help="Use the VPC endpoints, inside the vendor's network.",
        example="true",
    ),
    Setting(
        name="services",
        option="service",
        type=value_types.names(at_least=1),
        default_text="baselineCheck_global or baselineCheck in cn- regions",
        help="The moderation services.",
        example="[baselineCheck_global, aigcDetector_global]",
    ),
    Setting(
        name="info_types",
        option="info_type",
        type=value_types.info_types(),
        default=("customImage", "textInImage"),
        default_text="customImage,textInImage",
        help="Details to request: customImage, textInImage, publicFigure, logoData.",
        example="[customImage, textInImage, publicFigure, logoData]",
    ),
    Setting(
        name="fail_on",
        type=value_types.choice(FailOn),
        default=FailOn.NEVER,
        help="Exit with 1 if an image reaches this level.",
        example="high",
    ),
    Setting(
        name="allow_partial",
        type=value_types.flag(),
        default=False,
        default_text="false",
        help="Let the gate accept responses that leave out a part of what was requested.",
        example="true",
    ),
    Setting(
        name="require_full",
        type=value_types.flag(),
        default=False,
        default_text="false",
        help="Exit with 3 if an image or a post was judged only in part; overrides --allow-partial.",
        example="true",
    ),
    Setting(
        name="min_level",
        type=value_types.choice(RiskLevel),
        default=RiskLevel.NONE,
        help="Show images at this level or above; those without a verdict are always shown.",
        example="low",
    ),
    Setting(
        name="qps",
        type=value_types.rate(0.01, 10_000),
        default_text="the documented quota",
        help="Maximum calls per second; auto looks for a quota that is unknown.",
        example="50",
    ),
    Setting(
        name="quota",
        type=value_types.quota(),
        default_text="none is shared",
        help="Share the quota with other processes, through a file of this host (file:PATH) or Redis (redis://HOST).",
        example="redis://127.0.0.1:6379/0",
    ),
    Setting(
        name="jobs",
        type=value_types.whole_number(1, 64),
        default=64,
        default_text="as many as the quota needs, up to 64",
        help="Maximum images judged in parallel.",
        example="16",
    ),
    Setting(
        name="retries",
        type=value_types.whole_number(0, 10),
        default=3,
        help="Retries after a transient error.",
        example="5",
    ),
    Setting(
        name="timeout",
        type=value_types.number(0.1, 3_600),
        default=10.0,
        default_text="10",
        help="Timeout of one call, in seconds.",
        example="30",
    ),
    Setting(
        name="failover",
        type=value_types.regions(),
        default=(),
        default_text="none",
        help="Regions to fall back to, in order, if the first one does not respond.",
        example="[eu-west-1]",
    ),
    Setting(
        name="reuse",
        type=value_types.age(),
        default_text="never",
        help="Reuse results newer than AGE.",
        example="7d",
    ),
    Setting(
        name="max_calls",
        type=value_types.whole_number(0),
        default_text="unlimited",
        help="Stop before making more billed calls than this.",
        example="500",
    ),
    Setting(
        name="confirm_above",
        type=value_types.whole_number(0),
        default_text="never",
        help="On a terminal, ask before making more billed calls than this.",
        example="1000",
    ),
    Setting(
        name="store",
        type=value_types.path(),
        default_text="store.db in the platform's state folder",
        help="Database of runs, results and tasks.",
        example="~/moderate/store.db",
    ),
    Setting(
        name="rules",
        type=value_types.path(),
        default_text="none",
        help="Rules of the local engine: scopes, libraries, fixed verdicts.",
        example="moderate-rules.yaml",
    ),
    Setting(
        name="fetch_urls",
        type=value_types.flag(),
        default=False,
        help="Let the local engine fetch images from addresses of the internet.",
        example="true",
    ),
    Setting(
        name="include",
        type=value_types.patterns(),
        default=(),
        default_text="all images",
        help="Only files matching GLOB in folders (repeatable).",
        example="['*.png', '*.jpg']",
    ),
    Setting(
        name="exclude",
        type=value_types.patterns(),
        default=(),
        default_text="none",
        help="Skip files matching GLOB in folders (repeatable).",
        example="[fixtures/broken]",
    ),
    Setting(
        name="prices",
        type=prices(),
        default={},
        default_text="the list prices",
        help="Your own prices for estimates, by service or billing type; the variable takes JSON.",
        example="{baselineCheck_global: {amount: 0.5, currency: USD, per: 1000}}",
    ),
    Setting(
        name="params_in",
        type=value_types.choice(ParamsIn),
        default=ParamsIn.QUERY,
        help="Where to send the query parameters of the API: query or form.",
        example="form",
    ),
    Setting(
        name="oss_profile",
        type=value_types.profile(),
        default_text="oss:// is in your own account",
        help="List and sign images in oss:// as this profile of the aliyun CLI, which is another account.",
        example="partner",
    ),
    Setting(
        name="credentials",
        type=value_types.credentials(),
        default=CredentialsChoice(),
        default_text="auto",
        help="Where to find the AccessKey: auto, environment, cli, ini, ecs, oidc or uri.",
        example="{source: cli, profile: moderation}",
    ),
)

SETTINGS = {setting.name: setting for setting in _ALL}
