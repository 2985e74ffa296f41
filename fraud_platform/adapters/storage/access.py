"""Configuration of the storage clients (Hadoop, delta-rs, fsspec, boto3) for S3 and HDFS.

Here: the options of each client.
Not here: which options a URL needs (`adapters.storage.schemes`), files (`adapters.storage.files`),
zones (`adapters.storage.zones`), tables (`adapters.tables.lake`), whether a storage answers
(`adapters.storage.answers`).

S3 is configured by AWS's variables, which all clients support: AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY (or a credentials file, or the machine's role), AWS_REGION, and
AWS_ENDPOINT_URL for a server other than Amazon's. HDFS needs only its URL; Hadoop's variables are
HADOOP_USER_NAME and HADOOP_CONF_DIR.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fraud_platform.errors import SettingsError

CONNECT_SECONDS, READ_SECONDS, RETRY_SECONDS, TRIES = 3, 10, 5, 2
"""With these limits an unreachable storage is reported within 20 seconds."""
_UNSAFE = ("AWS_S3_ALLOW_UNSAFE_RENAME", "AWS_CONDITIONAL_PUT", "AWS_S3_LOCKING_PROVIDER")
_PROVIDERS = (
    "org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider",
    "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
    "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider",
    "software.amazon.awssdk.auth.credentials.ProfileCredentialsProvider",
    "org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider",
)


@dataclass(frozen=True)
class S3Access:
    """Access to S3; without a key, each client searches AWS's credential files and roles."""

    endpoint_url: str | None = None
    region: str = "us-east-1"
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_variables(cls, variables: Mapping[str, str] = os.environ) -> S3Access:
        """Return the access from AWS's variables.

        Raises:
            SettingsError: a variable enables unsafe commits, which can be lost.
        """
        if unsafe := [name for name in _UNSAFE if variables.get(name)]:
            raise SettingsError(
                f"{', '.join(unsafe)}: expected it unset, since with it two writers of a Delta "
                "table can both succeed and one commit is lost. The platform commits with "
                "conditional puts. Unset it and restart."
            )
        return cls(
            variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL") or None,
            variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or cls.region,
            variables.get("AWS_ACCESS_KEY_ID") or None,
            variables.get("AWS_SECRET_ACCESS_KEY") or None,
            variables.get("AWS_SESSION_TOKEN") or None,
        )

    def delta_options(self) -> dict[str, str]:
        """Return delta-rs's storage options; a commit is a put that fails if the file exists."""
        return _given(
            {
                "aws_endpoint_url": self.endpoint_url,
                "aws_region": self.region,
                "aws_access_key_id": self.key,
                "aws_secret_access_key": self.secret,
                "aws_session_token": self.token,
                "aws_conditional_put": "etag",
                "allow_http": "true" if self._is_plain else None,
                "connect_timeout": f"{CONNECT_SECONDS}s",
                "timeout": f"{READ_SECONDS}s",
                "max_retries": str(TRIES),
                "retry_timeout": f"{RETRY_SECONDS}s",
            }
        )

    def hadoop_options(self) -> dict[str, str]:
        """Return the options of Hadoop's s3a, which is also used for `s3://`."""
        return _given(
            {
                "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
                "fs.s3a.endpoint": self.endpoint_url,
                "fs.s3a.endpoint.region": self.region,
                "fs.s3a.access.key": self.key,
                "fs.s3a.secret.key": self.secret,
                "fs.s3a.session.token": self.token,
                "fs.s3a.aws.credentials.provider": ",".join(_PROVIDERS[0 if self.token else 1 :]),
                "fs.s3a.path.style.access": "true" if self.endpoint_url else None,
                "fs.s3a.connection.ssl.enabled": "false" if self._is_plain else "true",
                "fs.s3a.connection.establish.timeout": f"{CONNECT_SECONDS}s",
                "fs.s3a.connection.timeout": f"{READ_SECONDS}s",
                "fs.s3a.attempts.maximum": str(TRIES),
                "fs.s3a.retry.limit": str(TRIES),
            }
        )

    def fsspec_options(self) -> dict[str, Any]:
        """Return the options of s3fs."""
        return _given(
            {
                "key": self.key,
                "secret": self.secret,
                "token": self.token,
                "client_kwargs": _given(
                    {"endpoint_url": self.endpoint_url, "region_name": self.region}
                ),
                "config_kwargs": self.boto_config(),
                "use_listings_cache": False,
            }
        )

    def boto_config(self) -> dict[str, Any]:
        """Return the arguments of botocore's `Config`."""
        style = "path" if self.endpoint_url else "auto"
        return {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retries": {"total_max_attempts": TRIES},
            "s3": {"addressing_style": style},
        }

    def boto_arguments(self) -> dict[str, Any]:
        """Return the arguments of boto3's `client`, without its `config`."""
        return _given(
            {
                "endpoint_url": self.endpoint_url,
                "region_name": self.region,
                "aws_access_key_id": self.key,
                "aws_secret_access_key": self.secret,
                "aws_session_token": self.token,
            }
        )

    @property
    def _is_plain(self) -> bool:
        return (self.endpoint_url or "").startswith("http://")


def hdfs_options() -> dict[str, str]:
    """Return options that limit the retries for a namenode; the default is three minutes.

    Each retry waits about twice as long as the previous one, up to the maximum: 11 to 13 s in
    total.
    """
    return {
        "dfs.client.failover.max.attempts": "5",
        "dfs.client.failover.sleep.base.millis": "500",
        "dfs.client.failover.sleep.max.millis": "3000",
    }


def s3_client(access: S3Access) -> Any:
    """Return a boto3 client; without a key in `access`, boto3 searches for credentials."""
    import boto3
    from botocore.config import Config

    return boto3.client("s3", **access.boto_arguments(), config=Config(**access.boto_config()))


def is_s3(url: str) -> bool:
    """Return whether a URL is an S3 URL."""
    return url.startswith("s3://")


def bucket_of(url: str) -> str:
    """Return the bucket of an `s3://` URL."""
    return urlsplit(url).netloc


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
