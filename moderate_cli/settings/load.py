"""Which value does each setting have? The first layer that sets it wins, where it is trusted to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.catalog.services import default_service
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import shortened
from moderate_cli.settings.locate import CONFIG_VARIABLE, PROJECT_FILE, Location, nearest, read, under_home, user_file
from moderate_cli.settings.resolved import (
    DEFAULT_ORIGIN,
    LOCAL_PROFILE,
    FilesRead,
    Layer,
    ProjectFile,
    Settings,
    SettingsFile,
    Sourced,
)
from moderate_cli.settings.schema import SETTINGS, Setting
from moderate_cli.settings.trust import TRUSTED_KEY, untrusted_layer, why_trusted, why_trusted_folder

if TYPE_CHECKING:
    from moderate_cli.settings.policy import Policy

POLICY_VARIABLE = "MODERATE_POLICY_FROM"
PREFIX = "MODERATE_"
PROFILE_VARIABLE = "MODERATE_PROFILE"

# Variables of options that are not settings, and a few without an option. A test compares them with all commands, so
# that none has to be imported to know them.
_OPTION_VARIABLES = """
    ACCEPT_UNVERIFIED
    ALLOW_EMPTY
    BASELINE
    CALLBACK
    CERT
    CHANGED_SINCE
    COLOR
    CONFIG
    CRYPT_TYPE
    CSV_BOM
    CSV_OUTPUT
    DATA_ID
    DATA_ID_FROM
    DEBUG
    DRY_RUN
    EMULATOR_QPS
    FETCH_PRIVATE
    FILES_FROM
    FILES_FROM0
    FOLLOW_LINKS
    FORCE_EXCLUDE
    FORMAT
    HOST
    HTML_OUTPUT
    INTERVAL
    JSONL_OUTPUT
    JSON_OUTPUT
    JUNIT_OUTPUT
    KEY
    KIND
    LATENCY
    MARKDOWN_OUTPUT
    MAX_FRAMES
    NO_IGNORE
    NO_PREFLIGHT
    NO_PROGRESS
    ONCE
    ORDERED
    OSS_ENDPOINT
    OSS_REGION
    OUTPUT
    PATH
    PENDING
    POLICY_FROM
    POLLS
    POLL_INTERVAL
    PORT
    PRESCREEN
    PROFILE
    QUIET
    RAW
    RECORD
    REFERER
    REPLAY
    RETRY_FAILED
    REUSE_ADDRESSES
    REUSE_FROM
    SARIF_OUTPUT
    SAVE_FRAMES
    SEED
    SHARD
    SHOW_CLEAN
    SHOW_SUPPRESSED
    SUPPRESSIONS
    UID
    VERBOSE
    WAIT
    WAIT_TIMEOUT
    YES
"""

_DEPRECATED_VARIABLES = frozenset({"MODERATE_IGNORE_FILE", "MODERATE_SHOW_IGNORED"})  # of 0.1.0; deprecated
_CURRENT_VARIABLES = {f"{PREFIX}{name}" for name in _OPTION_VARIABLES.split()} | {
    setting.variable for setting in SETTINGS.values()
}
KNOWN = _DEPRECATED_VARIABLES | _CURRENT_VARIABLES
"""All variables that have a meaning."""

# Kubernetes sets these in each pod beside a service that is called `moderate`
# (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
_KUBERNETES = re.compile(r"MODERATE_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")


def resolve(given: Layer, environment: Environment, *, with_account: bool = True) -> Settings:
    """Merge the options given with the environment, the settings files and the defaults.

    `given` holds settings by their names, `profile`, `config` and `policy_from` too, each with its option as origin.
    For each key the first one set wins: option, MODERATE_ variable, ALIBABA_CLOUD_REGION_ID (region), project file (the
    profile, then the top), user file (alike), the region of the aliyun profile whose credentials are used, default.
    What counts of a project file that is not trusted is in `trust`. Commands without calls do not need the account's
    region. Raises UsageError for anything wrong in any of them.
    """
    refuse_unknown_variables(environment)
    options, variables = _options(given), _variables(environment)
    policy = open_policy(given, environment)
    files = _Files.read(given, environment, policy)
    profile = _choose_profile(given, environment, files)
    above, below = [options, variables], _layers(profile.value, files.user)
    counted: Layer = {} if files.is_trusted else untrusted_layer(files.project.top, _merged([*above, *below]))
    between = _layers(profile.value, files.project) if files.is_trusted else [counted]
    found = _merged([*above, *between, *below])
    account: Layer = {}
    if with_account and profile.value != LOCAL_PROFILE and found["region"].origin == DEFAULT_ORIGIN:
        account = _region_of_account(found, environment)
        found.update(account)
    if found["services"].value is None:
        found["services"] = Sourced((default_service(found["region"].value),), DEFAULT_ORIGIN)
    if profile.value == LOCAL_PROFILE:
        found.update(_local_layer({**variables, **options}))
    settings = _settings(found, profile)
    return replace(settings, region_is_the_accounts=bool(account), files=files.report(counted), policy=policy)


def locations(given: Layer, environment: Environment, policy: Policy | None = None) -> tuple[Location, Location]:
    """Return the locations of the project's file and of the user's; the values of the first one win.

    The project's is what `--config` or MODERATE_CONFIG names, else the nearest one upward from the working folder. With
    a policy, files inside the repository are read at its revision. Raises UsageError for a link there.
    """
    asked = (given["config"].value if "config" in given else None) or environment.variable(CONFIG_VARIABLE)
    path = user_file()
    user = Location(path, under_home(path))
    if policy is None:
        return (Location(Path(asked), str(asked), required=True) if asked else nearest(PROJECT_FILE)), user
    project = policy.named(Path(asked)) if asked else policy.nearest(PROJECT_FILE)
    return project, (policy.named(path, required=False) if policy.holds(path) else user)


def open_policy(given: Layer, environment: Environment) -> Policy | None:
    """Return the policy that `--policy-from` or its variable asks for, None where neither does; raises UsageError."""
    option = given.get("policy_from")
    revision = option.value if option else environment.variable(POLICY_VARIABLE)
    if revision is None:
        return None
    from moderate_cli.settings.policy import Policy  # runs git, for those who ask for it alone

    return Policy.open(str(revision))


def refuse_unknown_variables(environment: Environment) -> None:
    """Raise UsageError for an unknown variable with our prefix, with the one that may be meant.

    A mistyped variable must not leave a gate open.
    """
    for name, text in environment.variables.items():
        if name.startswith(PREFIX) and name not in KNOWN and text and not _KUBERNETES.fullmatch(name):
            near = get_close_matches(name, _CURRENT_VARIABLES, n=1)
            words = f", did you mean {near[0]}?" if near else ""
            raise UsageError(f"unknown variable {name}{words}", hint="each option names its variable in --help")


def _options(given: Layer) -> Layer:
    """Return the settings among the options; an empty text is what a shell makes of an unset variable."""
    layer = {}
    for name, sourced in given.items():
        if name in SETTINGS and not _is_blank(SETTINGS[name], sourced.value):
            layer[name] = Sourced(SETTINGS[name].read(sourced.value, subject=sourced.origin), sourced.origin)
    return layer


def _is_blank(setting: Setting, value: Any) -> bool:
    if isinstance(value, str | list | tuple) and not setting.type.may_be_empty:
        return not "".join(value).strip()
    return value is None


def _variables(environment: Environment) -> Layer:
    layer = {}
    for setting in SETTINGS.values():
        for variable in filter(None, (setting.variable, setting.also)):
            text = environment.variable(variable)
            if text is not None:
                layer[setting.name] = Sourced(setting.read(text, subject=variable), variable)
                break
    return layer


class _Files(Struct, frozen=True):
    """The project's file and the user's own, empty where there are none."""

    project: SettingsFile
    user: SettingsFile
    locations: tuple[Location, Location]
    exist: tuple[bool, bool]

    @classmethod
    def read(cls, given: Layer, environment: Environment, policy: Policy | None) -> _Files:
        """Read them; raises UsageError."""
        found = locations(given, environment, policy)
        project, user = map(_read_file, found)
        return cls(project or SettingsFile(), user or SettingsFile(), found, (project is not None, user is not None))

    @property
    def trust(self) -> str | None:
        """Why the project's file counts in full, None where it does not."""
        return why_trusted(self.locations[0], self.user.trusted)

    @property
    def is_trusted(self) -> bool:
        """Whether the project's file counts in full."""
        return self.trust is not None

    @property
    def trusted(self) -> Sequence[SettingsFile]:
        """Those that count in full, the first to count first."""
        return [self.project, self.user] if self.is_trusted else [self.user]

    def report(self, counted: Layer) -> FilesRead:
        """Return what to say about them; `counted` is what counts of a project's file that is not trusted."""
        location, own = self.locations
        project = self.project
        said = [*project.top, *(["profile"] if project.profile else ()), *(["profiles"] if project.profiles else ())]
        ignored = [] if self.is_trusted else [name for name in said if name not in counted]
        if project.trusted:  # else a project could trust itself
            ignored.append(TRUSTED_KEY)
        counts = bool(said) if self.is_trusted else bool(counted)
        return FilesRead(
            project=ProjectFile(name=location.name, trust=self.trust, counts=counts, ignored=tuple(ignored))
            if self.exist[0]
            else None,
            user=own.name if self.exist[1] else None,
            refused=location.refused,
            trusted=why_trusted_folder(location.path.parent, self.user.trusted),
        )


def _read_file(location: Location) -> SettingsFile | None:
    text = read(location)
    if text is None:
        return None
    from moderate_cli.settings.validate import validate_text  # loads PyYAML, for a file that is there alone

    return validate_text(text, location.name, location.path.parent)


def _choose_profile(given: Layer, environment: Environment, files: _Files) -> Sourced:
    variable = environment.variable(PROFILE_VARIABLE)
    choices = [given.get("profile"), Sourced(variable, PROFILE_VARIABLE) if variable else None]
    choices += [file.profile for file in files.trusted]
    chosen = next((choice for choice in choices if choice is not None), Sourced(None, DEFAULT_ORIGIN))
    known = sorted({name for file in files.trusted for name in file.profiles})
    if chosen.value in {None, LOCAL_PROFILE, *known}:
        return chosen
    if chosen.value in files.project.profiles:
        message = (
            f"the profile {shortened(chosen.value)!r} is defined in {files.locations[0].name}, which is not trusted"
        )
        raise UsageError(message, hint="`moderate config trust` trusts its folder, --config names a file")
    near = get_close_matches(chosen.value, [*known, LOCAL_PROFILE], n=1)
    where = f"{chosen.origin}: " if any(chosen is file.profile for file in files.trusted) else ""
    message = f"{where}unknown profile {shortened(chosen.value)!r}" + (f", did you mean {near[0]!r}?" if near else "")
    others = f"your profiles are {', '.join(map(repr, known))}; " if known else ""
    raise UsageError(message, hint=f"{others}the built-in profile is {LOCAL_PROFILE!r}")


def _layers(profile: str | None, file: SettingsFile) -> list[Layer]:
    """Return what a file says, the first layer first."""
    return [file.profiles.get(profile or "", {}), file.top]


def _merged(layers: Sequence[Layer]) -> dict[str, Sourced]:
    found = {name: Sourced(setting.default, DEFAULT_ORIGIN) for name, setting in SETTINGS.items()}
    for layer in reversed(layers):
        found.update(_without_other_endpoint(layer))
    return found


def _without_other_endpoint(layer: Layer) -> Layer:
    """Let a layer that names a region, and no endpoint, undo the endpoint of the layers below it.

    Else `--region` could send images to the country of an endpoint in some file. The region that other programs of the
    vendor share is no such word.
    """
    region = layer.get("region")
    if region is None or "endpoint" in layer or region.origin == SETTINGS["region"].also:
        return layer
    return {**layer, "endpoint": Sourced(None, f"{region.origin} names a region")}


def _region_of_account(found: Layer, environment: Environment) -> Layer:
    """Return the region of the credentials, where they are of a profile of the aliyun CLI."""
    from moderate_cli.settings.credentials import region_of_credentials  # searches for credentials, which takes time

    choice = found["credentials"].value
    region = region_of_credentials(environment, choice.source, choice.profile)
    if region is None:
        return {}
    subject = f"{region.origin}: region_id"
    return {"region": Sourced(SETTINGS["region"].check(region.value, subject=subject, written=""), region.origin)}


def _local_layer(asked: Layer) -> Layer:
    """Return what the profile `local` sets for itself, whatever files say; raises UsageError where more was asked."""
    if any(name in asked and asked[name].value for name in ("endpoint", "vpc")):
        hint = "remove --endpoint, --vpc and their MODERATE_ variables, or the profile"
        raise UsageError(f"the profile {LOCAL_PROFILE!r} has an endpoint of its own", hint=hint)
    origin = f"profile {LOCAL_PROFILE}"
    return {name: Sourced(value, origin) for name, value in (("region", None), ("endpoint", None), ("vpc", False))}


def _settings(found: Layer, profile: Sourced) -> Settings:
    values = {name: sourced.value for name, sourced in found.items()}
    origins = {name: sourced.origin for name, sourced in found.items()}
    return Settings(profile=profile.value, origins={"profile": profile.origin} | origins, **values)
