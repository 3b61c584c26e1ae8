"""Write a configuration as YAML that `load` reads, without its secrets."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from streamer.config.models import Config
from streamer.errors import ConfigError, public_url

logger = logging.getLogger("streamer")

_HEAD = "# What is not here has its default: docs/configuration.md.\n"


def dump_config(config: Config) -> tuple[str, list[str]]:
    """
    *config* as YAML; options at their default are left out.

    A secret becomes `${STREAMER_…}`, named after its key. A URL without credentials is written as
    it is.

    Returns:
        The text, and the names of the environment variables that it needs.
    """
    variables: list[str] = []
    data = _plain(config.model_dump(exclude_defaults=True), (), variables)
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return _HEAD + text, variables


def save_config(config: Config, folder: Path) -> Path:
    """
    Write *config* as YAML to a new file in *folder*: `stream.yaml`, `stream-2.yaml`, …

    A warning names the environment variables that stand for its secrets.

    Raises:
        ConfigError: it cannot be written.
    """
    text, variables = dump_config(config)
    number = 1
    while True:
        path = folder / f"{config.name}{f'-{number}' if number > 1 else ''}.yaml"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("x", encoding="utf-8")
        except FileExistsError as error:
            if not folder.is_dir():
                raise ConfigError(f"{folder}: is a file: choose another folder") from error
            number += 1
            continue
        except OSError as error:
            raise _refusal(path, error) from error
        try:
            with file:
                file.write(text)
            break
        except OSError as error:
            path.unlink(missing_ok=True)
            raise _refusal(path, error) from error
    if variables:
        logger.warning("%s: has no secrets in it: set %s", path, ", ".join(variables))
    return path


def _refusal(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be written: {error.strerror}")


def _plain(value: Any, location: tuple[str, ...], variables: list[str]) -> Any:
    """*value* as plain YAML data; texts are escaped so that none is taken for a variable."""
    if isinstance(value, dict):
        return {key: _plain(it, (*location, key), variables) for key, it in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(it, (*location, str(n)), variables) for n, it in enumerate(value)]
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        if "://" not in secret or public_url(secret) != secret:
            variables.append(f"STREAMER_{'_'.join(location).upper()}")
            return f"${{{variables[-1]}}}"
        value = secret
    return value.replace("${", "$${") if isinstance(value, str) else value
