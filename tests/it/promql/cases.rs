//! Reads `cases.txt`.

/// An expression and what is expected of it.
#[derive(Clone, Debug)]
pub(crate) enum Case {
    /// The answers are equal, be they values or errors.
    Equal(String),
    /// Both refuse it as malformed.
    Invalid(String),
    /// Ours refuses it by name.
    Unsupported(String),
}

impl Case {
    /// Whether the order of an instant answer is part of it.
    pub(crate) fn is_ordered(&self) -> bool {
        ["sort", "topk", "bottomk"].iter().any(|name| self.expression().starts_with(name))
    }

    pub(crate) fn expression(&self) -> &str {
        match self {
            Self::Equal(text) | Self::Invalid(text) | Self::Unsupported(text) => text,
        }
    }
}

/// The cases in order of the file: one per line, sections begin with `[equal]`, `[invalid]` or `[unsupported]`.
pub(crate) fn all() -> Vec<Case> {
    let mut section = "";
    let mut cases = Vec::new();
    for line in include_str!("../../promql/cases.txt").lines().map(str::trim) {
        let text = line.to_owned();
        match line {
            "" => {}
            "[equal]" | "[invalid]" | "[unsupported]" => section = line,
            _ if line.starts_with('#') => {}
            _ => cases.push(match section {
                "[invalid]" => Case::Invalid(text),
                "[unsupported]" => Case::Unsupported(text),
                _ => Case::Equal(text),
            }),
        }
    }
    cases
}
