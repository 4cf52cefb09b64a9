//! `labels`, `label/NAME/values`, `series` and `metadata`: what there is to ask about.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use serde::Serialize;

use super::{encode::Success, error::ApiError, parameters::Parameters};
use crate::{
    server::{app::App, tenant::Tenant},
    signal::{Labels, Matcher, TenantId},
};

pub(super) async fn labels(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let limit = parameters.limit("limit")?;
    let names = gather(&app, tenant, &parameters, |series, names| {
        names.extend(series.iter().map(|(name, _)| name.to_owned()));
    });
    Success::list(names.await?, limit)
}

pub(super) async fn label_values(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let name = unescape(&name).ok_or_else(|| ApiError::bad_data(format!("invalid label name: {name:?}")))?;
    let limit = parameters.limit("limit")?;
    let values = gather(&app, tenant, &parameters, move |series, values| {
        values.extend(series.get(&name).map(str::to_owned));
    });
    Success::list(values.await?, limit)
}

pub(super) async fn series(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let selectors = parameters.selectors()?;
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = parameters.limit("limit")?;
    Success::list(select(&app, tenant, selectors, &parameters).await?, limit)
}

/// One declaration of a metric family.
#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "type")]
    kind: &'static str,
    help: String,
    unit: String,
}

pub(super) async fn metadata(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let limit = parameters.limit("limit")?.unwrap_or(usize::MAX);
    let mut families = app.ask(move |engine| engine.metadata(&tenant)).await?;
    if let Some(metric) = parameters.get("metric") {
        families.retain(|name, _| name == metric);
    }
    // vigie keeps one declaration of each family, so that `limit_per_metric` never takes anything away.
    let shown: BTreeMap<_, _> = families
        .into_iter()
        .take(limit)
        .map(|(name, family)| (name, [Metadata { kind: family.kind.as_str(), help: family.help, unit: family.unit }]))
        .collect();
    Success::new(&shown)
}

/// What `take` finds in each series that the request selects, sorted and each once.
async fn gather(
    app: &App,
    tenant: TenantId,
    parameters: &Parameters,
    take: impl Fn(&Labels, &mut BTreeSet<String>),
) -> Result<Vec<String>, ApiError> {
    let found = select(app, tenant, parameters.selectors()?, parameters).await?;
    let mut set = BTreeSet::new();
    for series in &found {
        take(series, &mut set);
    }
    Ok(set.into_iter().collect())
}

async fn select(
    app: &App,
    tenant: TenantId,
    selectors: Vec<Vec<Matcher>>,
    parameters: &Parameters,
) -> Result<Vec<Labels>, ApiError> {
    let span = parameters.span()?;
    Ok(app.ask(move |engine| engine.label_sets(&tenant, &selectors, span.from, span.to)).await?)
}

/// A label name as it stands in a path: names that are not plain identifiers arrive as `U__` followed by the name in
/// which `_` is doubled and any other odd character is `_HEX_`.
///
/// `None` when the escape is broken or the name is empty.
fn unescape(name: &str) -> Option<String> {
    let Some(escaped) = name.strip_prefix("U__") else {
        return (!name.is_empty()).then(|| name.to_owned());
    };
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        let (hex, after) = rest[at + 1..].split_once('_')?;
        out.push(if hex.is_empty() { '_' } else { char::from_u32(u32::from_str_radix(hex, 16).ok()?)? });
        rest = after;
    }
    out.push_str(rest);
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_label_names_are_read() {
        for (escaped, name) in [
            ("job", Some("job")),
            ("__name__", Some("__name__")),
            ("U__http_2e_status__code", Some("http.status_code")),
            ("U___1F600_", Some("😀")),
            ("U__", None),
            ("", None),
            ("U__a_zz_", None),
            ("U__a_2e", None),
            ("U__a_110000_", None),
        ] {
            assert_eq!(unescape(escaped).as_deref(), name, "{escaped}");
        }
    }
}
