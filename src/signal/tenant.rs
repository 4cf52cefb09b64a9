//! Whose data it is.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Name of a tenant, part of every key.
///
/// At most 150 characters of `A-Z a-z 0-9 ! - _ . * ' ( )`, the alphabet that Mimir and Loki accept in
/// `X-Scope-OrgID`, so that one header serves all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TenantId(Arc<str>);

/// Why a tenant name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "tenant name {0:?} is not allowed: use 1 to 150 characters of A-Z a-z 0-9 ! - _ . * ' ( ) other than \".\" and \"..\""
)]
pub struct InvalidTenant(String);

impl TenantId {
    /// Parses a tenant name.
    ///
    /// # Errors
    /// [`InvalidTenant`] when it is empty, too long, or has a character outside the alphabet.
    pub fn parse(name: &str) -> Result<Self, InvalidTenant> {
        let fits = (1..=150).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!-_.*'()".contains(&b))
            && name != "."
            && name != "..";
        if fits { Ok(Self(name.into())) } else { Err(InvalidTenant(name.chars().take(160).collect())) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantId {
    /// The tenant of requests that name none.
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_alphabet() {
        for good in ["a", "team-1", "A.b_c!*'()"] {
            assert_eq!(TenantId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a|b", "é", &"x".repeat(151)] {
            assert!(TenantId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
