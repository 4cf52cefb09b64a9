//! Label matchers, as in a PromQL selector.

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A condition on one label. An absent label counts as the empty string.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// What its value must satisfy.
    pub condition: Condition,
}

/// The four matcher operators.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `=`
    Equal(String),
    /// `!=`
    NotEqual(String),
    /// `=~`
    Matches(Regex),
    /// `!~`
    NotMatches(Regex),
}

impl Condition {
    /// The operator, and what stands behind it; a pattern as it was translated.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Equal(value) => ("=", value),
            Self::NotEqual(value) => ("!=", value),
            Self::Matches(regex) => ("=~", regex.as_str()),
            Self::NotMatches(regex) => ("!~", regex.as_str()),
        }
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (operator, text) = <(String, String)>::deserialize(deserializer)?;
        let regex = || Regex::new(&text).map_err(de::Error::custom);
        match &*operator {
            "=" => Ok(Self::Equal(text)),
            "!=" => Ok(Self::NotEqual(text)),
            "=~" => Ok(Self::Matches(regex()?)),
            "!~" => Ok(Self::NotMatches(regex()?)),
            _ => Err(de::Error::custom(format!("unknown operator {operator:?}"))),
        }
    }
}

impl Matcher {
    /// `name="value"`
    #[must_use]
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.into(), condition: Condition::Equal(value.into()) }
    }

    /// The regular expression of `=~` and `!~`: fully anchored, `.` matches a newline, as in Prometheus 3.
    ///
    /// Patterns are in RE2's dialect, which differs in small ways from that of the `regex` crate and are rewritten.
    ///
    /// # Errors
    /// The pattern does not parse or is too large.
    pub fn regex(pattern: &str) -> Result<Regex, regex::Error> {
        Regex::new(&format!("^(?s:{})$", from_re2(pattern)?))
    }

    /// The values that pass, where the condition is no more than a list of them: `=`, or `=~` with a plain alternation
    /// such as `a|b` or `(a|b\.c)`.
    #[must_use]
    pub fn literals(&self) -> Option<Vec<String>> {
        match &self.condition {
            Condition::Equal(value) => Some(vec![value.clone()]),
            Condition::Matches(regex) => {
                let pattern = regex.as_str().strip_prefix("^(?s:")?.strip_suffix(")$")?;
                let inner = pattern.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
                alternatives(inner.unwrap_or(pattern))
            }
            Condition::NotEqual(_) | Condition::NotMatches(_) => None,
        }
    }

    /// Whether a label with this value (empty when absent) passes.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match &self.condition {
            Condition::Equal(wanted) => value == wanted,
            Condition::NotEqual(unwanted) => value != unwanted,
            Condition::Matches(regex) => regex.is_match(value),
            Condition::NotMatches(regex) => !regex.is_match(value),
        }
    }
}

/// The texts of a pattern that is nothing but texts with `|` between.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            '|' => {
                texts.push(String::new());
                continue;
            }
            // An escaped letter or digit is a class or a reference.
            '\\' => chars.next().filter(|c| c.is_ascii_punctuation())?,
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            _ => c,
        };
        texts.last_mut()?.push(literal);
    }
    Some(texts)
}

/// Writes a pattern of RE2 so that the `regex` crate understands the same by it.
///
/// - `\d`, `\s`, `\w` and `\b` mean ASCII;
/// - `{` that begins no repetition, `\<` and `\>` are the characters themselves, and so are `[`, `&&`, `--`
///   and `~~` in a class;
/// - `\Q…\E` quotes.
///
/// A closing parenthesis too many and flags that RE2 does not have are refused; all else is judged by the crate.
fn from_re2(pattern: &str) -> Result<String, regex::Error> {
    let refuse = |text: &str| Err(regex::Error::Syntax(format!("{text} in {pattern:?}")));
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut depth = 0_usize;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let mut taken = c.len_utf8();
        match c {
            '\\' if after.starts_with('Q') => {
                let quoted = &after[1..];
                let end = quoted.find("\\E").unwrap_or(quoted.len());
                out.push_str(&regex::escape(&quoted[..end]));
                taken = (4 + end).min(rest.len());
            }
            '\\' => taken += escape(after, false, &mut out),
            '[' => taken += class(after, &mut out),
            '{' if !begins_repetition(after) => out.push_str("\\{"),
            '(' => {
                depth += 1;
                let flags = after.strip_prefix('?').and_then(|flags| flags.split([':', ')']).next());
                let has_foreign = |flags: &str| !flags.starts_with(['P', '<']) && flags.contains(['x', 'u', 'R']);
                if flags.is_some_and(has_foreign) {
                    return refuse("unknown flag");
                }
                out.push(c);
            }
            ')' => {
                let Some(less) = depth.checked_sub(1) else { return refuse("unexpected )") };
                depth = less;
                out.push(c);
            }
            _ => out.push(c),
        }
        rest = &rest[taken..];
    }
    Ok(out)
}

/// Writes the escape whose part after the backslash `text` begins with; tells how much of `text` it was.
fn escape(text: &str, is_in_class: bool, out: &mut String) -> usize {
    let Some(c) = text.chars().next() else {
        out.push('\\');
        return 0;
    };
    match (c, is_in_class) {
        ('d', false) => out.push_str("[0-9]"),
        ('s', false) => out.push_str("[\\t\\n\\x0c\\r ]"),
        ('w', false) => out.push_str("[0-9A-Za-z_]"),
        ('b', false) => out.push_str("(?-u:\\b)"),
        ('d', true) => out.push_str("0-9"),
        ('s', true) => out.push_str("\\t\\n\\x0c\\r\\x20"),
        ('w', true) => out.push_str("0-9A-Za-z_"),
        ('D', _) => out.push_str("[^0-9]"),
        ('S', _) => out.push_str("[^\\t\\n\\x0c\\r ]"),
        ('W', _) => out.push_str("[^0-9A-Za-z_]"),
        ('<' | '>', _) => out.push(c),
        _ => out.extend(['\\', c]),
    }
    c.len_utf8()
}

/// Writes the character class of which `text` is what follows the opening bracket; tells how much of `text` it was.
fn class(text: &str, out: &mut String) -> usize {
    out.push('[');
    let mut at = 0;
    if text.starts_with('^') {
        out.push('^');
        at = 1;
    }
    let first = at;
    let mut is_after_hyphen = false;
    while let Some(c) = text[at..].chars().next() {
        let is_first = at == first;
        at += c.len_utf8();
        let was_after_hyphen = std::mem::take(&mut is_after_hyphen);
        match c {
            ']' if is_first => out.push_str("\\]"),
            ']' => {
                out.push(']');
                break;
            }
            '\\' => at += escape(&text[at..], true, out),
            '[' if text[at..].starts_with(':') => {
                let end = text[at..].find(":]").map_or(0, |end| end + 2);
                out.push('[');
                out.push_str(&text[at..at + end]);
                at += end;
            }
            '-' if is_first || was_after_hyphen => out.push_str("\\-"),
            '-' => {
                out.push('-');
                is_after_hyphen = true;
            }
            '[' | '&' | '~' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    at
}

/// Whether `{` before this text begins a repetition: `{2}`, `{2,}`, `{2,3}`.
fn begins_repetition(after: &str) -> bool {
    let Some((inside, _)) = after.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let all_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    !least.is_empty() && all_digits(least) && all_digits(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_re2() {
        let cases: [(&str, &[&str], &[&str]); 14] = [
            (r"\d+", &["42"], &["٤٢", "x"]),
            (r"[\d\-x]+", &["4-x"], &["d"]),
            (r"[^\D]", &["7"], &["a"]),
            (r"\w\W\S\s", &["a.b ", "aéb\n"], &["é.b "]),
            (r"a{b", &["a{b"], &["a"]),
            (r"a{,2}", &["a{,2}"], &["aa"]),
            (r"a{2}|b{1,}c{0,1}", &["aa", "bbb", "bc"], &["a{2}", "a"]),
            (r"\<a\>", &["<a>"], &["a"]),
            (r"[a&&b[]", &["a", "&", "b", "["], &["]"]),
            (r"[]a]", &["]", "a"], &["[", "]a]"]),
            (r"[--/~~]", &["-", ".", "/", "~"], &["0"]),
            (r"[[:alpha:]]\.[^[:digit:]]", &["a.b"], &["a.1", "ab"]),
            (r"\Qa.b\E.\Q*", &["a.bx*"], &["axbx*"]),
            (r"(?i)ab(?P<x>c)(?:d)", &["ABCD"], &["abc"]),
        ];
        for (pattern, accepted, refused) in cases {
            let regex = Matcher::regex(pattern).unwrap();
            for text in accepted {
                assert!(regex.is_match(text), "{pattern} should match {text:?}");
            }
            for text in refused {
                assert!(!regex.is_match(text), "{pattern} should not match {text:?}");
            }
        }
        for bad in ["a)(b", "(", "(?x)a", "[a", "*", r"\", r"\1", "x{1001}{1001}{1001}"] {
            assert!(Matcher::regex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn plain_alternations_are_lists() {
        let literals = |pattern: &str| {
            let condition = Condition::Matches(Matcher::regex(pattern).unwrap());
            let matcher = Matcher { name: "a".into(), condition };
            let found = matcher.literals();
            assert!(found.iter().flatten().all(|text| matcher.accepts(text)), "{pattern}");
            found
        };
        assert_eq!(literals("a|b").unwrap(), ["a", "b"]);
        assert_eq!(literals(r"(10\.0\.0\.1:9100|c\-d|)").unwrap(), ["10.0.0.1:9100", "c-d", ""]);
        assert_eq!(literals("").unwrap(), [""]);
        for other in ["a.b", "a*", "(?i)a", "[ab]", "(a|b)c", "(a)|(b)", r"\d", "a$", "x{2}", r"\n"] {
            assert_eq!(literals(other), None, "{other}");
        }
        assert_eq!(Matcher::equal("a", "x.y").literals().unwrap(), ["x.y"]);
    }

    #[test]
    fn regexes_are_anchored_and_dot_takes_newlines() {
        let m = Matcher { name: "a".into(), condition: Condition::Matches(Matcher::regex("b|c.d").unwrap()) };
        assert!(m.accepts("b") && m.accepts("c\nd"));
        assert!(!m.accepts("bb") && !m.accepts("xc.d"));
        assert!(Matcher::equal("a", "").accepts(""));
    }
}
