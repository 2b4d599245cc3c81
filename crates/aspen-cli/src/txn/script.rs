//! The script of lines, after etcdctl's.

use aspen_core::{
    Compare, CompareTarget, Key, KeyRange, LeaseId, Operation, Revision, SCAN_RESULTS_DEFAULT,
    Transaction, Value,
};

use super::atomic::{ATOMIC, Atomic};
use super::operator;
use super::words::{Word, words};
use super::{TxnError, error};
use crate::args::lease::parse_lease;
use crate::args::parse_duration;

/// Parses a script.
pub(super) fn parse(text: &[u8]) -> Result<Transaction, TxnError> {
    let mut transaction = Transaction::default();
    let mut section = 0;
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let (place, line) = (format!("line {}", at + 1), line.trim_ascii());
        match (line.first(), section) {
            (Some(b'#'), _) => {}
            (None, _) => section += 1,
            (_, 0) => transaction.compares.push(compare(&place, line)?),
            (_, 1) => transaction.success.push(operation(&place, line)?),
            (_, 2) => transaction.failure.push(operation(&place, line)?),
            _ => {
                let problem = "there are three sections: compares, what to do when they hold, and \
                               what to do otherwise; an empty line ends a section";
                return Err(error(place, problem));
            }
        }
    }
    Ok(transaction)
}

fn compare(place: &str, line: &[u8]) -> Result<Compare, TxnError> {
    let words = words(place, line, b"()=!<>")?;
    let plain = |at: usize| words.get(at).and_then(Word::plain);
    let shape = (plain(1), plain(3), words.len()) == (Some("("), Some(")"), 6);
    let (Some(target), Some(operator), true) = (plain(0), plain(4), shape) else {
        let problem = "expected a compare like value(\"k\") = \"v\"; compares come first, and an \
                       empty line before the operations";
        return Err(error(place, problem));
    };
    let operator = operator::parse(operator).map_err(|problem| error(place, problem))?;
    let number = || number::<u64>(place, &words[5].bytes);
    let target = match target {
        "value" => CompareTarget::Value(value(place, &words[5])?),
        "version" | "ver" => CompareTarget::Version(number()?),
        "create" | "create_revision" | "c" => {
            CompareTarget::CreateRevision(Revision::new(number()?))
        }
        "mod" | "mod_revision" | "m" => CompareTarget::ModRevision(Revision::new(number()?)),
        "lease" => CompareTarget::Lease(Some(number()?).filter(|id| *id != 0).map(LeaseId::new)),
        other => {
            let problem =
                format!("cannot compare {other:?}; expected value, version, create, mod or lease");
            return Err(error(place, problem));
        }
    };
    Ok(Compare { key: key(place, &words[2])?, target, operator })
}

fn operation(place: &str, line: &[u8]) -> Result<Operation, TxnError> {
    let words = words(place, line, b"")?;
    let Some((name, rest)) = words.split_first() else {
        return Err(error(place, "expected an operation"));
    };
    let name = name.plain().unwrap_or_default();
    let arguments = Arguments::new(place, name, rest)?;
    match (name, Atomic::named(name)) {
        ("put", _) => put(&arguments),
        ("del" | "delete", _) => delete(&arguments),
        ("get", _) => get(&arguments),
        (_, Some(atomic)) => {
            let [key, operand] = arguments.exactly(&[], "KEY and VALUE")?;
            let operand = match atomic.takes_number {
                true => atomic
                    .number(number(place, &operand.bytes)?)
                    .map_err(|problem| error(place, problem))?,
                false => value(place, operand)?,
            };
            Ok(Operation::Atomic { key: self::key(place, key)?, operation: atomic.with(operand) })
        }
        (_, None) => {
            let atomic = ATOMIC.map(|atomic| atomic.name).join(", ");
            let problem = format!("unknown operation; expected put, del, get, {atomic}");
            Err(error(place, problem))
        }
    }
}

fn put(arguments: &Arguments<'_>) -> Result<Operation, TxnError> {
    let place = arguments.place;
    let [key, value] = arguments.exactly(&["lease", "ttl"], "KEY and VALUE")?;
    let (key, value) = (self::key(place, key)?, self::value(place, value)?);
    match (arguments.option("lease"), arguments.option("ttl")) {
        (Some(_), Some(_)) => Err(error(place, "expected --lease or --ttl, not both")),
        (None, Some(ttl)) => {
            let text = String::from_utf8_lossy(ttl);
            let ttl = parse_duration(&text).map_err(|e| error(place, format!("--ttl: {e}")))?;
            let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            Ok(Operation::PutTtl { key, value, ttl_ms })
        }
        (lease, None) => {
            let parse = |id: &[u8]| parse_lease(&String::from_utf8_lossy(id));
            let lease = lease.map(parse).transpose();
            let lease = lease.map_err(|problem| error(place, format!("--lease: {problem}")))?;
            Ok(Operation::Put { key, value, lease })
        }
    }
}

fn delete(arguments: &Arguments<'_>) -> Result<Operation, TxnError> {
    Ok(match arguments.keys(&[])? {
        Keys::One(key) => Operation::Delete { key },
        Keys::Range(range) => Operation::DeleteRange { range },
    })
}

fn get(arguments: &Arguments<'_>) -> Result<Operation, TxnError> {
    let place = arguments.place;
    let keys = arguments.keys(&["limit"])?;
    match (keys, arguments.option("limit")) {
        (Keys::One(_), Some(_)) => Err(error(place, "--limit goes with a range of keys")),
        (Keys::One(key), None) => Ok(Operation::Get { key }),
        (Keys::Range(range), limit) => {
            let limit = limit
                .map(|limit| number(place, limit))
                .transpose()?
                .unwrap_or(SCAN_RESULTS_DEFAULT);
            Ok(Operation::Scan { range, limit })
        }
    }
}

enum Keys {
    One(Key),
    Range(KeyRange),
}

/// What follows an operation's name.
struct Arguments<'a> {
    place: &'a str,
    name: &'a str,
    words: Vec<&'a Word>,
    options: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Arguments<'a> {
    fn new(place: &'a str, name: &'a str, rest: &'a [Word]) -> Result<Self, TxnError> {
        let (mut words, mut options) = (Vec::new(), Vec::new());
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            // Only the value may be quoted: --prefix="a b".
            let plain = word.quoted_from.is_none_or(|from| from > 2);
            let Some(option) = word.bytes.strip_prefix(b"--").filter(|_| plain) else {
                words.push(word);
                continue;
            };
            let equals = option.iter().position(|byte| *byte == b'=');
            let (option, value) = match equals {
                Some(at) => (&option[..at], Some(&option[at + 1..])),
                None => (option, rest.next().map(|word| &word.bytes[..])),
            };
            let option = std::str::from_utf8(option).unwrap_or_default();
            let value = value.ok_or_else(|| error(place, format!("--{option} needs a value")))?;
            options.push((option, value));
        }
        Ok(Self { place, name, words, options })
    }

    fn option(&self, name: &str) -> Option<&'a [u8]> {
        self.options.iter().find(|option| option.0 == name).map(|option| option.1)
    }

    fn check_options(&self, known: &[&str]) -> Result<(), TxnError> {
        let mut seen: Vec<&str> = Vec::new();
        for (name, _) in &self.options {
            if !known.contains(name) {
                let problem = format!("{} knows no option --{name}", self.name);
                return Err(error(self.place, problem));
            }
            if seen.contains(name) {
                return Err(error(self.place, format!("--{name} is given twice")));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// Exactly so many words.
    fn exactly<const N: usize>(
        &self,
        options: &[&str],
        what: &str,
    ) -> Result<[&'a Word; N], TxnError> {
        self.check_options(options)?;
        let words = <[&Word; N]>::try_from(self.words.clone());
        words.map_err(|_| error(self.place, format!("{} needs {what}", self.name)))
    }

    /// One key or a range.
    fn keys(&self, options: &[&str]) -> Result<Keys, TxnError> {
        self.check_options(&[options, &["prefix", "from"]].concat())?;
        let bytes = |bytes: &[u8]| bytes.to_vec();
        Ok(match (&self.words[..], self.option("prefix"), self.option("from")) {
            ([one], None, None) => Keys::One(key(self.place, one)?),
            ([from, to], None, None) => {
                Keys::Range(KeyRange::half_open(bytes(&from.bytes), bytes(&to.bytes)))
            }
            ([], Some(prefix), None) => Keys::Range(KeyRange::prefix(bytes(prefix))),
            ([], None, Some(from)) => Keys::Range(KeyRange::from_key(bytes(from))),
            _ => {
                let problem = format!("{} needs KEY, FROM TO, --prefix P or --from K", self.name);
                return Err(error(self.place, problem));
            }
        })
    }
}

fn key(place: &str, word: &Word) -> Result<Key, TxnError> {
    Key::new(word.bytes.clone()).map_err(|problem| error(place, problem.to_string()))
}

fn value(place: &str, word: &Word) -> Result<Value, TxnError> {
    Value::new(word.bytes.clone()).map_err(|problem| error(place, problem.to_string()))
}

fn number<T: std::str::FromStr>(place: &str, bytes: &[u8]) -> Result<T, TxnError> {
    let text = String::from_utf8_lossy(bytes);
    text.parse().map_err(|_| error(place, format!("{text:?} is no number that fits here")))
}

#[cfg(test)]
mod tests;
