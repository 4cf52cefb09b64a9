//! `labels`, `label/NAME/values`, `series` and `metadata`: what there is to ask about.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::extract::{Path, State};
use serde::Serialize;

use super::{
    allowance::{Asked, in_turn},
    encode::Success,
    error::ApiError,
    parameters::Parameters,
    source::TenantSource,
};
use crate::{
    engine::AnswerNames,
    server::{app::App, tenant::Tenant},
    signal::{Labels, Matcher, TenantId},
};

pub(super) async fn labels(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let limit = parameters.limit("limit")?;
    let selectors = parameters.selectors()?;
    let names = if selectors.is_empty() {
        terms(&app, tenant, None).await?
    } else {
        gather(&app, tenant, selectors, &parameters, |series, names| {
            names.extend(series.iter().map(|(name, _)| name.to_owned()));
        })
        .await?
    };
    Success::list(names, limit)
}

pub(super) async fn label_values(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let name = unescape(&name).ok_or_else(|| ApiError::bad_data(format!("invalid label name: {name:?}")))?;
    let limit = parameters.limit("limit")?;
    let selectors = parameters.selectors()?;
    let values = if selectors.is_empty() {
        terms(&app, tenant, Some(name)).await?
    } else {
        gather(&app, tenant, selectors, &parameters, move |series, values| {
            values.extend(series.get(&name).map(str::to_owned));
        })
        .await?
    };
    Success::list(values, limit)
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
    let all = |series: &Labels, found: &mut BTreeSet<Labels>| found.extend([series.clone()]);
    Success::list(gather(&app, tenant, selectors, &parameters, all).await?, limit)
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
async fn gather<T: Ord + Send + 'static>(
    app: &App,
    tenant: TenantId,
    selectors: Vec<Vec<Matcher>>,
    parameters: &Parameters,
    take: impl Fn(&Labels, &mut BTreeSet<T>) + Send + 'static,
) -> Result<Vec<T>, ApiError> {
    let span = parameters.span()?;
    let text = parameters.all("match[]").collect::<Vec<_>>().join(" or ");
    let engine = app.engine()?;
    in_turn(app, asked(app, tenant, text), move |allowance| {
        let source = TenantSource { engine, allowance: allowance.clone() };
        let mut found = BTreeSet::new();
        for matchers in &selectors {
            source.read(matchers, (span.from, span.to), true, &mut |excerpts| {
                for excerpt in excerpts.iter().filter(|excerpt| excerpt.has_samples()) {
                    take(&excerpt.labels(), &mut found);
                }
                Ok(())
            })?;
        }
        Ok(found.into_iter().collect())
    })
    .await
}

/// The names of all labels, or all values of one. They come from the index, as in Prometheus: those of every series that
/// is known, whatever its time; and those of vigie's answers, which may have to come still.
async fn terms(app: &App, tenant: TenantId, label: Option<String>) -> Result<Vec<String>, ApiError> {
    let (engine, names) = (app.engine()?, app.answer_names());
    let text = label.as_deref().map_or_else(|| "label names".to_owned(), |label| format!("values of {label}"));
    in_turn(app, asked(app, tenant.clone(), text), move |allowance| {
        let known = |label: Option<&str>| engine.terms(&tenant, label, || allowance.check());
        let mut terms = known(label.as_deref())?;
        if let Some(source) = label.as_deref().and_then(AnswerNames::source_of) {
            terms.extend(known(Some(source))?);
        }
        if !terms.is_empty() {
            terms.extend(names.terms(label.as_deref()).into_iter().map(Arc::from));
        }
        Ok(terms.iter().map(ToString::to_string).collect())
    })
    .await
}

fn asked(app: &App, tenant: TenantId, text: String) -> Asked {
    Asked { tenant, text, timeout: app.config().query.timeout.get() }
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
