"""From all layers to one Settings: for each key the first layer that has it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from moderate_cli.catalogue.regions import default_service
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.settings.files import locations, read
from moderate_cli.settings.model import LOCAL_PROFILE, Layer, Settings, SettingsFile, Sourced
from moderate_cli.settings.table import SETTINGS, Setting

PROFILE_VARIABLE = "MODERATE_PROFILE"
DEFAULT_ORIGIN = "default"


def resolve(given: Layer, environment: Environment) -> Settings:
    """Merge the options given with the environment, the settings files and the defaults.

    `given` holds settings by their names, `profile` and `config` too, each with its option as origin. For each key the
    first of these counts: option, MODERATE_ variable, ALIBABA_CLOUD_REGION_ID (region), project file (the profile, then
    the top), user file (alike), default. Raises UsageError for whatever is wrong in any of them.
    """
    options, variables = _options(given), _variables(environment)
    files = _read_files(given, environment)
    profile = _choose_profile(given, environment, files)
    found = {name: Sourced(setting.default, DEFAULT_ORIGIN) for name, setting in SETTINGS.items()}
    for layer in reversed([options, variables, *_file_layers(profile.value, files)]):
        found.update(_with_its_own_endpoint(layer))
    if found["services"].value is None:
        found["services"] = Sourced((default_service(found["region"].value),), DEFAULT_ORIGIN)
    if profile.value == LOCAL_PROFILE:
        found.update(_local_layer({**variables, **options}))
    return _settings(found, profile)


def _with_its_own_endpoint(layer: Layer) -> Layer:
    """Let a layer that names a region, and no endpoint, undo the endpoint of the layers below it.

    Else `--region` could send images to the country of an endpoint in some file. The region that other programs of the
    vendor share is no such word.
    """
    region = layer.get("region")
    if region is None or "endpoint" in layer or region.origin == SETTINGS["region"].also:
        return layer
    return {**layer, "endpoint": Sourced(None, f"{region.origin} names a region")}


def _options(given: Layer) -> Layer:
    """Return the settings among the options; an empty text is what a shell makes of an unset variable."""
    layer = {}
    for name, sourced in given.items():
        if name in SETTINGS and not _is_blank(SETTINGS[name], sourced.value):
            value = SETTINGS[name].check(sourced.value, subject=sourced.origin, written=repr(sourced.value))
            layer[name] = Sourced(value, sourced.origin)
    return layer


def _is_blank(setting: Setting, value: Any) -> bool:
    if isinstance(value, str | list | tuple) and not setting.kind.may_be_empty:
        return not "".join(value).strip()
    return value is None


def _variables(environment: Environment) -> Layer:
    layer = {}
    for setting in SETTINGS.values():
        for variable in filter(None, (setting.variable, setting.also)):
            text = environment.variable(variable)
            if text is not None:
                layer[setting.name] = Sourced(_from_text(setting, text, variable), variable)
                break
    return layer


def _from_text(setting: Setting, text: str, variable: str) -> Any:
    try:
        value = setting.kind.parse(text)
    except ValueError:
        value = text  # which the check refuses
    return setting.check(value, subject=variable, written=repr(text))


def _read_files(given: Layer, environment: Environment) -> list[SettingsFile]:
    files = []
    for location in locations(given, environment):
        text = read(location)
        if text is not None:
            from moderate_cli.settings.checking import check_text  # loads PyYAML, for a file that is there alone

            files.append(check_text(text, location.name))
    return files


def _choose_profile(given: Layer, environment: Environment, files: list[SettingsFile]) -> Sourced:
    variable = environment.variable(PROFILE_VARIABLE)
    choices = [given.get("profile"), Sourced(variable, PROFILE_VARIABLE) if variable else None]
    choices += [file.profile for file in files]
    chosen = next((choice for choice in choices if choice is not None), Sourced(None, DEFAULT_ORIGIN))
    known = sorted({name for file in files for name in file.profiles})
    if chosen.value in {None, LOCAL_PROFILE, *known}:
        return chosen
    near = get_close_matches(chosen.value, [*known, LOCAL_PROFILE], n=1)
    where = f"{chosen.origin}: " if any(chosen is file.profile for file in files) else ""
    message = f"{where}there is no profile {chosen.value!r}" + (f", did you mean {near[0]!r}?" if near else "")
    others = f"the profiles of your files are {', '.join(map(repr, known))}; " if known else ""
    raise UsageError(message, hint=f"{others}the built-in profile is {LOCAL_PROFILE!r}")


def _file_layers(profile: str | None, files: list[SettingsFile]) -> list[Layer]:
    """Return what the files say, the first layer first."""
    return [layer for file in files for layer in (file.profiles.get(profile or "", {}), file.top)]


def _local_layer(asked: Layer) -> Layer:
    """Return what the profile `local` sets for itself, whatever files say; raises UsageError where more was asked."""
    if any(name in asked and asked[name].value for name in ("endpoint", "vpc")):
        hint = "leave out --endpoint, --vpc and their MODERATE_ variables, or the profile"
        raise UsageError(f"the profile {LOCAL_PROFILE!r} has an endpoint of its own", hint=hint)
    origin = f"profile {LOCAL_PROFILE}"
    return {name: Sourced(value, origin) for name, value in (("region", None), ("endpoint", None), ("vpc", False))}


def _settings(found: Layer, profile: Sourced) -> Settings:
    values = {name: sourced.value for name, sourced in found.items()}
    origins = {name: sourced.origin for name, sourced in found.items()}
    return Settings(profile=profile.value, origins={"profile": profile.origin} | origins, **values)
