//! The severity that a line says of itself.

use crate::signal::Severity;

/// Words from the beginning of a line among which its level is looked for.
const WORDS: usize = 10;
/// And bytes.
const REACH: usize = 256;

/// The level that loggers write near the beginning of a line: in capitals (`WARN`), in brackets (`[error]`), before a colon
/// (`error:`) or behind `level=`. `None` where a line does not say.
#[must_use]
pub fn severity(line: &str) -> Option<Severity> {
    let bytes = &line.as_bytes()[..line.len().min(REACH)];
    let mut at = 0;
    for _ in 0..WORDS {
        let start = at + bytes[at..].iter().position(u8::is_ascii_alphabetic)?;
        let length = bytes[start..].iter().position(|byte| !byte.is_ascii_alphanumeric());
        at = length.map_or(bytes.len(), |length| start + length);
        let word = &bytes[start..at];
        let (before, after) = (start.checked_sub(1).map(|i| bytes[i]), bytes.get(at));
        let is_apart =
            !matches!(before, Some(b'-' | b'_' | b'.' | b'/')) && !matches!(after, Some(b'-' | b'_' | b'.' | b'/'));
        let is_marked = matches!(before, Some(b'[' | b'<' | b'(' | b'=' | b'|' | b'"'))
            || matches!(after, Some(b']' | b'>' | b':' | b'|' | b'"'));
        let is_capital = word.len() > 2 && word.iter().all(u8::is_ascii_uppercase);
        if is_apart
            && (is_capital || is_marked)
            && let Some(severity) = std::str::from_utf8(word).ok().and_then(Severity::from_word)
        {
            return Some(severity);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_as_loggers_write_them() {
        for (line, level) in [
            ("2024-01-02 03:04:05,678 ERROR [main] c.Foo: broken", Some(Severity::Error)),
            ("[Sun Dec 04 04:47:44 2005] [error] mod_jk child", Some(Severity::Error)),
            ("ts=2024 level=warn msg=\"x\"", Some(Severity::Warn)),
            ("{\"level\":\"fatal\",\"msg\":\"x\"}", Some(Severity::Fatal)),
            ("error: no such file", Some(Severity::Error)),
            ("081109 203518 143 INFO dfs.DataNode: served", Some(Severity::Info)),
            ("an error was found", None),
            ("it is fine today", None),
            ("ERROR_CODE 7", None),
            ("", None),
        ] {
            assert_eq!(severity(line), level, "{line}");
        }
    }
}
