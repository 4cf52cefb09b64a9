//! Whose request it is.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use super::prometheus::ApiError;
use crate::signal::{InvalidTenant, TenantId};

/// Header that names the tenant, as in Mimir, Loki and Tempo.
const TENANT: &str = "X-Scope-OrgID";

/// The tenant of a request; the default one when none is named.
#[derive(Clone, Debug)]
pub(crate) struct Tenant(pub(crate) TenantId);

impl Tenant {
    /// Reads the header.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, InvalidTenant> {
        match headers.get(TENANT) {
            None => Ok(Self(TenantId::default())),
            Some(name) => TenantId::parse(&String::from_utf8_lossy(name.as_bytes())).map(Self),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.headers).map_err(|error| ApiError::bad_data(format!("invalid header {TENANT}: {error}")))
    }
}
