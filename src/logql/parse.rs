//! From the text of a query to what it asks for.

use super::{Error, Expr, Function, Logs, Metric, Top, lex::Lexer};
use crate::{
    search::{Count, Grouping, LineFilter},
    signal::{Condition, Matcher, Severity},
};

/// Longest query in bytes.
const LONGEST: usize = 64 << 10;

/// How deep queries may be nested.
const DEEPEST: usize = 16;

/// Reads a query.
///
/// # Errors
/// It is none, one of a kind that is not supported, or has a bad regular expression.
pub fn parse(text: &str) -> Result<Expr, Error> {
    let mut parser = Parser { lexer: Lexer::new(text) };
    if text.len() > LONGEST {
        return parser.lexer.error(format!("a query is at most {LONGEST} bytes long"));
    }
    let expr = parser.expr(0)?;
    match parser.lexer.rest().chars().next() {
        None => Ok(expr),
        Some('[') => {
            parser.lexer.error("a range needs a function: count_over_time, rate, bytes_over_time or bytes_rate")
        }
        Some('+' | '-' | '*' | '/' | '%' | '^' | '>' | '<' | '=' | '!') => {
            parser.lexer.error("operators between queries are not supported")
        }
        Some(c) => parser.lexer.error(format!("unexpected {c:?}")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
}

impl Parser<'_> {
    fn expr(&mut self, depth: usize) -> Result<Expr, Error> {
        if depth > DEEPEST {
            return self.lexer.error(format!("nested deeper than {DEEPEST}"));
        }
        if self.lexer.rest().starts_with('{') {
            return Ok(Expr::Logs(self.logs(&mut None)?));
        }
        if self.lexer.take("(") {
            let inner = self.expr(depth + 1)?;
            self.lexer.expect(")")?;
            return Ok(inner);
        }
        match self.lexer.peek_name() {
            "" | "vector" => self.constant(),
            "sum" => self.sum(depth).map(Expr::Metric),
            "topk" | "bottomk" => self.top(depth).map(Expr::Metric),
            "count_over_time" | "rate" | "bytes_over_time" | "bytes_rate" => self.function().map(Expr::Metric),
            other => {
                let other = other.to_owned();
                self.lexer.error(format!(
                    "{other} is not supported: there are count_over_time, rate, bytes_over_time, bytes_rate, sum, topk and \
                     bottomk"
                ))
            }
        }
    }

    fn constant(&mut self) -> Result<Expr, Error> {
        let (mut sum, mut is_vector) = (0.0, false);
        loop {
            if self.lexer.take_name("vector") {
                is_vector = true;
                self.lexer.expect("(")?;
                sum += self.lexer.number()?;
                self.lexer.expect(")")?;
            } else {
                sum += self.lexer.number()?;
            }
            if !self.lexer.take("+") {
                return Ok(if is_vector { Expr::Vector(sum) } else { Expr::Scalar(sum) });
            }
        }
    }

    /// A metric query as the argument of another.
    fn metric(&mut self, depth: usize) -> Result<Metric, Error> {
        match self.expr(depth + 1)? {
            Expr::Metric(metric) => Ok(metric),
            _ => self.lexer.error("expected a query with numbers, such as rate({service=\"x\"}[5m])"),
        }
    }

    fn sum(&mut self, depth: usize) -> Result<Metric, Error> {
        self.lexer.name()?;
        let before = self.grouping()?;
        self.lexer.expect("(")?;
        let mut metric = self.metric(depth)?;
        self.lexer.expect(")")?;
        let after = if before.is_none() { self.grouping()? } else { None };
        let is_plain = metric.top.is_none() && matches!(metric.grouping, Grouping::Without(_));
        if !is_plain {
            return self.lexer.error("a sum of sums, topk or bottomk is not supported");
        }
        let drop = &metric.logs.drop;
        metric.grouping = match before.or(after).unwrap_or(Grouping::By(Vec::new())) {
            Grouping::By(names) => Grouping::By(names.into_iter().filter(|name| !drop.contains(name)).collect()),
            Grouping::Without(names) => Grouping::Without(names.iter().chain(drop).cloned().collect()),
        };
        Ok(metric)
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, Error> {
        let make = if self.lexer.take_name("by") {
            Grouping::By
        } else if self.lexer.take_name("without") {
            Grouping::Without
        } else {
            return Ok(None);
        };
        self.lexer.expect("(")?;
        let mut names = Vec::new();
        while !self.lexer.take(")") {
            names.push(self.lexer.name()?.to_owned());
            if !self.lexer.take(",") {
                self.lexer.expect(")")?;
                break;
            }
        }
        Ok(Some(make(names)))
    }

    fn top(&mut self, depth: usize) -> Result<Metric, Error> {
        let is_bottom = self.lexer.name()? == "bottomk";
        self.lexer.expect("(")?;
        let k = self.lexer.number()?;
        if k < 1.0 {
            return self.lexer.error("expected a number from 1 on");
        }
        self.lexer.expect(",")?;
        let mut metric = self.metric(depth)?;
        self.lexer.expect(")")?;
        if metric.top.replace(Top { k: k as usize, is_bottom }).is_some() {
            return self.lexer.error("topk and bottomk of another are not supported");
        }
        Ok(metric)
    }

    fn function(&mut self) -> Result<Metric, Error> {
        let name = self.lexer.name()?;
        let count = if name.starts_with("bytes") { Count::Bytes } else { Count::Lines };
        let function = Function { count, is_rate: name.ends_with("rate") };
        self.lexer.expect("(")?;
        let mut range = Some(0);
        let logs = self.logs(&mut range)?;
        self.lexer.expect(")")?;
        match range {
            Some(range) if range > 0 => {
                let grouping = Grouping::Without(logs.drop.clone());
                Ok(Metric { logs, function, range, grouping, top: None })
            }
            _ => self.lexer.error("expected a range such as [5m] behind the selector"),
        }
    }

    /// A selector and its stages; where `range` is something, a range goes there.
    fn logs(&mut self, range: &mut Option<i64>) -> Result<Logs, Error> {
        let mut logs = Logs::default();
        self.lexer.expect("{")?;
        while !self.lexer.take("}") {
            let name = self.lexer.name()?.to_owned();
            logs.matchers.push(self.matcher(name)?);
            if !self.lexer.take(",") {
                self.lexer.expect("}")?;
                break;
            }
        }
        loop {
            if self.lexer.take("|=") {
                logs.lines.push(LineFilter::Contains(self.lexer.text()?));
            } else if self.lexer.take("!=") {
                logs.lines.push(LineFilter::NotContains(self.lexer.text()?));
            } else if self.lexer.take("|~") {
                logs.lines.push(LineFilter::Matches(LineFilter::regex(&self.lexer.text()?)?));
            } else if self.lexer.take("!~") {
                logs.lines.push(LineFilter::NotMatches(LineFilter::regex(&self.lexer.text()?)?));
            } else if self.lexer.take("|") {
                self.stage(&mut logs)?;
            } else if range.is_some_and(|range| range == 0) && self.lexer.take("[") {
                *range = Some(self.lexer.duration()?);
                self.lexer.expect("]")?;
            } else {
                return Ok(logs);
            }
        }
    }

    /// What stands behind a pipe.
    fn stage(&mut self, logs: &mut Logs) -> Result<(), Error> {
        const STAGES: [&str; 11] = [
            "json",
            "logfmt",
            "regexp",
            "pattern",
            "unpack",
            "unwrap",
            "line_format",
            "label_format",
            "decolorize",
            "keep",
            "distinct",
        ];
        let name = self.lexer.peek_name();
        if STAGES.contains(&name) {
            return self.lexer.error(format!(
                "the stage {name:?} is not supported: after a pipe there may be `drop`, or a condition on severity, \
                 detected_level, template, trace_id, an attribute or a label"
            ));
        }
        if self.lexer.take_name("drop") {
            loop {
                logs.drop.push(self.lexer.name()?.to_owned());
                if !self.lexer.take(",") {
                    return Ok(());
                }
            }
        }
        loop {
            let name = self.lexer.name()?.to_owned();
            let matcher = self.matcher(name)?;
            self.condition(logs, matcher)?;
            if self.lexer.peek_name() == "or" {
                return self.lexer.error("or is not supported: use =~ \"a|b\"");
            }
            if !self.lexer.take(",") && !self.lexer.take_name("and") {
                return Ok(());
            }
        }
    }

    /// The rest of a matcher, behind its name.
    fn matcher(&mut self, name: String) -> Result<Matcher, Error> {
        let condition = if self.lexer.take("=~") {
            Condition::Matches(LineFilter::label_regex(&self.lexer.text()?)?)
        } else if self.lexer.take("!~") {
            Condition::NotMatches(LineFilter::label_regex(&self.lexer.text()?)?)
        } else if self.lexer.take("!=") {
            Condition::NotEqual(self.lexer.text()?)
        } else if self.lexer.take("=") && !self.lexer.take("=") {
            Condition::Equal(self.lexer.text()?)
        } else {
            return self.lexer.error("expected =, !=, =~ or !~ and a text");
        };
        Ok(Matcher { name, condition })
    }

    /// Adds a condition behind a pipe to what holds already.
    fn condition(&mut self, logs: &mut Logs, matcher: Matcher) -> Result<(), Error> {
        match &*matcher.name {
            "severity" | "detected_level" => {
                let all = Severity::ALL.map(Some).into_iter().chain([None]);
                let known = logs.severities.take().unwrap_or_else(|| all.collect());
                logs.severities = Some(known.into_iter().filter(|severity| has_level(&matcher, *severity)).collect());
            }
            "template" => {
                let ids = matcher.literals().unwrap_or_default();
                let ids = ids.iter().map(|id| u64::from_str_radix(id, 16).ok()).collect::<Option<Vec<u64>>>();
                let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
                    return self
                        .lexer
                        .error("a template is = one, or =~ several with | between, of hexadecimal digits");
                };
                logs.templates = Some(match logs.templates.take() {
                    Some(known) => known.into_iter().filter(|id| ids.contains(id)).collect(),
                    None => ids,
                });
            }
            "trace_id" => match matcher.condition {
                Condition::Equal(trace) if logs.trace_id.is_none() => logs.trace_id = Some(trace),
                _ => return self.lexer.error("trace_id can only be = one trace"),
            },
            _ => logs.fields.push(matcher),
        }
        Ok(())
    }
}

/// Whether a severity passes. Levels may have any of their usual names; none is the empty text or `unknown`.
fn has_level(matcher: &Matcher, severity: Option<Severity>) -> bool {
    let is_named = |word: &str| match severity {
        Some(severity) => Severity::from_word(word) == Some(severity),
        None => word.is_empty() || word == "unknown",
    };
    match &matcher.condition {
        Condition::Equal(word) => is_named(word),
        Condition::NotEqual(word) => !is_named(word),
        Condition::Matches(regex) => match severity {
            Some(severity) => regex.is_match(severity.as_str()),
            None => regex.is_match("") || regex.is_match("unknown"),
        },
        Condition::NotMatches(regex) => match severity {
            Some(severity) => !regex.is_match(severity.as_str()),
            None => !regex.is_match("") && !regex.is_match("unknown"),
        },
    }
}
