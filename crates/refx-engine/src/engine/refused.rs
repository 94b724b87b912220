//! What a store says no to: a right, a bucket, credentials. None of it is a fault of a table or a file.

use std::error::Error as StdError;

use datafusion::object_store;

/// Why a remote store did not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NoRight,
    NoBucket,
    BadCredentials,
    NoCredentials,
}

impl Refused {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Refused::NoRight => "the store does not give permission",
            Refused::NoBucket => "the bucket does not exist",
            Refused::BadCredentials => "the store does not accept the credentials",
            Refused::NoCredentials => "there are no credentials for the store",
        }
    }

    pub(crate) fn help(self) -> &'static str {
        match self {
            Refused::NoRight => {
                "give the account of the credentials the right to list, read and write there, or name \
                 other credentials in `storage_options`"
            }
            Refused::NoBucket => "make the bucket, or correct its name in the URL",
            Refused::BadCredentials => {
                "renew the key or the token, in `storage_options` or in the environment"
            }
            Refused::NoCredentials => {
                "set them in `storage_options` or in the environment; `skip_signature: true` asks \
                 without any"
            }
        }
    }
}

/// Codes and sentences of stores and of their clients, told by what they mean.
const SIGNS: [(Refused, &[&str]); 4] = [
    (
        Refused::NoBucket,
        &[
            "NoSuchBucket",
            "ContainerNotFound",
            "specified bucket does not exist",
            "specified container does not exist",
        ],
    ),
    (
        Refused::BadCredentials,
        &[
            "ExpiredToken",
            "InvalidToken",
            "TokenRefreshRequired",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "AuthenticationFailed",
            "InvalidAuthenticationInfo",
            "invalid_grant",
            "lacked valid authentication credentials",
        ],
    ),
    (
        Refused::NoCredentials,
        &[
            "no providers in chain provided credentials",
            "169.254.169.254",
            "metadata.google.internal",
            "CredentialsNotLoaded",
            "credential provider was not enabled",
        ],
    ),
    (
        Refused::NoRight,
        &[
            "AccessDenied",
            "AuthorizationPermissionMismatch",
            "lacked the necessary privileges",
            "does not have storage.",
        ],
    ),
];

/// Why a store refused, of an error of whatever depth; nothing where it did not, or is the local disk.
pub(crate) fn refused(error: &(dyn StdError + 'static)) -> Option<Refused> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<object_store::Error>() {
            return of_store(error);
        }
        next = match error.downcast_ref::<std::io::Error>() {
            // Its `source` skips the error that it holds.
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    // The log's reader hands errors of stores on as text.
    let text = error.to_string();
    let of_store = ["object store", "Object Store", "Object at location"];
    let is_of_store = of_store.iter().any(|words| text.contains(words));
    is_of_store.then(|| said(&text)).flatten()
}

fn of_store(error: &object_store::Error) -> Option<Refused> {
    use object_store::Error as Store;
    if super::system_error(error).is_some_and(|io| io.kind() != std::io::ErrorKind::TimedOut) {
        return None;
    }
    let text = error.to_string();
    match error {
        Store::NotFound { .. } => said(&text).filter(|found| *found == Refused::NoBucket),
        Store::PermissionDenied { .. } => Some(said(&text).unwrap_or(Refused::NoRight)),
        Store::Unauthenticated { .. } => Some(Refused::BadCredentials),
        Store::Generic { .. } | Store::NotSupported { .. } => said(&text).or_else(|| {
            let source = error.source().map(deepest);
            said(&source.unwrap_or_default())
        }),
        _ => None,
    }
}

/// What the innermost error says: some of those around it leave it out.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    let mut text = error.to_string();
    while let Some(source) = error.source() {
        error = source;
        text = format!("{text}: {error}");
    }
    text
}

fn said(text: &str) -> Option<Refused> {
    let meant = |(_, signs): &&(Refused, &[&str])| signs.iter().any(|sign| text.contains(sign));
    SIGNS.iter().find(meant).map(|(refused, _)| *refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let path = "t/_delta_log/_last_checkpoint".to_owned();
        let denied = |text: &str| object_store::Error::PermissionDenied {
            path: path.clone(),
            source: text.to_owned().into(),
        };
        let absent = |text: &str| object_store::Error::NotFound {
            path: path.clone(),
            source: text.to_owned().into(),
        };
        let cases = [
            (denied("<Code>AccessDenied</Code>"), Some(Refused::NoRight)),
            (
                denied("<Code>ExpiredToken</Code>"),
                Some(Refused::BadCredentials),
            ),
            (absent("<Code>NoSuchKey</Code>"), None),
            (absent("<Code>NoSuchBucket</Code>"), Some(Refused::NoBucket)),
            (
                generic("error sending request for http://169.254.169.254/latest"),
                Some(Refused::NoCredentials),
            ),
            (generic("connection refused"), None),
        ];
        for (error, expected) in cases {
            assert_eq!(refused(&error), expected, "{error}");
            let wrapped = datafusion::common::DataFusionError::ObjectStore(Box::new(error));
            assert_eq!(refused(&wrapped), expected, "{wrapped}");
        }
        let io = std::io::Error::from_raw_os_error(13);
        let local = object_store::Error::PermissionDenied {
            path: "/t".into(),
            source: Box::new(io),
        };
        assert_eq!(refused(&local), None, "the local disk has its own words");
    }
}
