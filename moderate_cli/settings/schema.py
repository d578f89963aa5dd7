"""The one table of all settings: what files, variables, options, `config show` and `config init` are made of."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from msgspec import Struct

from moderate_cli.catalog.services import DEFAULT_REGION
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import shortened
from moderate_cli.models import RiskLevel
from moderate_cli.settings import value_types
from moderate_cli.settings.resolved import CredentialsChoice, FailOn, ParamsIn
from moderate_cli.settings.value_types import SettingType, prices


class Setting(Struct, frozen=True, kw_only=True):
    """A setting: its key in files, its kind, and what is said about it.

    `option` is the name of its option where that is another, `also` a further variable, read after its own; `example`
    is YAML.
    """

    name: str
    kind: SettingType
    default: Any = None
    default_text: str | None = None
    help: str
    example: str
    option: str = ""
    also: str | None = None

    @property
    def parameter(self) -> str:
        """The name of its option, as Python spells it."""
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
        """Return the value that an option or a variable gives, which is text for the most; raises as `check`."""
        value = given
        if isinstance(given, str):
            with suppress(ValueError):  # what cannot be parsed is refused by the check
                value = self.kind.parse(given)
        return self.check(value, subject=subject, written=_written(given, value))

    def check(self, value: object, *, subject: str, written: str) -> Any:
        """Return a value as programs use it; raises UsageError that names the subject and what was written."""
        try:
            return self.kind.check(value)
        except UsageError as error:
            raise UsageError(f"{subject}: {error.message}", hint=error.hint) from error
        except ValueError as error:
            raise UsageError(f"{subject} must be {self.kind.expected}, not {written}") from error


def _written(given: object, value: object) -> str:
    """Return a wrong value as a settings file's errors show it: numbers as they are, other text in quotes."""
    if isinstance(given, list | tuple):
        return f"[{shortened(', '.join(map(repr, given)))}]"
    text = shortened(str(given).strip())
    return text if isinstance(value, int | float) else repr(text)


_ALL = (
    Setting(
        name="region",
        kind=value_types.region(),
        default=DEFAULT_REGION,
        help="The region to ask; ALIBABA_CLOUD_REGION_ID is read too.",
        example="eu-central-1",
        also="ALIBABA_CLOUD_REGION_ID",
    ),
    Setting(
        name="endpoint",
        kind=value_types.address(),
        default_text="the region's",
        help="Another endpoint than the region's.",
        example="green-cip.eu-central-1.aliyuncs.com",
    ),
    Setting(
        name="vpc",
        kind=value_types.flag(),
        default=False,
        default_text="false",
        help="Use the endpoints inside the vendor's network.",
        example="true",
    ),
    Setting(
        name="services",
        option="service",
        kind=value_types.names(at_least=1),
        default_text="baselineCheck_global or baselineCheck in cn- regions",
        help="The moderation services.",
        example="[baselineCheck_global, aigcDetector_global]",
    ),
    Setting(
        name="info_types",
        option="info_type",
        kind=value_types.info_types(),
        default=("customImage", "textInImage"),
        default_text="customImage,textInImage",
        help="Details to ask for: customImage, textInImage, publicFigure, logoData.",
        example="[customImage, textInImage, publicFigure, logoData]",
    ),
    Setting(
        name="fail_on",
        kind=value_types.choice(FailOn),
        default=FailOn.NEVER,
        help="Exit with 1 when an image is at this level or above.",
        example="high",
    ),
    Setting(
        name="allow_partial",
        kind=value_types.flag(),
        default=False,
        default_text="false",
        help="Under a gate, accept answers that leave out a part of what was asked.",
        example="true",
    ),
    Setting(
        name="require_full",
        kind=value_types.flag(),
        default=False,
        default_text="false",
        help="Exit with 3 when only a part of an image or a post was judged; beats --allow-partial.",
        example="true",
    ),
    Setting(
        name="min_level",
        kind=value_types.choice(RiskLevel),
        default=RiskLevel.NONE,
        help="Show images at this level or above; those without a verdict are always shown.",
        example="low",
    ),
    Setting(
        name="qps",
        kind=value_types.number(0.01, 10_000),
        default_text="the documented quota",
        help="Calls a second, at most.",
        example="50",
    ),
    Setting(
        name="jobs",
        kind=value_types.whole_number(1, 64),
        default=64,
        default_text="as many as the quota needs, 64 at most",
        help="Images judged at the same time, at most.",
        example="16",
    ),
    Setting(
        name="retries",
        kind=value_types.whole_number(0, 10),
        default=3,
        help="Further attempts after a call that failed for a passing reason.",
        example="5",
    ),
    Setting(
        name="timeout",
        kind=value_types.number(0.1, 3_600),
        default=10.0,
        default_text="10",
        help="How long to wait for the answer to one call, in seconds.",
        example="30",
    ),
    Setting(
        name="failover",
        kind=value_types.regions(),
        default=(),
        default_text="none",
        help="Regions to ask in turn when the first one does not answer.",
        example="[eu-west-1]",
    ),
    Setting(
        name="reuse",
        kind=value_types.age(),
        default_text="never",
        help="Do not ask again about what was judged within this age.",
        example="7d",
    ),
    Setting(
        name="max_calls",
        kind=value_types.whole_number(0),
        default_text="any number",
        help="Stop before the run makes more billed calls than this.",
        example="500",
    ),
    Setting(
        name="store",
        kind=value_types.path(),
        default_text="store.db in the platform's folder for state",
        help="Where runs, results and tasks are kept.",
        example="~/moderate/store.db",
    ),
    Setting(
        name="include",
        kind=value_types.patterns(),
        default=(),
        default_text="all images",
        help="Of folders take only what matches; repeatable.",
        example="['*.png', '*.jpg']",
    ),
    Setting(
        name="exclude",
        kind=value_types.patterns(),
        default=(),
        default_text="none",
        help="Leave out what matches in folders; repeatable.",
        example="[fixtures/broken]",
    ),
    Setting(
        name="prices",
        kind=prices(),
        default={},
        default_text="the list prices",
        help="Your own prices, by service or billing type, for estimates; the variable takes JSON.",
        example="{baselineCheck_global: {amount: 0.5, currency: USD, per: 1000}}",
    ),
    Setting(
        name="params_in",
        kind=value_types.choice(ParamsIn),
        default=ParamsIn.QUERY,
        help="Where the parameters travel that the API documents as query ones: query or form.",
        example="form",
    ),
    Setting(
        name="credentials",
        kind=value_types.credentials(),
        default=CredentialsChoice(),
        default_text="auto",
        help="Where to look for the AccessKey: auto, environment, cli, ini, ecs, oidc or uri.",
        example="{source: cli, profile: moderation}",
    ),
)

SETTINGS = {setting.name: setting for setting in _ALL}
