//! Short digests of what something is made of.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// Sixteen hexadecimal digits: two that are equal mean the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u64);

impl Digest {
    /// Begins a digest. The word keeps things of different kinds apart.
    pub(super) fn of(kind: &str) -> Scribe {
        Scribe(Sha256::new()).text(kind)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u64::from_str_radix(&text, 16) {
            Ok(number) if text.len() == 16 => Ok(Digest(number)),
            _ => Err(de::Error::custom(format!("`{text}` is not a digest"))),
        }
    }
}

/// Writes a digest, each part with its length or number, so that no two lists of parts read alike.
pub(super) struct Scribe(Sha256);

impl Scribe {
    pub fn text(mut self, text: &str) -> Scribe {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    pub fn digest(mut self, digest: Digest) -> Scribe {
        self.0.update(digest.0.to_le_bytes());
        self
    }

    pub fn number(mut self, number: usize) -> Scribe {
        self.0.update((number as u64).to_le_bytes());
        self
    }

    pub fn flag(self, flag: bool) -> Scribe {
        self.number(usize::from(flag))
    }

    /// Digests in this order.
    pub fn list(self, digests: &[Digest]) -> Scribe {
        let mut scribe = self.number(digests.len());
        for digest in digests {
            scribe = scribe.digest(*digest);
        }
        scribe
    }

    /// Digests whose order says nothing.
    pub fn bag(self, mut digests: Vec<Digest>) -> Scribe {
        digests.sort_unstable();
        self.list(&digests)
    }

    pub fn end(self) -> Digest {
        let bytes = self.0.finalize();
        let first = bytes.iter().take(8);
        Digest(first.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}
