//! From the parser's syntax tree to expressions that are checked, known here, and fixed in time.
//!
//! `promql-parser` checks most types, but not all; everything is checked again, so that evaluation need not.

use std::fmt;
use std::time::{Duration, SystemTime};

use promql_parser::label::{Labels as AstLabels, MatchOp, Matcher as AstMatcher};
use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{self as ast, AtModifier, LabelModifier, Offset, VectorMatchCardinality};

use super::functions::{self, Function};
use super::text::{self, Prepared};
use super::{Error, FARTHEST_MS, Limits};
use crate::signal::{Condition, METRIC_NAME, Matcher, TimestampMs};

/// Deepest syntax tree evaluated. A stack of 2 MiB, the default of threads, holds several times as much.
const DEPTH_MAX: usize = 250;

/// Type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Vector,
    Matrix,
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::Text => "string",
        })
    }
}

/// An expression with what is known of it before evaluation.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
    /// Whether its value is the same at every step, so that one step is enough.
    pub(super) is_invariant: bool,
}

#[derive(Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    Select(Selector),
    /// A range selector with its range in milliseconds.
    Window(Selector, i64),
    Subquery(Box<Subquery>),
    Negate(Box<Node>),
    Call(Function, Vec<Node>),
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
}

/// When a selector looks, relative to the step it is evaluated at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Anchor {
    /// The `@` modifier.
    pub(super) at: Option<TimestampMs>,
    /// The `offset` modifier.
    pub(super) offset_ms: i64,
}

impl Anchor {
    /// The instant looked at from a step.
    pub(super) fn reference(self, step: TimestampMs) -> TimestampMs {
        self.at.unwrap_or(step) - self.offset_ms
    }
}

#[derive(Debug)]
pub(super) struct Selector {
    /// A series is selected by all matchers of any of these.
    pub(super) alternatives: Vec<Vec<Matcher>>,
    pub(super) anchor: Anchor,
}

impl Selector {
    /// Whether it has neither `offset` nor `@`.
    pub(super) fn is_plain(&self) -> bool {
        self.anchor.at.is_none() && self.anchor.offset_ms == 0
    }
}

#[derive(Debug)]
pub(super) struct Subquery {
    pub(super) inner: Node,
    pub(super) range_ms: i64,
    pub(super) step_ms: i64,
    pub(super) anchor: Anchor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
}

#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) op: AggregateOp,
    pub(super) inner: Node,
    pub(super) param: Option<Node>,
    pub(super) grouping: Grouping,
}

/// Which labels count, for `by`/`without` and for `on`/`ignoring`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// `by`, `on`.
    Only(Vec<String>),
    /// `without`, `ignoring`.
    Except(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    pub(super) fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Gt | Self::Lt | Self::Ge | Self::Le)
    }

    pub(super) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// Which side of a vector operation may have several elements for one of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    OneToOne,
    /// `group_left`, with the labels taken from the right.
    ManyToOne(Vec<String>),
    /// `group_right`, with the labels taken from the left.
    OneToMany(Vec<String>),
}

#[derive(Debug)]
pub(super) struct Binary {
    pub(super) op: BinaryOp,
    pub(super) left: Node,
    pub(super) right: Node,
    pub(super) returns_bool: bool,
    pub(super) matching: Grouping,
    pub(super) cardinality: Cardinality,
}

/// Reads a query for evaluation between `start` and `end`.
///
/// # Errors
/// [`Error::Parse`] and [`Error::Unsupported`].
pub(super) fn plan(query: &str, start: TimestampMs, end: TimestampMs, limits: &Limits<'_>) -> Result<Node, Error> {
    let prepared = text::prepare(query)?;
    let tree = ast::parse(&prepared.text).map_err(|message| Error::Parse(prepared.explain(&message)))?;
    Planner { prepared: &prepared, start, end, subquery_step_ms: limits.subquery_step_ms, depth: 0 }.node(&tree)
}

struct Planner<'a> {
    prepared: &'a Prepared,
    start: TimestampMs,
    end: TimestampMs,
    subquery_step_ms: i64,
    depth: usize,
}

impl Planner<'_> {
    fn node(&mut self, tree: &ast::Expr) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::Parse(format!("expression is nested deeper than {DEPTH_MAX}")));
        }
        let node = match tree {
            ast::Expr::Paren(paren) => self.node(&paren.expr),
            ast::Expr::NumberLiteral(number) => Ok(constant(Expr::Number(number.val), Kind::Scalar)),
            ast::Expr::StringLiteral(literal) => {
                Ok(constant(Expr::Text(self.prepared.string(&literal.val).to_owned()), Kind::Text))
            }
            ast::Expr::VectorSelector(selector) => {
                let selector = self.selector(selector)?;
                let is_invariant = selector.anchor.at.is_some();
                Ok(Node { expr: Expr::Select(selector), kind: Kind::Vector, is_invariant })
            }
            ast::Expr::MatrixSelector(window) => {
                let selector = self.selector(&window.vs)?;
                let is_invariant = selector.anchor.at.is_some();
                let expr = Expr::Window(selector, millis(window.range)?);
                Ok(Node { expr, kind: Kind::Matrix, is_invariant })
            }
            ast::Expr::Subquery(subquery) => self.subquery(subquery),
            ast::Expr::Unary(unary) => self.negate(&unary.expr),
            ast::Expr::Call(call) => self.call(call),
            ast::Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            ast::Expr::Binary(binary) => self.binary(binary),
            ast::Expr::Extension(_) => Err(Error::Unsupported("extension of the language".into())),
        };
        self.depth -= 1;
        node
    }

    fn selector(&self, selector: &ast::VectorSelector) -> Result<Selector, Error> {
        let name = selector.name.as_deref().map(|name| self.prepared.string(name));
        let matchers = &selector.matchers;
        let lists =
            std::iter::once(&matchers.matchers).filter(|list| !list.is_empty() || matchers.or_matchers.is_empty());
        let mut alternatives = Vec::new();
        for list in lists.chain(&matchers.or_matchers) {
            let mut all: Vec<Matcher> = list.iter().map(|one| self.matcher(one)).collect::<Result<_, _>>()?;
            if let Some(name) = name {
                if all.iter().any(|one| one.name == METRIC_NAME) {
                    return Err(Error::Parse(format!("metric name must not be set twice: {name:?} and in the braces")));
                }
                all.push(Matcher::equal(METRIC_NAME, name));
            } else if all.iter().all(|one| one.accepts("")) {
                return Err(Error::Parse("vector selector must contain at least one non-empty matcher".into()));
            }
            alternatives.push(all);
        }
        Ok(Selector { alternatives, anchor: self.anchor(selector.at.as_ref(), selector.offset.as_ref())? })
    }

    fn matcher(&self, matcher: &AstMatcher) -> Result<Matcher, Error> {
        let value = self.prepared.string(&matcher.value);
        let regex = || {
            Matcher::regex(value).map_err(|error| {
                Error::Parse(format!("regular expression {value:?} cannot be used: {error}").replace('\n', " "))
            })
        };
        let condition = match matcher.op {
            MatchOp::Equal => Condition::Equal(value.to_owned()),
            MatchOp::NotEqual => Condition::NotEqual(value.to_owned()),
            MatchOp::Re(_) => Condition::Matches(regex()?),
            MatchOp::NotRe(_) => Condition::NotMatches(regex()?),
        };
        Ok(Matcher { name: self.prepared.string(&matcher.name).to_owned(), condition })
    }

    fn anchor(&self, at: Option<&AtModifier>, offset: Option<&Offset>) -> Result<Anchor, Error> {
        let at = match at {
            None => None,
            Some(AtModifier::Start) => Some(self.start),
            Some(AtModifier::End) => Some(self.end),
            Some(AtModifier::At(time)) => Some(instant(*time)?),
        };
        let offset_ms = match offset {
            None => 0,
            Some(Offset::Pos(duration)) => millis(*duration)?,
            Some(Offset::Neg(duration)) => -millis(*duration)?,
        };
        Ok(Anchor { at, offset_ms })
    }

    fn subquery(&mut self, subquery: &ast::SubqueryExpr) -> Result<Node, Error> {
        let inner = self.node(&subquery.expr)?;
        expect(Kind::Vector, inner.kind, "subquery")?;
        let step_ms = subquery.step.map_or(Ok(self.subquery_step_ms), millis)?;
        let anchor = self.anchor(subquery.at.as_ref(), subquery.offset.as_ref())?;
        let subquery = Subquery { inner, range_ms: millis(subquery.range)?, step_ms: step_ms.max(1), anchor };
        Ok(Node { expr: Expr::Subquery(Box::new(subquery)), kind: Kind::Matrix, is_invariant: anchor.at.is_some() })
    }

    fn negate(&mut self, tree: &ast::Expr) -> Result<Node, Error> {
        let inner = self.node(tree)?;
        let (kind, is_invariant) = (inner.kind, inner.is_invariant);
        if !matches!(kind, Kind::Scalar | Kind::Vector) {
            return Err(Error::Parse(format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got {kind}"
            )));
        }
        Ok(Node { expr: Expr::Negate(Box::new(inner)), kind, is_invariant })
    }

    fn call(&mut self, call: &ast::Call) -> Result<Node, Error> {
        let name = call.func.name;
        let signature = functions::find(name)
            .ok_or_else(|| Error::Unsupported(format!("function {name:?} is not evaluated here")))?;
        let args: Vec<Node> = call.args.args.iter().map(|arg| self.node(arg)).collect::<Result<_, _>>()?;
        signature.check(name, &args.iter().map(|arg| arg.kind).collect::<Vec<_>>())?;
        let is_invariant = !signature.function.depends_on_time(args.len()) && args.iter().all(|arg| arg.is_invariant);
        Ok(Node { expr: Expr::Call(signature.function, args), kind: signature.returns, is_invariant })
    }

    fn aggregate(&mut self, aggregate: &ast::AggregateExpr) -> Result<Node, Error> {
        let op = aggregate_op(aggregate.op)?;
        let inner = self.node(&aggregate.expr)?;
        expect(Kind::Vector, inner.kind, "aggregation expression")?;
        let param = aggregate.param.as_ref().map(|param| self.node(param)).transpose()?;
        let wanted = match op {
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Quantile => Some(Kind::Scalar),
            AggregateOp::CountValues => Some(Kind::Text),
            _ => None,
        };
        match (wanted, &param) {
            (Some(wanted), Some(param)) => expect(wanted, param.kind, "aggregation parameter")?,
            (None, None) => {}
            _ => return Err(Error::Parse(format!("wrong number of arguments for aggregation {}", aggregate.op))),
        }
        let grouping = match &aggregate.modifier {
            None => Grouping::Only(Vec::new()),
            Some(modifier) => self.grouping(modifier),
        };
        // Prometheus 3.5 forgets the parameter here: `quantile(time(), m @ 1)` gets that of the first step at all steps.
        let is_invariant = inner.is_invariant && param.as_ref().is_none_or(|param| param.is_invariant);
        let aggregate = Aggregate { op, inner, param, grouping };
        Ok(Node { expr: Expr::Aggregate(Box::new(aggregate)), kind: Kind::Vector, is_invariant })
    }

    fn binary(&mut self, binary: &ast::BinaryExpr) -> Result<Node, Error> {
        let op = binary_op(binary.op)?;
        let (left, right) = (self.node(&binary.lhs)?, self.node(&binary.rhs)?);
        for side in [&left, &right] {
            if !matches!(side.kind, Kind::Scalar | Kind::Vector) {
                let text = "binary expression must contain only scalar and instant vector types";
                return Err(Error::Parse(text.into()));
            }
        }
        let kind = if left.kind == Kind::Scalar && right.kind == Kind::Scalar { Kind::Scalar } else { Kind::Vector };
        if op.is_set() && (left.kind == Kind::Scalar || right.kind == Kind::Scalar) {
            let text = format!("set operator {:?} not allowed in binary scalar expression", binary.op.to_string());
            return Err(Error::Parse(text));
        }
        let returns_bool = binary.return_bool();
        if op.is_comparison() && kind == Kind::Scalar && !returns_bool {
            return Err(Error::Parse("comparisons between scalars must use BOOL modifier".into()));
        }
        let mut matching = Grouping::Except(Vec::new());
        let mut cardinality = Cardinality::OneToOne;
        if let Some(modifier) = &binary.modifier {
            if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
                return Err(Error::Unsupported("modifier \"fill\"".into()));
            }
            if let Some(labels) = &modifier.matching {
                matching = self.grouping(labels);
            }
            cardinality = match &modifier.card {
                VectorMatchCardinality::ManyToOne(labels) => Cardinality::ManyToOne(self.names(labels)),
                VectorMatchCardinality::OneToMany(labels) => Cardinality::OneToMany(self.names(labels)),
                VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => Cardinality::OneToOne,
            };
        }
        let is_invariant = left.is_invariant && right.is_invariant;
        let binary = Binary { op, left, right, returns_bool, matching, cardinality };
        binary.check_matching()?;
        Ok(Node { expr: Expr::Binary(Box::new(binary)), kind, is_invariant })
    }

    fn grouping(&self, modifier: &LabelModifier) -> Grouping {
        match modifier {
            LabelModifier::Include(labels) => Grouping::Only(self.names(labels)),
            LabelModifier::Exclude(labels) => Grouping::Except(self.names(labels)),
        }
    }

    fn names(&self, labels: &AstLabels) -> Vec<String> {
        labels.labels.iter().map(|name| self.prepared.string(name).to_owned()).collect()
    }
}

impl Binary {
    fn check_matching(&self) -> Result<(), Error> {
        let (Grouping::Only(names) | Grouping::Except(names)) = &self.matching;
        let between_vectors = self.left.kind == Kind::Vector && self.right.kind == Kind::Vector;
        if !between_vectors && !names.is_empty() {
            return Err(Error::Parse("vector matching only allowed between instant vectors".into()));
        }
        let included = match &self.cardinality {
            Cardinality::OneToOne => return Ok(()),
            Cardinality::ManyToOne(labels) | Cardinality::OneToMany(labels) => labels,
        };
        if self.op.is_set() {
            return Err(Error::Parse("no grouping allowed for set operations".into()));
        }
        let both = included.iter().find(|name| names.contains(name));
        match (both, &self.matching) {
            (Some(name), Grouping::Only(_)) => {
                Err(Error::Parse(format!("label {name:?} must not occur in ON and GROUP clause at once")))
            }
            _ => Ok(()),
        }
    }
}

fn constant(expr: Expr, kind: Kind) -> Node {
    Node { expr, kind, is_invariant: true }
}

/// Refuses an expression of the wrong type.
pub(super) fn expect(wanted: Kind, got: Kind, place: &str) -> Result<(), Error> {
    if wanted == got { Ok(()) } else { Err(Error::Parse(format!("expected type {wanted} in {place}, got {got}"))) }
}

fn millis(duration: Duration) -> Result<i64, Error> {
    let rounded = (duration.as_micros() + 500) / 1000;
    i64::try_from(rounded).map_err(|_| Error::Parse("duration out of range".into()))
}

fn instant(time: SystemTime) -> Result<TimestampMs, Error> {
    let ms = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()),
        Err(before) => i64::try_from(before.duration().as_millis()).map(|ms| -ms),
    };
    let in_range = ms.ok().filter(|ms| (-FARTHEST_MS..=FARTHEST_MS).contains(ms));
    in_range.ok_or_else(|| Error::Parse("timestamp out of bounds for @ modifier".into()))
}

fn aggregate_op(op: TokenType) -> Result<AggregateOp, Error> {
    Ok(match op.id() {
        token::T_SUM => AggregateOp::Sum,
        token::T_AVG => AggregateOp::Avg,
        token::T_MIN => AggregateOp::Min,
        token::T_MAX => AggregateOp::Max,
        token::T_COUNT => AggregateOp::Count,
        token::T_GROUP => AggregateOp::Group,
        token::T_STDDEV => AggregateOp::Stddev,
        token::T_STDVAR => AggregateOp::Stdvar,
        token::T_TOPK => AggregateOp::Topk,
        token::T_BOTTOMK => AggregateOp::Bottomk,
        token::T_QUANTILE => AggregateOp::Quantile,
        token::T_COUNT_VALUES => AggregateOp::CountValues,
        _ => return Err(Error::Unsupported(format!("aggregation {:?}", op.to_string()))),
    })
}

fn binary_op(op: TokenType) -> Result<BinaryOp, Error> {
    Ok(match op.id() {
        token::T_ADD => BinaryOp::Add,
        token::T_SUB => BinaryOp::Sub,
        token::T_MUL => BinaryOp::Mul,
        token::T_DIV => BinaryOp::Div,
        token::T_MOD => BinaryOp::Mod,
        token::T_POW => BinaryOp::Pow,
        token::T_ATAN2 => BinaryOp::Atan2,
        token::T_EQLC => BinaryOp::Eq,
        token::T_NEQ => BinaryOp::Ne,
        token::T_GTR => BinaryOp::Gt,
        token::T_LSS => BinaryOp::Lt,
        token::T_GTE => BinaryOp::Ge,
        token::T_LTE => BinaryOp::Le,
        token::T_LAND => BinaryOp::And,
        token::T_LOR => BinaryOp::Or,
        token::T_LUNLESS => BinaryOp::Unless,
        _ => return Err(Error::Unsupported(format!("operator {:?}", op.to_string()))),
    })
}
