//! `query`, `query_range`, `query_exemplars` and `format_query`.

use axum::extract::State;

use super::{
    allowance::{Asked, in_turn},
    encode::Success,
    error::ApiError,
    parameters::Parameters,
    source::TenantSource,
};
use crate::{
    fleet::Fleet,
    promql::{self, Answer, Limits, Source},
    server::{app::App, tenant::Tenant},
    signal::{TenantId, TimestampMs},
};

/// Step of a subquery that names none: Prometheus' default evaluation interval.
const SUBQUERY_STEP_MS: i64 = 60_000;

/// Points a range query may ask for; the parameters were checked against the same number before.
const MAX_POINTS: usize = 11_000;

pub(super) async fn instant(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let at = parameters.time("time")?.unwrap_or_else(|| app.now());
    let limit = parameters.limit("limit")?;
    let evaluation = Evaluation::of(&app, tenant, &parameters)?;
    evaluation.run((at, limit), move |query, source, limits| promql::instant(query, at, source, limits)).await
}

pub(super) async fn range(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let span = parameters.range()?;
    let limit = parameters.limit("limit")?;
    let evaluation = Evaluation::of(&app, tenant, &parameters)?;
    evaluation
        .run((span.from, limit), move |query, source, limits| {
            promql::range(query, span.from, span.to, span.step, source, limits)
        })
        .await
}

/// vigie keeps no exemplars; Grafana probes for them and expects an empty list, not a 404.
pub(super) async fn exemplars() -> Result<Success, ApiError> {
    Success::new(&[(); 0])
}

pub(super) async fn format(parameters: Parameters) -> Result<Success, ApiError> {
    let query = parameters.get("query").unwrap_or_default();
    let expression = promql_parser::parser::parse(query)
        .map_err(|error| ApiError::bad_data(format!("invalid parameter \"query\": {error}")))?;
    Success::new(&expression.prettify())
}

/// One query and how it is evaluated.
struct Evaluation {
    app: App,
    engine: Fleet,
    asked: Asked,
    lookback_ms: i64,
}

impl Evaluation {
    fn of(app: &App, tenant: TenantId, parameters: &Parameters) -> Result<Self, ApiError> {
        let config = &app.config().query;
        let lookback = parameters.duration("lookback_delta")?.filter(|lookback| *lookback > 0);
        let text = parameters.get("query").unwrap_or_default().to_owned();
        Ok(Self {
            engine: app.engine()?,
            asked: Asked { tenant, text, timeout: parameters.timeout(config.timeout.get())? },
            lookback_ms: lookback.unwrap_or_else(|| config.lookback.as_millis()),
            app: app.clone(),
        })
    }

    /// Evaluates in turn, and writes the answer while at it: what is large is not for the threads that serve connections.
    async fn run(
        self,
        (at, limit): (TimestampMs, Option<usize>),
        evaluate: impl FnOnce(&str, &dyn Source, &Limits<'_>) -> Result<Answer, promql::Error> + Send + 'static,
    ) -> Result<Success, ApiError> {
        let Self { app, engine, asked, lookback_ms } = self;
        let (query, max_samples) = (asked.text.clone(), app.config().query.max_samples);
        in_turn(&app, asked, move |allowance| {
            let limits = Limits {
                lookback_ms,
                subquery_step_ms: SUBQUERY_STEP_MS,
                max_samples,
                max_points: MAX_POINTS,
                interrupt: &|| allowance.interrupt(),
                reserve: &|samples| allowance.reserve(samples),
            };
            let source = TenantSource { engine, allowance: allowance.clone() };
            Ok(Success::answer(evaluate(&query, &source, &limits)?, at, limit))
        })
        .await
    }
}
