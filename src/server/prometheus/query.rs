//! `query`, `query_range`, `query_exemplars` and `format_query`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::extract::State;
use tokio::time::Instant;

use super::{
    encode::Success,
    error::{ApiError, ErrorType},
    parameters::Parameters,
};
use crate::{
    fleet::Fleet,
    promql::{self, Answer, Interrupt, Limits, Series, Source, SourceError},
    server::{
        app::{App, NotReady, Phase},
        tenant::Tenant,
    },
    signal::{Matcher, TenantId, TimestampMs},
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
    let answer = evaluation.run(move |query, source, limits| promql::instant(query, at, source, limits)).await?;
    Ok(Success::answer(answer, at, limit))
}

pub(super) async fn range(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    parameters: Parameters,
) -> Result<Success, ApiError> {
    let span = parameters.range()?;
    let limit = parameters.limit("limit")?;
    let evaluation = Evaluation::of(&app, tenant, &parameters)?;
    let answer = evaluation
        .run(move |query, source, limits| promql::range(query, span.from, span.to, span.step, source, limits))
        .await?;
    Ok(Success::answer(answer, span.from, limit))
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

/// One query with what it may use.
struct Evaluation {
    app: App,
    query: String,
    source: TenantSource,
    lookback_ms: i64,
    timeout: Duration,
}

/// The series of one tenant.
struct TenantSource {
    engine: Fleet,
    tenant: TenantId,
}

impl Source for TenantSource {
    fn select(&self, matchers: &[Matcher], from: TimestampMs, to: TimestampMs) -> Result<Vec<Series>, SourceError> {
        let selected = self.engine.select(&self.tenant, matchers, from, to);
        let selected = selected.map_err(|cause| SourceError::Failed(NotReady::from(cause).to_string()))?;
        Ok(selected.into_iter().map(|(labels, samples)| Series { labels, samples }).collect())
    }
}

/// Tells the evaluation, when dropped, that nobody waits for its answer any more.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Evaluation {
    fn of(app: &App, tenant: TenantId, parameters: &Parameters) -> Result<Self, ApiError> {
        let config = &app.config().query;
        let lookback = parameters.duration("lookback_delta")?.filter(|lookback| *lookback > 0);
        Ok(Self {
            query: parameters.get("query").unwrap_or_default().to_owned(),
            source: TenantSource { engine: app.engine()?, tenant },
            lookback_ms: lookback.unwrap_or_else(|| config.lookback.as_millis()),
            timeout: parameters.timeout(config.timeout.get())?,
            app: app.clone(),
        })
    }

    /// Waits for a turn, then evaluates on a thread of its own.
    ///
    /// The turn is given back when the evaluation has ended, not when its answer is no longer wanted: a client that
    /// hangs up and asks again cannot have more evaluations at once than the limit allows.
    async fn run(
        self,
        evaluate: impl FnOnce(&str, &dyn Source, &Limits<'_>) -> Result<Answer, promql::Error> + Send + 'static,
    ) -> Result<Answer, ApiError> {
        let deadline = Instant::now() + self.timeout;
        let turn = tokio::time::timeout_at(deadline, Arc::clone(self.app.queries()).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(ApiError::new(ErrorType::Timeout, "query timed out in query queue"));
        };
        let cancelled = Arc::new(AtomicBool::new(false));
        let _cancel = Cancel(Arc::clone(&cancelled));
        let max_samples = self.app.config().query.max_samples;
        let evaluation = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let interrupt = || {
                let is_late = Instant::now() >= deadline;
                let is_cancelled = cancelled.load(Ordering::Relaxed) || self.app.phase() == Phase::Over;
                is_late.then_some(Interrupt::Timeout).or(is_cancelled.then_some(Interrupt::Canceled))
            };
            let limits = Limits {
                lookback_ms: self.lookback_ms,
                subquery_step_ms: SUBQUERY_STEP_MS,
                max_samples,
                max_points: MAX_POINTS,
                interrupt: &interrupt,
            };
            evaluate(&self.query, &self.source, &limits)
        });
        match tokio::time::timeout_at(deadline, evaluation).await {
            Ok(Ok(answer)) => answer.map_err(ApiError::from),
            Ok(Err(panic)) => {
                tracing::error!(error = %panic, "a query ended without an answer");
                Err(NotReady::Fault.into())
            }
            Err(_late) => Err(promql::Error::Timeout.into()),
        }
    }
}
