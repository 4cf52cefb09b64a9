//! What a regular expression cannot match without.

use regex_syntax::hir::{Class, Hir, HirKind};

/// What must be in a line for a regular expression to match; texts in any case.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    Text(String),
    All(Vec<Need>),
    Any(Vec<Need>),
}

impl Need {
    pub(super) fn parse(pattern: &str) -> Self {
        regex_syntax::parse(pattern).map_or(Self::Nothing, |hir| Self::of(&hir))
    }

    fn of(hir: &Hir) -> Self {
        let (mut text, mut needs) = (Vec::new(), Vec::new());
        Self::walk(hir, &mut text, &mut needs);
        Self::cut(&mut text, &mut needs);
        if needs.is_empty() { Self::Nothing } else { Self::All(needs) }
    }

    /// Adds what `hir` needs behind `text`, which is what must stand before it.
    fn walk(hir: &Hir, text: &mut Vec<u8>, needs: &mut Vec<Self>) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => text.extend_from_slice(&literal.0),
            HirKind::Class(class) => match one_letter(class) {
                Some(letter) => text.push(letter),
                None => Self::cut(text, needs),
            },
            HirKind::Capture(capture) => Self::walk(&capture.sub, text, needs),
            HirKind::Concat(all) => all.iter().for_each(|hir| Self::walk(hir, text, needs)),
            HirKind::Repetition(repetition) => {
                Self::cut(text, needs);
                if repetition.min > 0 {
                    needs.push(Self::of(&repetition.sub));
                }
            }
            HirKind::Alternation(any) => {
                Self::cut(text, needs);
                needs.push(Self::Any(any.iter().map(Self::of).collect()));
            }
        }
    }

    fn cut(text: &mut Vec<u8>, needs: &mut Vec<Self>) {
        match String::from_utf8(std::mem::take(text)) {
            Ok(text) if !text.is_empty() => needs.push(Self::Text(text)),
            _ => {}
        }
    }
}

/// The ASCII letter that a class is all the cases of.
fn one_letter(class: &Class) -> Option<u8> {
    let Class::Unicode(class) = class else { return None };
    let mut letters = class.ranges().iter().map(|range| match (range.start(), range.end()) {
        ('\u{17f}', '\u{17f}') => Some(b's'),
        ('\u{212a}', '\u{212a}') => Some(b'k'),
        (a, b) if a == b && a.is_ascii_alphabetic() => Some(a.to_ascii_lowercase() as u8),
        _ => None,
    });
    let first = letters.next()??;
    letters.all(|letter| letter == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_need_texts() {
        let of = Need::parse;
        let text = |text: &str| Need::Text(text.into());
        assert_eq!(of("error.*time(out)"), Need::All(vec![text("error"), text("timeout")]));
        assert_eq!(of("(?i)task"), Need::All(vec![text("task")]));
        assert_eq!(of(r"^\d+ (?:ab)+"), Need::All(vec![Need::Nothing, text(" "), Need::All(vec![text("ab")])]));
        let fatal = Need::All(vec![text("fatal: "), Need::Any(vec![Need::All(vec![text("a")]), Need::Nothing])]);
        let error = Need::All(vec![text("error")]);
        assert_eq!(of("error|fatal: (a|)"), Need::All(vec![Need::Any(vec![error, fatal])]));
        assert_eq!(of(".*"), Need::Nothing);
    }
}
