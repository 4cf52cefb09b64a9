//! What the classifier sees of a text.

use crate::logs::words::{counted, words};

/// Letters of a piece of a word, its beginning and end counted as letters.
const PIECE: usize = 4;

/// The terms of a text and how often each comes, in order: words, pairs of neighbours (`out of`), and pieces of words
/// (`~mory`, `~ory$`), by which it knows `ECONNREFUSED` although it may have seen only `connection refused`.
pub(super) fn terms(text: &str) -> Vec<(String, u32)> {
    let words: Vec<String> = words(text).collect();
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    counted(words.iter().flat_map(|word| pieces(word)).chain(pairs).chain(words.clone()).collect())
}

fn pieces(word: &str) -> Vec<String> {
    let letters: Vec<char> = std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
    letters.windows(PIECE).map(|piece| std::iter::once('~').chain(piece.iter().copied()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_pairs_and_pieces() {
        let terms = terms("Out of <*> out OF");
        let told: Vec<String> = terms.iter().map(|(term, count)| format!("{term}:{count}")).collect();
        assert_eq!(told, ["of:2", "of out:1", "out:2", "out of:2", "~^of$:2", "~^out:2", "~out$:2"]);
        assert_eq!(super::terms("<*> 7"), []);
    }
}
