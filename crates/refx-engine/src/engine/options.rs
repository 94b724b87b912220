//! Options of object stores: which there are, which promise what is not done, and whether credentials
//! are among them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use datafusion::object_store::aws::AmazonS3ConfigKey;
use datafusion::object_store::azure::AzureConfigKey;
use datafusion::object_store::gcp::GoogleConfigKey;

use super::refused::Refused;
use super::{Error, Kind};
use refx_core::diagnostic::closest;

/// Lets a store without other credentials ask the metadata service of the machine that it runs on.
const INSTANCE: &str = "instance_metadata";

/// A lock that other writers may take, and refx does not.
const LOCK: &str = "aws_s3_locking_provider";

/// What deltalake and refx know beside the keys of each cloud.
const COMMON: [&str; 10] = [
    INSTANCE,
    "max_retries",
    "retry_timeout",
    "backoff_config.init_backoff",
    "backoff_config.max_backoff",
    "backoff_config.base",
    "concurrency_limit",
    "max_concurrency",
    "certificate_path",
    "ssl_cert_file",
];

const OF_DELTA_ON_S3: [&str; 7] = [
    "aws_force_credential_load",
    "aws_iam_role_arn",
    "aws_iam_role_session_name",
    "aws_s3_assume_role_arn",
    "aws_s3_role_session_name",
    "aws_s3_addressing_style",
    "aws_profile",
];

/// Names to suggest; the clouds know more ways to write them.
const SUGGESTED: [&str; 40] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_endpoint",
    "aws_endpoint_url",
    "aws_allow_http",
    "aws_skip_signature",
    "aws_virtual_hosted_style_request",
    "aws_conditional_put",
    "aws_copy_if_not_exists",
    "aws_web_identity_token_file",
    "aws_role_arn",
    "aws_role_session_name",
    "aws_iam_role_arn",
    "aws_server_side_encryption",
    "aws_sse_kms_key_id",
    "aws_request_payer",
    "aws_unsigned_payload",
    "aws_metadata_endpoint",
    "google_service_account",
    "google_service_account_key",
    "google_application_credentials",
    "google_bucket",
    "google_skip_signature",
    "azure_storage_account_name",
    "azure_storage_account_key",
    "azure_storage_sas_key",
    "azure_storage_token",
    "azure_storage_client_id",
    "azure_storage_client_secret",
    "azure_storage_tenant_id",
    "azure_storage_use_emulator",
    "azure_storage_endpoint",
    "azure_use_azure_cli",
    "azure_federated_token_file",
    "allow_http",
    "timeout",
    "connect_timeout",
    "proxy_url",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cloud {
    Aws,
    Google,
    Azure,
}

impl Cloud {
    /// The cloud of a URL; none for the local disk, and for text that is no URL.
    fn of(url: &str) -> Option<Cloud> {
        let (scheme, _) = url.split_once("://")?;
        match scheme.to_lowercase().as_str() {
            "s3" | "s3a" => Some(Cloud::Aws),
            "gs" => Some(Cloud::Google),
            "az" | "adl" | "azure" | "abfs" | "abfss" => Some(Cloud::Azure),
            _ => None,
        }
    }

    fn knows(self, name: &str) -> bool {
        match self {
            Cloud::Aws => {
                AmazonS3ConfigKey::from_str(name).is_ok() || OF_DELTA_ON_S3.contains(&name)
            }
            Cloud::Google => GoogleConfigKey::from_str(name).is_ok(),
            Cloud::Azure => AzureConfigKey::from_str(name).is_ok(),
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Cloud::Aws => "S3",
            Cloud::Google => "Google Cloud Storage",
            Cloud::Azure => "Azure Storage",
        }
    }

    /// How options and variables of the environment begin.
    fn prefix(self) -> &'static str {
        match self {
            Cloud::Aws => "aws_",
            Cloud::Google => "google_",
            Cloud::Azure => "azure_",
        }
    }

    /// What options that bring credentials, or say that none are needed, have in their names.
    fn signs(self) -> &'static [&'static str] {
        match self {
            Cloud::Aws => &[
                "access_key_id",
                "token",
                "container_credentials",
                "skip_signature",
                "metadata_endpoint",
                "role_arn",
                "profile",
                "credentials_file",
            ],
            Cloud::Google => &[
                "service_account",
                "application_credentials",
                "skip_signature",
            ],
            Cloud::Azure => &[
                "key",
                "sas",
                "token",
                "client_secret",
                "azure_cli",
                "use_emulator",
                "msi_endpoint",
                "identity_endpoint",
                "skip_signature",
                "fabric",
            ],
        }
    }

    /// Files in a home folder from which the cloud's own tools read credentials.
    fn files(self) -> &'static [&'static str] {
        match self {
            Cloud::Aws => &[".aws/credentials", ".aws/config"],
            Cloud::Google => &[".config/gcloud/application_default_credentials.json"],
            Cloud::Azure => &[],
        }
    }
}

/// Refuses options that the store of a URL does not have, and locks that nobody takes.
pub fn check_options(url: &str, options: &BTreeMap<String, String>) -> Result<(), Error> {
    let cloud = Cloud::of(url);
    for written in options.keys() {
        let name = written.to_lowercase();
        if name == LOCK || name == "aws_s3_allow_unsafe_rename" {
            return Err(no_lock(&format!("`{written}`")));
        }
        let is_known = COMMON.contains(&name.as_str())
            || match cloud {
                Some(cloud) => cloud.knows(&name),
                // A target on the local disk may stand for one in a cloud.
                None => [Cloud::Aws, Cloud::Google, Cloud::Azure]
                    .iter()
                    .any(|cloud| cloud.knows(&name)),
            };
        if !is_known {
            return Err(unknown(written, cloud));
        }
    }
    if cloud == Some(Cloud::Aws) && std::env::var_os(LOCK.to_uppercase()).is_some() {
        let name = LOCK.to_uppercase();
        return Err(no_lock(&format!("`{name}`, in the environment,")));
    }
    Ok(())
}

fn no_lock(what: &str) -> Error {
    Error::new(
        Kind::Io,
        format!("{what} has no effect: refx takes no lock, its commits are conditional writes"),
    )
    .help(
        "remove it, and let no other tool write these tables under a lock: each would overwrite \
         commits of the other",
    )
}

fn unknown(written: &str, cloud: Option<Cloud>) -> Error {
    let of = cloud.map_or(String::new(), |cloud| format!(" of {}", cloud.shown()));
    let fits = |name: &&str| cloud.is_none_or(|cloud| cloud.knows(name)) || COMMON.contains(name);
    let names = SUGGESTED.into_iter().chain(COMMON).filter(fits);
    let error = Error::new(
        Kind::Io,
        format!("there is no storage option{of} called `{written}`"),
    );
    match closest(written, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("remove it; docs/stores.md says which there are"),
    }
}

/// Refuses a store for which no credentials are found. Its client would ask the metadata service of the
/// machine, which most machines do not have, and wait for an answer.
pub(crate) fn check_credentials(
    url: &str,
    options: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let Some(cloud) = Cloud::of(url) else {
        return Ok(());
    };
    let environment = std::env::vars_os().filter_map(|(name, _)| {
        let name = name.to_str()?.to_lowercase();
        name.starts_with(cloud.prefix()).then_some(name)
    });
    let asks = options.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case(INSTANCE) && !value.eq_ignore_ascii_case("false")
    });
    let names = options.keys().map(|name| name.to_lowercase());
    let mut names = names.filter(|name| name != INSTANCE).chain(environment);
    let is_found = names.any(|name| cloud.signs().iter().any(|sign| name.contains(sign)));
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let has_file = || {
        let files = cloud.files().iter();
        home.iter()
            .any(|home| files.clone().any(|file| home.join(file).is_file()))
    };
    match asks || is_found || has_file() {
        true => Ok(()),
        false => Err(
            Error::new(Kind::Io, Refused::NoCredentials.what()).help(format!(
                "{}; `{INSTANCE}: true` asks the metadata service of this machine",
                Refused::NoCredentials.help()
            )),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: &str, name: &str) -> Option<(String, String)> {
        let options = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        let error = check_options(url, &options).err()?.into_diagnostic();
        Some((error.message, error.help.unwrap_or_default()))
    }

    #[test]
    fn an_unknown_option_is_told_with_one_that_is_near() {
        for (url, name) in [
            ("s3://b/t", "AWS_ACCESS_KEY_ID"),
            ("s3://b/t", "region"),
            ("s3://b/t", "max_retries"),
            ("gs://b/t", "google_service_account"),
            ("az://b/t", "account_key"),
            ("/tmp/t", "aws_region"),
        ] {
            assert_eq!(told(url, name), None);
        }
        let (message, help) = told("s3://b/t", "aws_regoin").unwrap();
        assert_eq!(
            message,
            "there is no storage option of S3 called `aws_regoin`"
        );
        assert_eq!(help, "did you mean `aws_region`?");
        assert!(told("gs://b/t", "aws_region").is_some());
        assert!(told("/tmp/t", "colour").is_some());
    }

    #[test]
    fn a_lock_that_nobody_takes_is_refused() {
        for name in ["AWS_S3_LOCKING_PROVIDER", "aws_s3_allow_unsafe_rename"] {
            let (message, _) = told("s3://b/t", name).unwrap();
            assert!(message.contains("takes no lock"), "{message}");
        }
    }
}
