//! The words of a text, as methods that compare texts by meaning want them.

/// Longest word that is taken whole, in bytes; of longer ones the beginning.
const LONGEST: usize = 32;

/// The words of a line or template in lower case: split at whatever is no letter, and where a name in camel case has its
/// seams (`OutOfMemoryError` → `out`, `of`, `memory`, `error`). Values (`<*>`), numbers and single letters are none.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(|letter: char| !letter.is_alphabetic());
            let end = end_of_word(rest)?;
            let (word, behind) = rest.split_at(end);
            rest = behind;
            if word.chars().nth(1).is_some() {
                return Some(word[..word.floor_char_boundary(LONGEST)].to_lowercase());
            }
        }
    })
}

/// Where the first word of a text that begins with a letter ends, in bytes; `None` when there is no text.
fn end_of_word(text: &str) -> Option<usize> {
    let mut letters = text.char_indices().peekable();
    let (_, mut last) = letters.next()?;
    while let Some((at, letter)) = letters.next() {
        // `aB` is a seam, and so is the last capital of `HTTPServer`.
        let begins = letter.is_uppercase()
            && (last.is_lowercase() || letters.peek().is_some_and(|(_, next)| next.is_lowercase()));
        if !letter.is_alphabetic() || begins {
            return Some(at);
        }
        last = letter;
    }
    Some(text.len())
}

/// Things in order, with how often each is there.
pub(super) fn counted<T: Ord>(mut things: Vec<T>) -> Vec<(T, u32)> {
    things.sort_unstable();
    let mut counted: Vec<(T, u32)> = Vec::new();
    for thing in things {
        match counted.last_mut() {
            Some((last, count)) if *last == thing => *count += 1,
            _ => counted.push((thing, 1)),
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_and_values_are_left_out() {
        let told = |text: &str| words(text).collect::<Vec<_>>().join(" ");
        assert_eq!(
            told("java.lang.OutOfMemoryError: Java heap space"),
            "java lang out of memory error java heap space"
        );
        assert_eq!(told("HTTPServer on <*>:8080 got ETIMEDOUT x 3"), "http server on got etimedout");
        assert_eq!(told("dial tcp 10.0.0.1:5432: i/o timeout"), "dial tcp timeout");
        assert_eq!(told("Verbindung verloren: Überlauf von puffer_2"), "verbindung verloren überlauf von puffer");
        assert_eq!(told(&"a".repeat(99)).len(), LONGEST);
        assert_eq!(told("é 7 <*> - {}"), "");
    }
}
