//! `query` and `query_range`.

use super::question::{Body, Plain, QUERY_SPAN, Question, lines, order};
use crate::{
    logql::{Expr, RangeRequest, response},
    search::Order,
    server::prometheus::ApiError,
};

pub(super) async fn range(question: Question) -> Result<Body, Plain> {
    let expr = question.expr()?;
    let span = question.span(QUERY_SPAN)?;
    let step = question.step(&span)?;
    let (limit, order) = match &expr {
        Expr::Logs(_) => (lines(&question.parameters)?, order(&question.parameters)?),
        // Senders give both to every query.
        Expr::Metric(_) | Expr::Vector(_) | Expr::Scalar(_) => (0, Order::default()),
    };
    if question.parameters.duration("interval")?.is_some_and(|interval| interval != 0) {
        return Err(ApiError::bad_data("interval is not supported: every line is answered").into());
    }
    let request =
        RangeRequest { start: span.start, end: span.end, step, limit, order, is_categorized: question.is_categorized };
    let text = question.text();
    question.ask(text, move |index, tenant| Ok(response::answer(&expr.range(index, tenant, &request)?))).await
}

pub(super) async fn instant(question: Question) -> Result<Body, Plain> {
    let expr = question.expr()?;
    let at = question.time()?;
    let text = question.text();
    question.ask(text, move |index, tenant| Ok(response::answer(&expr.instant(index, tenant, at)?))).await
}
