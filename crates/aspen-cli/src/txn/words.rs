//! Words of a script's line.

use super::{TxnError, error};

/// A word, and from which byte on it stood in quotes: `"="` is no operator, `"--ttl"` no option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    pub(super) quoted_from: Option<usize>,
}

impl Word {
    /// The word's text if it stands without quotes.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.quoted_from {
            None => std::str::from_utf8(&self.bytes).ok(),
            Some(_) => None,
        }
    }
}

/// Splits a line at spaces. Each of the `symbols`, with `=` behind it if it is `=` or `!`, is a
/// word of its own without spaces around it.
pub(super) fn words(place: &str, line: &[u8], symbols: &[u8]) -> Result<Vec<Word>, TxnError> {
    let (mut words, mut current) = (Vec::new(), None::<Word>);
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte.is_ascii_whitespace() {
            words.extend(current.take());
        } else if symbols.contains(&byte) {
            words.extend(current.take());
            let mut symbol = vec![byte];
            while let Some((b'=', after)) = rest.split_first().filter(|_| b"=!".contains(&byte)) {
                symbol.push(b'=');
                rest = after;
            }
            words.push(Word { bytes: symbol, quoted_from: None });
        } else if byte == b'"' {
            let word = current.get_or_insert_default();
            word.quoted_from.get_or_insert(word.bytes.len());
            rest = quoted(place, rest, &mut word.bytes)?;
        } else {
            current.get_or_insert_default().bytes.push(byte);
        }
    }
    words.extend(current);
    Ok(words)
}

/// Reads up to the closing quote; answers what follows it.
fn quoted<'a>(place: &str, mut rest: &'a [u8], into: &mut Vec<u8>) -> Result<&'a [u8], TxnError> {
    loop {
        rest = match rest {
            [] => return Err(error(place, "a quote (\") is not closed")),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..] => {
                let byte = crate::text::parse_hex(&[*high, *low]);
                into.extend(byte.ok_or_else(|| error(place, "\\x needs two hexadecimal digits"))?);
                after
            }
            [b'\\', escaped, after @ ..] => {
                into.push(escape(*escaped).ok_or_else(|| {
                    let known = "\\n, \\t, \\r, \\0, \\\\, \\\" and \\xHH";
                    error(place, format!("unknown escape in quotes; there are {known}"))
                })?);
                after
            }
            [byte, after @ ..] => {
                into.push(*byte);
                after
            }
        };
    }
}

fn escape(escaped: u8) -> Option<u8> {
    Some(match escaped {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'0' => 0,
        b'\\' | b'"' => escaped,
        _ => return None,
    })
}
