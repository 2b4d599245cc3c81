//! One key's history, reduced to what the search looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::check::Violation;
use crate::history::{Operation, Outcome, RegisterOp, RegisterResult};

/// What a register holds, as far as any answer can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Value {
    /// Nothing.
    #[default]
    Absent,
    /// This.
    Is(u64),
    /// One of the values that no answer names. Nothing tells one of them from another.
    Unnamed,
}

impl From<Option<u64>> for Value {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::Absent, Self::Is)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Is(value) => value.fmt(f),
            Self::Unnamed => f.write_str("one that no answer names"),
        }
    }
}

/// What an operation did, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Saw this value.
    Is(Value),
    /// Saw any value but this.
    IsNot(Value),
    /// Wrote this value, whatever was there.
    Write(Value),
    /// Wrote the second value where the first was.
    Swap(Value, Value),
}

impl Effect {
    /// Whether it changes nothing.
    pub(super) fn is_observer(self) -> bool {
        matches!(self, Self::Is(_) | Self::IsNot(_))
    }

    /// The value that it leaves behind in `state`; `None` where it cannot happen.
    pub(super) fn after(self, state: Value) -> Option<Value> {
        let (possible, next) = match self {
            Self::Is(value) => (state == value, state),
            Self::IsNot(value) => (state != value, state),
            Self::Write(value) => (true, value),
            Self::Swap(expected, value) => (state == expected, value),
        };
        possible.then_some(next)
    }

    /// The value that it writes.
    pub(super) fn written(self) -> Option<Value> {
        match self {
            Self::Write(value) | Self::Swap(_, value) => Some(value),
            Self::Is(_) | Self::IsNot(_) => None,
        }
    }

    /// The value that must be there for it to happen.
    pub(super) fn needed(self) -> Option<Value> {
        match self {
            Self::Is(value) | Self::Swap(value, _) => Some(value),
            Self::IsNot(_) | Self::Write(_) => None,
        }
    }

    /// The value that its answer depends on.
    fn named(self) -> Option<Value> {
        match self {
            Self::IsNot(value) => Some(value),
            _ => self.needed(),
        }
    }

    /// The same with the value that it writes replaced.
    fn writing(self, value: Value) -> Self {
        match self {
            Self::Write(_) => Self::Write(value),
            Self::Swap(expected, _) => Self::Swap(expected, value),
            Self::Is(_) | Self::IsNot(_) => self,
        }
    }
}

/// An operation that may or must have a place in the order sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'h> {
    /// What it did.
    pub(super) effect: Effect,
    /// The order of its invocation.
    pub(super) invoked: u64,
    /// The order of its return. `None`: it may never have happened, or happen after everything.
    pub(super) returned: Option<u64>,
    /// Where it came from.
    pub(super) operation: &'h Operation,
}

/// The entries of one key's operations: those that surely did not happen are left out, and so are
/// observers that saw nothing.
pub(super) fn entries<'h>(operations: &[&'h Operation]) -> Result<Vec<Entry<'h>>, Violation> {
    let mut entries = Vec::with_capacity(operations.len());
    for operation in operations {
        let Some(effect) = effect(operation)? else { continue };
        let returned = operation.returned.filter(|_| operation.outcome.ok().is_some());
        let (invoked, returned) = (operation.invoked.order, returned.map(|moment| moment.order));
        entries.push(Entry { effect, invoked, returned, operation });
    }
    Ok(entries)
}

fn effect(operation: &Operation) -> Result<Option<Effect>, Violation> {
    use RegisterResult::{Done, Swapped};
    let effect = match (operation.op, operation.outcome) {
        (_, Outcome::Failed) | (RegisterOp::Read, Outcome::Unknown) => return Ok(None),
        (RegisterOp::Read, Outcome::Ok(RegisterResult::Value(value))) => Effect::Is(value.into()),
        (RegisterOp::Write(value), Outcome::Ok(Done) | Outcome::Unknown) => {
            Effect::Write(Value::Is(value))
        }
        (RegisterOp::Delete, Outcome::Ok(Done) | Outcome::Unknown) => Effect::Write(Value::Absent),
        (RegisterOp::Cas { expected, new }, Outcome::Ok(Swapped(true)) | Outcome::Unknown) => {
            Effect::Swap(expected.into(), Value::Is(new))
        }
        (RegisterOp::Cas { expected, .. }, Outcome::Ok(Swapped(false))) => {
            Effect::IsNot(expected.into())
        }
        (_, Outcome::Ok(_)) => {
            return Err(Violation::new(
                "well-formed history",
                format!("the result does not answer the operation: {operation}"),
            ));
        }
    };
    Ok(Some(effect))
}

/// Makes the search cheap where answers leave it free: writes of unknown outcome that no answer
/// could show are left out, since whether they happened makes no difference (a history with
/// hundreds of them would otherwise carry each to its end), and values that no answer names become
/// one.
pub(super) fn simplified(mut entries: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    let witnesses = Witnesses::of(&entries);
    entries.retain(|entry| entry.returned.is_some() || witnesses.may_show(entry));
    let named: BTreeSet<_> = entries.iter().filter_map(|entry| entry.effect.named()).collect();
    for entry in &mut entries {
        if entry.effect.written().is_some_and(|value| !named.contains(&value)) {
            entry.effect = entry.effect.writing(Value::Unnamed);
        }
    }
    entries
}

/// The last moment at which some answer depends on each value.
struct Witnesses {
    /// By the value that the answer needs.
    needing: BTreeMap<Value, u64>,
    /// Of the observers that only exclude a value: they depend on every other one.
    excluding: Option<u64>,
}

impl Witnesses {
    fn of(entries: &[Entry<'_>]) -> Self {
        let mut witnesses = Self { needing: BTreeMap::new(), excluding: None };
        for entry in entries {
            let until = entry.returned.unwrap_or(u64::MAX);
            if let Some(value) = entry.effect.needed() {
                let last = witnesses.needing.entry(value).or_insert(until);
                *last = until.max(*last);
            }
            if matches!(entry.effect, Effect::IsNot(_)) {
                witnesses.excluding = witnesses.excluding.max(Some(until));
            }
        }
        witnesses
    }

    fn may_show(&self, entry: &Entry<'_>) -> bool {
        let needing = entry.effect.written().and_then(|value| self.needing.get(&value));
        needing.is_some_and(|last| *last >= entry.invoked)
            || self.excluding.is_some_and(|last| last >= entry.invoked)
    }
}
