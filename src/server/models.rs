//! `/api/v1/models`: what forests there are, from what they were trained, and how they judge.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};

use super::{app::App, clock::rfc3339, prometheus::ApiError, tenant::Tenant};
use crate::engine::{ModelList, Quality, Record};

/// A model as the API and the command line show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ModelView {
    /// The metric; empty for the prior.
    pub(crate) family: String,
    pub(crate) generation: u64,
    /// Event time, RFC 3339.
    pub(crate) trained_at: Option<String>,
    pub(crate) rows_seen: u64,
    pub(crate) rows: usize,
    pub(crate) features: usize,
    pub(crate) trees: usize,
    pub(crate) sample_size: usize,
    pub(crate) quality: Quality,
}

/// The models of a tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ModelsView {
    pub(crate) generation: u64,
    pub(crate) items: Vec<ModelView>,
    pub(crate) total: usize,
    /// What judges metrics that have no forest yet.
    pub(crate) prior: Option<ModelView>,
}

impl ModelView {
    fn new(family: String, record: &Record) -> Self {
        Self {
            family,
            generation: record.origin.generation,
            trained_at: record.origin.trained_at.map(rfc3339),
            rows_seen: record.origin.rows_seen,
            rows: record.rows,
            features: record.features,
            trees: record.trees,
            sample_size: record.sample_size,
            quality: record.quality,
        }
    }
}

impl From<ModelList> for ModelsView {
    fn from(list: ModelList) -> Self {
        let items: Vec<ModelView> =
            list.models.into_iter().map(|(family, record)| ModelView::new(family, &record)).collect();
        let prior = list.prior.map(|record| ModelView::new(String::new(), &record));
        Self { generation: list.generation, total: items.len(), items, prior }
    }
}

/// The models of the tenant, by metric.
pub(super) async fn list(State(app): State<App>, Tenant(tenant): Tenant) -> Result<Json<ModelsView>, ApiError> {
    let list = app.ask(move |engine| engine.models(&tenant)).await?;
    Ok(Json(list.into()))
}
